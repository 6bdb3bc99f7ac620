"""The socket itself."""

from collections.abc import Callable
from typing import Any

import pytest

from outcrop.domain.errors import SettingsError

Start = Callable[..., Any]


def test_a_port_that_is_taken_is_a_sentence(start: Start) -> None:
    taken = start({}).port
    with pytest.raises(SettingsError, match=f"port {taken}: .*Name a free --port"):
        start({}, port=taken)


def test_a_host_that_is_none_is_a_sentence(start: Start) -> None:
    with pytest.raises(SettingsError, match="cannot listen on"):
        start({}, host="no.such.host.invalid")


def test_a_server_can_start_again_where_one_stopped(start: Start) -> None:
    first = start({})
    first.stop()
    assert start({}, port=first.port).port == first.port
