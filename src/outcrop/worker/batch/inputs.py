"""A batch job's input: which files, whether every line is a record, and the records from a place on.

Files are streamed, however long they are. Knows no model: what a record's `modelInput` asks is not looked at here.
"""

import contextlib
import json
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

from outcrop.corpus.lines import LONGEST_LINE, lines
from outcrop.domain.errors import JobFailure
from outcrop.store.objects import ObjectRecord
from outcrop.worker.access import Place, RoleAccess

SUFFIX = ".jsonl"
MANIFEST = "manifest.json"  # what the output's own file is called, but for the suffix that every output has
FINDINGS_SHOWN = 10  # bad lines that a message names; it says how many there are in all
Check = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """One file. `name` is its path below the job's input address; `etag` pins what was validated."""

    key: str
    name: str
    etag: str
    records: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line. `end` is the byte after its newline; `number` counts the file's lines from 1."""

    number: int
    end: int
    record_id: str | None
    model_input: dict[str, Any]


class BadLine(Exception):
    """What is wrong with a line, without its text."""


def find_files(access: RoleAccess, address: Place) -> list[InputFile]:
    """The object at the address, else every `.jsonl` object below it, by key. Raises JobFailure where there is none.

    The role is asked first: who may not read an object does not hear whether it is there.
    """
    if not address.key or address.key.endswith("/"):
        return _files_below(access, address)
    try:
        single = access.find(address)
    except JobFailure as refused:  # of the key itself; the folder of that name may be open to the role nevertheless
        with contextlib.suppress(JobFailure):
            return _files_below(access, Place(address.bucket, f"{address.key}/"))
        raise refused from None
    if single is None:
        return _files_below(access, Place(address.bucket, f"{address.key}/"))
    if address.file_name == MANIFEST:
        raise JobFailure(f"{address.uri} cannot be an input: its answers would have the manifest's place.")
    return [InputFile(key=single.key, name=address.file_name, etag=single.etag)]


def validated(access: RoleAccess, bucket: str, files: list[InputFile], check: Check) -> list[InputFile]:
    """The files with the count of their records. Raises JobFailure that names the first bad lines, and how many."""
    counted, findings, bad = [], list[str](), 0
    for file in files:
        records = 0
        for found in _parsed(access, bucket, file, check):
            if isinstance(found, str):
                bad += 1
                if len(findings) < FINDINGS_SHOWN:
                    findings.append(found)
            else:
                records += 1
        counted.append(InputFile(key=file.key, name=file.name, etag=file.etag, records=records))
    if bad:
        more = f" {bad - len(findings)} more lines are wrong." if bad > len(findings) else ""
        raise JobFailure(f"The input cannot be read: {' '.join(findings)}{more}")
    if not sum(file.records for file in counted):
        raise JobFailure("The input holds no record.")
    return counted


def records(
    access: RoleAccess, bucket: str, file: InputFile, offset: int, number: int
) -> Generator[Record, None, None]:
    """The records from a byte on, of which `number` lines lie before. The file must be the one that was validated."""
    with access.open(Place(bucket, file.key), _pinned(access, bucket, file)) as (source, _):
        source.seek(offset)
        for line, size in lines(source):
            number, offset = number + 1, offset + size + 1
            if line is None or line.strip():
                yield _record(line, number, offset)


def _parsed(access: RoleAccess, bucket: str, file: InputFile, check: Check) -> Iterator[Record | str]:
    """Each record, or a sentence in the place of one."""
    with access.open(Place(bucket, file.key), _pinned(access, bucket, file)) as (source, _):
        for number, (line, _) in enumerate(lines(source, lambda _: check()), start=1):
            if line is None or line.strip():
                try:
                    yield _record(line, number, 0)
                except BadLine as bad:
                    yield f"{file.name}:{number}: {bad}"


def _record(line: bytes | None, number: int, end: int) -> Record:
    """Raises BadLine."""
    if line is None:
        raise BadLine(f"the line is longer than {LONGEST_LINE >> 20} MiB.")
    members = _members(line)
    record_id, model_input = members.get("recordId"), members.get("modelInput")
    if record_id is not None and not isinstance(record_id, str):
        raise BadLine("recordId must be a string.")
    if not isinstance(model_input, dict):
        raise BadLine("modelInput must be there, a JSON object.")
    return Record(number=number, end=end, record_id=record_id, model_input=model_input)


def _members(line: bytes) -> dict[str, Any]:
    try:
        members = json.loads(line.decode("utf-8-sig"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BadLine("the line is not JSON in UTF-8.") from None
    if not isinstance(members, dict):
        raise BadLine("the line must be a JSON object with recordId and modelInput.")
    return members


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _files_below(access: RoleAccess, folder: Place) -> list[InputFile]:
    found = [_below(folder, record) for record in access.below(folder) if record.key.endswith(SUFFIX)]
    if not found:
        raise JobFailure(f"{folder.uri.rstrip('/')} is no object, and no {SUFFIX} file lies below it.")
    return found


def _below(folder: Place, record: ObjectRecord) -> InputFile:
    return InputFile(key=record.key, name=record.key.removeprefix(folder.key), etag=record.etag)


def _pinned(access: RoleAccess, bucket: str, file: InputFile) -> ObjectRecord | None:
    """What was seen at validation, as far as it matters; None lets `open` say that it is gone."""
    record = access.find(Place(bucket, file.key))
    if record is not None and record.etag != file.etag:
        raise JobFailure(f"s3://{bucket}/{file.key} was replaced after it had been checked: start the job again.")
    return record
