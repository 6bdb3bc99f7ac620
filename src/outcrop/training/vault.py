"""A folder of files sealed under one key: token rows in, models out. Knows what they are bound to, not the content."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from outcrop.domain.errors import JobFailure, SealBroken
from outcrop.prepared.folder import PreparedFolder
from outcrop.sealed import SealedReader, SealedWriter, contexts
from outcrop.text.rows import read_rows
from outcrop.training.sources import DAMAGE, HeldRows, PieceBuffer, PreparedRows, RowSource, cannot_be_read


def read_token_rows(path: Path, job_id: str, key: bytes, buffer: PieceBuffer) -> RowSource:
    """A job's rows: a folder of prepared ones, whose pieces are opened into `buffer` when asked for, or one file.

    Raises JobFailure where they are missing or damaged; so does reading a row of them later.
    """
    try:
        if path.is_dir():
            return PreparedRows(PreparedFolder(path, job_id, key), buffer)
        with SealedReader(path, key, contexts.of_job_file(job_id, path.name)) as sealed:
            return HeldRows(read_rows(sealed.as_file()))
    except DAMAGE as error:
        raise cannot_be_read(path, error) from error


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model's sealed files. `key` is its data key; the files are bound to the name `model_id`."""

    path: Path
    model_id: str
    key: bytes = field(repr=False)

    def has(self, name: str) -> bool:
        """Whether the folder holds the file."""
        return (self.path / name).exists()

    def read(self, name: str) -> bytes:
        """A file's content. Raises JobFailure where it is missing or damaged."""
        try:
            with SealedReader(self.path / name, self.key, contexts.of_model_file(self.model_id, name)) as sealed:
                return b"".join(sealed.pieces())
        except (OSError, SealBroken) as error:
            raise JobFailure(f"The model's {name} cannot be read: {error}") from error

    def write(self, name: str, content: bytes | Iterable[bytes | memoryview]) -> None:
        """Seals `content`, whole or in pieces, under `name`; on disk before this returns.

        Raises JobFailure where the disk refuses it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with SealedWriter(self.path / name, self.key, contexts.of_model_file(self.model_id, name)) as sealed:
                for chunk in (content,) if isinstance(content, bytes) else content:
                    sealed.write(chunk)
        except OSError as error:
            raise JobFailure(f"The model's {name} cannot be written: {error.strerror or error}") from error
