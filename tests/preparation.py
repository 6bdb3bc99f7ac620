"""One file, prepared as a job prepares it."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from outcrop import families
from outcrop.families.catalogue import PEBBLE
from outcrop.families.open import Open, registered
from outcrop.families.record_format import RecordFormat
from outcrop.prepared.folder import PreparedFolder
from outcrop.prepared.manifest import Manifest
from outcrop.store.objects import Description, ObjectRecord
from outcrop.worker.preparing import Source, digest, prepare
from outcrop.worker.renderers import Crew
from outcrop.worker.rendering import Recipe

JOB = "job000000001"
MOMENT = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
STRETCH = 4096
NEVER = 1 << 40


def passages() -> RecordFormat:
    return Open().record_format(registered("own.rock-v1", 4096), families.CONTINUED_PRE_TRAINING, 1)


def completions() -> RecordFormat:
    return families.record_format(families.MODELS["amazon.titan-text-lite-v1"], families.FINE_TUNING)


def some_text(rows: int = 200) -> bytes:
    """Passages of many lengths."""
    texts = (f"Outcrop number {number} shows at the surface. " * (1 + number * 7 % 9) for number in range(rows))
    return b"".join(json.dumps({"input": text}).encode() + b"\n" for text in texts)


def nothing() -> None:
    """What a lease says that is ours."""


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """A file's bytes, and how and where they are prepared."""

    folder: Path
    key: bytes
    content: bytes = field(default_factory=some_text)
    rules: RecordFormat = field(default_factory=passages)
    context_tokens: int = 256
    moment: datetime = MOMENT
    checkpoint: Path = PEBBLE
    count: int = 2
    children_from_bytes: int = NEVER
    etag: str = "an etag"

    @property
    def recipe(self) -> Recipe:
        return Recipe(
            checkpoint=str(self.checkpoint),
            rules=self.rules,
            context_tokens=self.context_tokens,
            moment=self.moment,
            stretch_bytes=STRETCH,
        )

    @property
    def record(self) -> ObjectRecord:
        return ObjectRecord(
            bucket="rocks",
            key="train.jsonl",
            size=len(self.content),
            etag=self.etag,
            modified_at=self.moment,
            blobs=(),
            description=Description(),
            checksums={},
            checksum_type="FULL_OBJECT",
        )

    @property
    def crew(self) -> Crew:
        recipe = self.recipe
        return Crew(
            recipe=recipe,
            tokenizer=recipe.tokenizer(),
            count=self.count,
            records=self.folder / "processes",
            log=self.folder / "job.log",
            children_from_bytes=self.children_from_bytes,
        )

    @property
    def digest(self) -> str:
        return digest(self.recipe, self.record)

    @property
    def place(self) -> PreparedFolder:
        return PreparedFolder(self.folder / "prepared" / self.digest, JOB, self.key)

    def run(self, check: Callable[[], None] = nothing) -> Manifest:
        source = Source(file=io.BytesIO(self.content), name="train.jsonl", record=self.record)
        return prepare(source, self.place, self.crew, check)

    def pieces(self, manifest: Manifest) -> list[bytes]:
        return [self.place.noted_piece(number, manifest) for number in range(len(manifest.pieces))]

    def sealed(self) -> dict[str, bytes]:
        """Every piece's file as it lies there: sealing anew changes it."""
        return {path.name: path.read_bytes() for path in sorted(self.place.path.glob("piece-*"))}
