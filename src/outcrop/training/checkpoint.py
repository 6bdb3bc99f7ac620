"""One checkpoint on disk: a folder of sealed tensor files with a manifest of their hashes. Knows no training.

Invariant: a folder has its final name only once every file in it is whole and on disk. Its files are bound to the job,
the plan and the step, so that no other checkpoint's can stand in for them.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from outcrop.domain.errors import SealBroken
from outcrop.sealed import PARTIAL_SUFFIX, SealedReader, SealedWriter, contexts
from outcrop.sealed.writer import sync_folder
from outcrop.training.tensor_file import safetensors_chunks

MANIFEST = "manifest.json"
_VERSION = 1
_PREFIX = "step-"

Parts = Mapping[str, Mapping[str, torch.Tensor]]


class Unusable(Exception):
    """A checkpoint that cannot be used, now or by this plan; the sentence says why."""


class Damaged(Unusable):
    """One that nobody will ever use: its manifest, a hash or the seal is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The checkpoint after `step` steps in `folder` (which holds an attempt's). `key` seals it."""

    folder: Path
    step: int
    job_id: str
    plan_digest: str
    key: bytes = field(repr=False)

    @property
    def path(self) -> Path:
        """Where it lies once it is whole."""
        return self.folder / f"{_PREFIX}{self.step:08d}"

    def write(self, parts: Parts) -> None:
        """Seals every group of tensors as a file. Whole and on disk when this returns; OSError leaves nothing."""
        partial = self.folder / f".{self.path.name}{PARTIAL_SUFFIX}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True, mode=0o700)
        try:
            self._fill(partial, parts)
            partial.rename(self.path)
            sync_folder(self.folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def read(self) -> dict[str, dict[str, torch.Tensor]]:
        """What was written. Raises Damaged where anything is missing or altered.

        Raises Unusable where it is another plan's, or where the disk did not answer this time.
        """
        hashes = self._manifest()
        try:
            for name, said in hashes.items():
                if _sha256(self.path / name) != said:
                    raise Damaged(f"{name} is not as it was written")
            return {name: self._unsealed(name) for name in hashes}
        except FileNotFoundError as error:
            raise Damaged("it cannot be read: No such file") from error
        except OSError as error:
            raise Unusable(f"it cannot be read: {error.strerror or type(error).__name__}") from error
        except (SealBroken, SafetensorError) as error:
            raise Damaged(f"it does not open: {error}") from error

    def is_this_plans(self) -> bool:
        """Whether its manifest can be read and is this plan's."""
        try:
            self._manifest()
        except Unusable:
            return False
        return True

    def _fill(self, folder: Path, parts: Parts) -> None:
        for name, tensors in parts.items():
            with SealedWriter(folder / name, self.key, self._context(name)) as sealed:
                for chunk in safetensors_chunks(tensors):
                    sealed.write(chunk)
        files = {name: _sha256(folder / name) for name in parts}
        said = {"version": _VERSION, "job": self.job_id, "plan": self.plan_digest, "step": self.step, "files": files}
        with (folder / MANIFEST).open("w") as manifest:
            json.dump(said, manifest)
            manifest.flush()
            os.fsync(manifest.fileno())
        sync_folder(folder)

    def _manifest(self) -> dict[str, str]:
        """The hash of every file."""
        try:
            said = json.loads((self.path / MANIFEST).read_bytes())
            known = (said["version"], said["job"], said["step"]) == (_VERSION, self.job_id, self.step)
            plan, files = said["plan"], dict(said["files"])
        except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
            raise Damaged("its manifest is missing or cannot be read") from error
        except OSError as error:
            raise Unusable(f"its manifest cannot be read: {error.strerror or type(error).__name__}") from error
        if not known:
            raise Damaged("its manifest is another checkpoint's")
        if plan != self.plan_digest:
            raise Unusable("it belongs to another plan: the data, the settings or the base have changed")
        return files

    def _unsealed(self, name: str) -> dict[str, torch.Tensor]:
        with SealedReader(self.path / name, self.key, self._context(name)) as sealed:
            return load(b"".join(sealed.pieces()))

    def _context(self, name: str) -> bytes:
        return contexts.of_checkpoint_file(self.job_id, self.plan_digest, self.step, name)


def steps_in(folder: Path) -> list[int]:
    """The steps of the whole checkpoints in an attempt's folder."""
    names = (path.name.removeprefix(_PREFIX) for path in folder.glob(f"{_PREFIX}*"))
    return [int(name) for name in names if name.isdecimal()]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
