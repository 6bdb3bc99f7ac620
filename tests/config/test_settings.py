"""Settings told to another process arrive whole."""

from pathlib import Path

import pytest

from outcrop.config import Settings


def test_what_is_told_is_what_arrives() -> None:
    settings = Settings(home=Path("/a home/with spaces"), lease_s=1.5, tls=True)
    assert Settings.from_json(settings.to_json()) == settings


def test_a_setting_that_nobody_knows_is_refused() -> None:
    with pytest.raises(TypeError, match="pace"):
        Settings.from_json('{"home": "/home", "pace": 2}')
