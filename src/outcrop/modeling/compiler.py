"""C++ source in, loaded library out: compiled once a machine, kept in a private folder under its content's hash.

Knows nothing of what the source computes.
"""

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import platformdirs

FOLDER_VARIABLE = "OUTCROP_KERNEL_FOLDER"  # where libraries are kept, instead of the user's cache
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fopenmp", "-shared", "-fPIC")
COMPILE_SECONDS = 120
INCLUDED = re.compile(r'^#include "(.+)"$', re.MULTILINE)


class NoCompiler(Exception):
    """Nothing could be built or loaded; the message is the reason."""


def load(source: Path) -> ctypes.CDLL:
    """The library that `source` makes on this machine. Raises NoCompiler."""
    compiler = found_compiler()
    try:
        folder = _private_folder()
        if compiler is None:
            return _built_before(source, folder)
        library = folder / f"{_name(source)}-{_compilers_key(compiler)}.so"
        if library.exists():
            with contextlib.suppress(OSError):  # a library that does not load is built once more
                return ctypes.CDLL(str(library))
        _compile(source, compiler, library)
        return ctypes.CDLL(str(library))
    except (OSError, subprocess.SubprocessError) as error:
        raise NoCompiler(f"{compiler} built no library: {error}") from error


def _built_before(source: Path, folder: Path) -> ctypes.CDLL:
    """The library of any compiler that was once here."""
    for library in sorted(folder.glob(f"{_name(source)}-*.so")):
        with contextlib.suppress(OSError):
            return ctypes.CDLL(str(library))
    raise NoCompiler("no C++ compiler is on the path")


def found_compiler() -> str | None:
    """The C++ compiler that would be used, by its path; None where there is none."""
    return next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)


def libraries_folder() -> Path:
    """Where libraries are kept."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else platformdirs.user_cache_path("outcrop") / "kernels"


def _private_folder() -> Path:
    """A folder that nobody else can write: what lies in it is run. Raises NoCompiler where there is none."""
    folder = libraries_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = folder.stat()
    if state.st_uid != os.getuid() or state.st_mode & 0o022:
        raise NoCompiler(f"the folder {folder} can be written by others")
    return folder


def _name(source: Path) -> str:
    """Names what the library depends on, but for the compiler: a change of any of it makes another file."""
    return f"{source.stem}-{_hash(*_texts(source), *_flags(), processor())}"


def _texts(source: Path) -> list[str]:
    """What is compiled: the file and those beside it that it includes, and they."""
    text = source.read_text()
    included = [source.parent / name for name in INCLUDED.findall(text)]
    return [text, *(found for file in included for found in _texts(file))]


def _compilers_key(compiler: str) -> str:
    binary = Path(compiler).resolve()
    state = binary.stat()
    return _hash(str(binary), str(state.st_size), str(state.st_mtime_ns))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _flags() -> tuple[str, ...]:
    """Whole vectors where the processor has them: compilers that do not know it by name would use halves."""
    return (*FLAGS, "-mprefer-vector-width=512") if platform.machine() == "x86_64" else FLAGS


@functools.cache
def processor() -> str:
    """What tells one kind of processor from another: vendor and instruction sets, as the kernel lists them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return platform.machine()
    return "\n".join(line for line in lines if line.startswith(("vendor_id", "flags", "Features", "model name")))


def _compile(source: Path, compiler: str, library: Path) -> None:
    """Under another name first: whoever sees `library` sees it whole."""
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        made = Path(folder) / library.name
        done = subprocess.run(
            [compiler, *_flags(), "-o", str(made), str(source)], capture_output=True, text=True, timeout=COMPILE_SECONDS
        )
        if done.returncode:
            raise NoCompiler(f"{compiler} says: {done.stderr.strip()[:300]}")
        with made.open("rb") as file:
            os.fsync(file.fileno())  # a name must not outlive a power cut that its content does not
        made.replace(library)
