"""A folder of files sealed under one key: token rows in, models out. Knows the contexts' spelling, not the content."""

from dataclasses import dataclass
from pathlib import Path

from outcrop.domain.errors import JobFailure, SealBroken
from outcrop.sealed import SealedReader, SealedWriter
from outcrop.text.rows import TokenRows, read_rows


def read_token_rows(path: Path, job_id: str, key: bytes) -> TokenRows:
    """The sealed rows of a job. Raises JobFailure where they are missing or damaged."""
    try:
        with SealedReader(path, key, f"job/{job_id}/{path.name}".encode()) as sealed:
            return read_rows(sealed.as_file())
    except (OSError, ValueError, SealBroken) as error:
        raise JobFailure(f"The token rows {path.name} cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model's sealed files. `key` is its data key; the files are bound to the name `model_id`."""

    path: Path
    model_id: str
    key: bytes

    def has(self, name: str) -> bool:
        """Whether the folder holds the file."""
        return (self.path / name).exists()

    def read(self, name: str) -> bytes:
        """A file's content. Raises JobFailure where it is missing or damaged."""
        try:
            with SealedReader(self.path / name, self.key, self._context(name)) as sealed:
                return b"".join(sealed.pieces())
        except (OSError, SealBroken) as error:
            raise JobFailure(f"The model's {name} cannot be read: {error}") from error

    def write(self, name: str, content: bytes) -> None:
        """Seals `content` under `name`; on disk before this returns. Raises JobFailure where the disk refuses it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with SealedWriter(self.path / name, self.key, self._context(name)) as sealed:
                sealed.write(content)
        except OSError as error:
            raise JobFailure(f"The model's {name} cannot be written: {error.strerror or error}") from error

    def _context(self, name: str) -> bytes:
        return f"model/{self.model_id}/{name}".encode()
