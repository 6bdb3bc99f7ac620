"""Docs are tests: what the docs name exists, and what exists is documented."""

import re
import tomllib
from pathlib import Path

import pytest

from outcrop.cli import reference

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_dependency_is_named_in_its_decision_record() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [need for extra in project["optional-dependencies"].values() for need in extra]
    record = (ROOT / "docs/decisions/0001-dependencies.md").read_text()
    for need in [*project["dependencies"], *extras]:
        name = re.match(r"[A-Za-z0-9_-]+", need)
        assert name and name[0] in record, f"{need} has no line in 0001-dependencies.md"


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()}
    extras = [need for extra in project["optional-dependencies"].values() for need in extra]
    for need in [*project["dependencies"], *extras]:
        name = re.match(r"[A-Za-z0-9_-]+", need)
        assert name and name[0].lower() in pinned, f"{need} has no pin in constraints.txt"


def test_decision_records_are_numbered_without_gaps() -> None:
    numbers = [int(page.name[:4]) for page in sorted((ROOT / "docs/decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_room_stands_in_the_design() -> None:
    rooms = {path.parent.name for path in (ROOT / "src/outcrop").glob("*/__init__.py")}
    design = (ROOT / "docs/design.md").read_text()
    assert not [room for room in sorted(rooms) if f"`{room}`" not in design]


@pytest.mark.parametrize("name", reference.pages())
def test_the_reference_pages_are_as_the_program_makes_them(name: str) -> None:
    written = (ROOT / "docs/reference" / name).read_text()
    assert written == reference.pages()[name], "hint: make docs"


def test_every_hyperparameter_range_and_command_has_a_sentence() -> None:
    for name in ("cli.md", "hyperparameters.md"):
        assert "None" not in reference.pages()[name]
