"""What a batch job leaves in the user's bucket: a line for every record, and the manifest. Knows no engine."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from outcrop.worker.access import Place, RoleAccess
from outcrop.worker.batch.answers import Answers
from outcrop.worker.batch.asking import Tally
from outcrop.worker.batch.inputs import MANIFEST, InputFile

OUTPUT_SUFFIX = ".out"
JSON, JSON_LINES = "application/json", "application/jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where a job writes, as its role may, and under which KMS key."""

    access: RoleAccess
    folder: Place
    kms_key_arn: str | None

    def put(self, name: str, chunks: Iterable[bytes], content_type: str) -> None:
        """Write one object. Raises JobFailure."""
        self.access.put_all(self.folder.below(name), chunks, content_type, self.kms_key_arn)


def publish(output: Output, files: list[InputFile], answers: Answers, check: Callable[[], None]) -> None:
    """`<input name>.out` for every file that has answers, in the records' order. May be repeated. Raises JobFailure.

    `check` is called between pieces; what it raises leaves the object that is being written unwritten.
    """
    for number, file in enumerate(files):
        if answers.count(number):
            output.put(f"{file.name}{OUTPUT_SUFFIX}", _checked(answers.pieces(number), check), JSON_LINES)


def publish_manifest(output: Output, total_records: int, tally: Tally) -> None:
    """The counts, last of all: who sees it sees whole outputs beside it. Raises JobFailure."""
    counts = {
        "totalRecordCount": total_records,
        "processedRecordCount": tally.records,
        "successRecordCount": tally.success,
        "errorRecordCount": tally.errors,
        "inputTokenCount": tally.input_tokens,
        "outputTokenCount": tally.output_tokens,
    }
    output.put(f"{MANIFEST}{OUTPUT_SUFFIX}", [json.dumps(counts).encode()], JSON)


def _checked(pieces: Iterator[bytes], check: Callable[[], None]) -> Iterator[bytes]:
    for piece in pieces:
        check()
        yield piece
