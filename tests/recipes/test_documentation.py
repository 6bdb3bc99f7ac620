"""The Python documentation's markup is read as passages, and the held-out modules' documents are not."""

from pathlib import Path

from pebble import documentation
from pebble.sources import held_out_modules

TEXT = """\
:mod:`bisect` --- Array bisection
=================================

.. module:: bisect
   :synopsis: Nothing to say here.
.. sectionauthor:: Some One <some@one.org>

This module keeps a list in :term:`sorted order`, without sorting it again::

   insort(a, x)

.. index:: single: list; sorted

.. function:: bisect_left(a, x, lo=0)
              bisect(a, x)

   Locate the insertion point for *x* in *a*.

   .. versionchanged:: 3.10
      Added the *key* parameter.

.. class:: Keeper()

   Keeps what it is given, for as long as it lives.

   .. method:: Keeper.keep(x)

      Keep *x* until somebody asks for it.

Notes
-----

Bisection is effective for searching ranges of values.
"""


def test_sections_and_descriptions_are_passages() -> None:
    assert list(documentation.passages(TEXT)) == [
        "bisect --- Array bisection\n\n"
        "This module keeps a list in sorted order, without sorting it again:\n\n   insort(a, x)",
        "bisect_left(a, x, lo=0)\nbisect(a, x)\n\nLocate the insertion point for x in a.\n\n"
        "Changed in version 3.10\n   Added the key parameter.",
        "Keeper()\n\nKeeps what it is given, for as long as it lives.",
        "Keeper.keep(x)\n\nKeep x until somebody asks for it.",
        "Notes\n\nBisection is effective for searching ranges of values.",
    ]


def test_documents_about_held_out_modules_are_left_out(tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    for name in (
        "asyncio-dev",
        "email.compat32-message",
        "xml",
        "unittest.mock-examples",
        "logging.handlers",
        "bisect",
    ):
        (library / f"{name}.rst.txt").write_text(TEXT if name == "bisect" else f"About {name}.\n")
    (library / "pyexpat.rst.txt").write_text(".. module:: xml.parsers.expat\n\nA parser of XML.\n")
    (tmp_path / "howto").mkdir()
    (tmp_path / "howto/logging-cookbook.rst.txt").write_text("How to log.\n")
    names = [name for name, _ in documentation.documents(tmp_path, held_out_modules())]
    assert names == ["library/bisect.rst.txt"]
    assert "library/pyexpat.rst.txt" in [name for name, _ in documentation.documents(tmp_path, frozenset())]
