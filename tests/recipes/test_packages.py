"""Only permissive packages are read, and of none of them a copy of a held-out module."""

from email.message import Message
from importlib.metadata import distribution

import pytest

from pebble import packages
from pebble.sources import held_out_modules


def metadata(expression: str | None = None, licence: str = "", classifiers: tuple[str, ...] = ()) -> Message:
    message = Message()
    if expression:
        message["License-Expression"] = expression
    if licence:
        message["License"] = licence
    for classifier in classifiers:
        message["Classifier"] = f"License :: OSI Approved :: {classifier}"
    return message


@pytest.mark.parametrize(
    ("found", "licence"),
    [
        (metadata("MIT"), "MIT"),
        (metadata("Apache-2.0 OR BSD-3-Clause"), "Apache-2.0 OR BSD-3-Clause"),
        (metadata("GPL-3.0-only OR MIT"), "GPL-3.0-only OR MIT"),
        (metadata("BSD-3-Clause AND Zlib"), "BSD-3-Clause AND Zlib"),
        (metadata("Zlib"), None),
        (metadata("MPL-2.0 AND MIT"), None),
        (metadata("GPL-2.0-or-later"), None),
        (metadata(licence="Apache 2.0 License"), "Apache-2.0"),
        (metadata(licence="BSD"), "BSD-3-Clause"),
        (metadata(licence="MIT-CMU"), None),
        (metadata(licence="Something of our own"), None),
        (metadata(classifiers=("MIT License", "GNU General Public License (GPL)")), None),
        (
            metadata(licence="Dual License", classifiers=("BSD License", "Apache Software License")),
            "BSD-3-Clause AND Apache-2.0",
        ),
        (metadata(), None),
    ],
)
def test_a_licence_is_read_or_refused(found: Message, licence: str | None) -> None:
    assert packages.licence_of(found) == licence


def test_installed_packages_come_with_version_and_licence_and_others_not_at_all() -> None:
    found = {package.name.lower(): package for package in packages.packages(held_out_modules())}
    assert found["sqlalchemy"].licence == "MIT"
    assert found["sqlalchemy"].version == distribution("sqlalchemy").version
    assert found["botocore"].licence == "Apache-2.0"
    assert not {"certifi", "hypothesis", "tqdm", "pillow", "docutils"} & found.keys()


def test_no_file_bears_the_name_of_a_held_out_module_or_stands_among_tests() -> None:
    held_out = held_out_modules()
    names = ("httpx", "click", "botocore")
    read = [package for package in packages.packages(held_out) if package.name.lower() in names]
    assert len(read) == len(names)
    for package in read:
        files = package.files()
        assert files
        for path in files:
            inside = path.relative_to(distribution(package.name).locate_file("").resolve()).parts
            assert not {*inside[:-1], path.name.partition(".")[0]} & {*held_out, "tests", "vendored"}


def test_docstrings_and_the_readme_are_prose() -> None:
    package = next(one for one in packages.packages(held_out_modules()) if one.name == "click")
    found = list(packages.docstrings(package))
    assert len(found) > 50
    assert any(one.name and one.parameters for one in found)
    assert "``" not in "".join(one.docstring for one in found)
    assert "composable" in packages.readme(package)
