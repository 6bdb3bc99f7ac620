"""A library is built once, whole or not at all, and only where nobody else can put one."""

import shutil
from pathlib import Path

import pytest

from outcrop.modeling import compiler

pytestmark = pytest.mark.skipif(not shutil.which("c++"), reason="no C++ compiler on this machine")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "answer.cpp"
    path.write_text('extern "C" int answer() { return 42; }')
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(compiler.FOLDER_VARIABLE, str(tmp_path / "kept"))
    return tmp_path / "kept"


def test_a_library_is_built_once(source: Path, folder: Path) -> None:
    assert compiler.load(source).answer() == 42
    (built,) = folder.iterdir()
    before = built.stat().st_mtime_ns
    assert compiler.load(source).answer() == 42
    assert built.stat().st_mtime_ns == before
    assert folder.stat().st_mode & 0o777 == 0o700


def test_another_source_is_another_library(source: Path, folder: Path) -> None:
    compiler.load(source)
    source.write_text('extern "C" int answer() { return 43; }')
    assert compiler.load(source).answer() == 43
    assert len(list(folder.iterdir())) == 2


def test_a_change_of_what_is_included_is_another_library(source: Path, folder: Path) -> None:
    source.write_text('#include "middle.h"\nextern "C" int answer() { return ANSWER; }')
    source.with_name("middle.h").write_text('#include "last.h"\n')
    for answer in (42, 43):
        source.with_name("last.h").write_text(f"#define ANSWER {answer}\n")
        assert compiler.load(source).answer() == answer
    assert len(list(folder.iterdir())) == 2


def test_a_source_that_does_not_compile_leaves_nothing(source: Path, folder: Path) -> None:
    source.write_text("this is no C++")
    with pytest.raises(compiler.NoCompiler, match="says: "):
        compiler.load(source)
    assert not list(folder.iterdir())


def test_a_library_outlives_its_compiler(source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler.load(source)
    monkeypatch.setenv("PATH", "")
    assert compiler.load(source).answer() == 42
    source.write_text('extern "C" int answer() { return 43; }')
    with pytest.raises(compiler.NoCompiler, match="no C"):
        compiler.load(source)


def test_a_folder_that_others_can_write_is_not_trusted(source: Path, folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(compiler.NoCompiler, match="can be written by others"):
        compiler.load(source)


def test_a_library_that_cannot_be_loaded_is_built_once_more(source: Path, folder: Path) -> None:
    folder.mkdir(mode=0o700)
    key = compiler._compilers_key(shutil.which("c++") or "")
    broken = folder / f"{compiler._name(source)}-{key}.so"
    broken.write_bytes(b"no library")
    assert compiler.load(source).answer() == 42
