"""Does a loaded adapter change what the base says? A few tokens, read with it and without. Knows no request.

An adapter that changes nothing is told and not refused: one that was never trained, or hardly, is whole and right.
"""

import hashlib
import logging
from pathlib import Path

from torch import Tensor

from outcrop.domain.errors import SettingsError

TOKENS = 8  # a probe costs less than a step of a full batch
log = logging.getLogger(__name__)


def spread(vocabulary: int) -> list[int]:
    """A few tokens from all over a vocabulary."""
    return [number * vocabulary // TOKENS for number in range(TOKENS)]


def shift(name: str, base: Tensor, patched: Tensor) -> float:
    """How far a logit moved at most. Raises SettingsError where the adapter leaves no numbers."""
    if bool(base.isfinite().all()) and not bool(patched.isfinite().all()):
        raise SettingsError(
            f"The adapter {name} makes logits that are no numbers: its weights are damaged or too large."
        )
    moved = float((patched - base).abs().max())
    if moved == 0.0:
        log.warning("the adapter %s changes no logit of the probe: its answers are the base's", name)
    return moved


def version_of(*files: Path) -> str:
    """SHA-256 in hex of all that the files say."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()
