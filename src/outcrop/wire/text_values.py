"""Single values as text, as they stand in paths, queries, headers, forms and XML. Knows nothing of where they stand.

Readers never refuse: what they cannot read stays the text that it was, and `constraints` then names the member.
"""

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from botocore.model import Shape

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?")
_BOOLEANS = {"true": True, "false": False}

Reader = Callable[[str], Any]
Writer = Callable[[Any], str]


def text_reader(shape: Shape) -> Reader:
    """From text to a value of the shape's type."""
    return _READERS.get(shape.type_name, str)


def text_writer(shape: Shape, timestamp_format: str) -> Writer:
    """From a value of the shape's type to text; a format that the shape states goes before the one given."""
    if shape.type_name == "timestamp":
        return _TIMESTAMP_WRITERS[shape.serialization.get("timestampFormat", timestamp_format)]
    return _WRITERS.get(shape.type_name, str)


def read_timestamp(value: Any) -> Any:
    """An aware UTC datetime from seconds since 1970, ISO 8601 or an HTTP date; else the value as it was."""
    try:
        if isinstance(value, str):
            return _timestamp_of_text(value).astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError, TypeError, IndexError):
        return value
    return value


def _timestamp_of_text(text: str) -> datetime:
    if _NUMBER.fullmatch(text):
        return datetime.fromtimestamp(float(text), UTC)
    moment = parsedate_to_datetime(text) if text[:1].isalpha() else datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_blob(value: Any) -> Any:
    """Bytes from base64; else the value as it was."""
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else value
    except (binascii.Error, ValueError):
        return value


def _read_whole_number(text: str) -> Any:
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else text


def _read_number(text: str) -> Any:
    return float(text) if _NUMBER.fullmatch(text) else text


def _read_boolean(text: str) -> Any:
    return _BOOLEANS.get(text.lower(), text)


def _write_boolean(value: Any) -> str:
    return "true" if value else "false"


def _write_blob(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def iso8601(moment: datetime) -> str:
    """2026-01-02T03:04:05.678Z, the form that every AWS parser reads."""
    in_utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return f"{in_utc.isoformat(timespec='milliseconds')[:-6]}Z"


def http_date(moment: datetime) -> str:
    """Fri, 02 Jan 2026 03:04:05 GMT."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def epoch_seconds(moment: datetime) -> float:
    """Seconds since 1970, to the millisecond."""
    return round(moment.timestamp(), 3)


_READERS: dict[str, Reader] = {
    "integer": _read_whole_number,
    "long": _read_whole_number,
    "float": _read_number,
    "double": _read_number,
    "boolean": _read_boolean,
    "timestamp": read_timestamp,
    "blob": read_blob,
}
_WRITERS: dict[str, Writer] = {"boolean": _write_boolean, "blob": _write_blob}
_TIMESTAMP_WRITERS: dict[str, Writer] = {
    "iso8601": iso8601,
    "rfc822": http_date,
    "unixTimestamp": lambda moment: str(epoch_seconds(moment)),
}
