"""A checkpoint's digest: are these still the weights that a model was trained on? Knows nothing of what they compute.

Of each tensor one piece is read, so that a hundred gigabytes take seconds. That finds weights that were replaced,
trained on or stored in another type. It is no proof against somebody who changes a few numbers on purpose.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from outcrop.domain.errors import CheckpointError

PIECE_BYTES = 16 * 1024  # from the middle of each tensor; smaller ones whole
LONGEST_HEADER_BYTES = 100_000_000  # the format's own limit
TOLD_DIGITS = 16  # enough to tell two checkpoints apart in a sentence
# What the network is, what its numbers of tokens mean, and how conversations are written.
DESCRIPTIONS = ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def digest_of(checkpoint: Path) -> str:
    """SHA-256 in hex of the weights' names, sizes, headers and pieces, and of what describes them.

    Raises CheckpointError where one cannot be read, or is no safetensors file.
    """
    digest = hashlib.sha256()
    try:
        for part in _parts(checkpoint):
            digest.update(len(part).to_bytes(8, "big") + part)  # with lengths: no two lists of parts are alike
    except OSError as error:
        raise CheckpointError(f"The checkpoint {checkpoint} cannot be read: {error.strerror}.") from error
    return digest.hexdigest()


def require_unchanged(checkpoint: Path, digest: str) -> None:
    """Raises CheckpointError where the weights are not those of a digest that was taken a while ago."""
    now = digest_of(checkpoint)
    if now != digest:
        raise CheckpointError(
            f"The files in {checkpoint} were changed meanwhile: they were {told(digest)} and are now {told(now)}. "
            "Begin again, and leave them as they are until it has ended."
        )


def told(digest: str) -> str:
    """A digest as sentences name it."""
    return f"sha256:{digest[:TOLD_DIGITS]}"


def _parts(checkpoint: Path) -> Iterator[bytes]:
    for name in DESCRIPTIONS:
        described = checkpoint / name
        yield described.read_bytes() if described.exists() else b""
    for path in sorted(checkpoint.glob("*.safetensors")):
        yield path.name.encode()
        yield str(path.stat().st_size).encode()
        with path.open("rb") as file:
            yield from _header_and_pieces(file, path)


def _header_and_pieces(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """https://github.com/huggingface/safetensors#format: the header's length in 8 bytes, the header, the tensors."""
    length = int.from_bytes(file.read(8), "little")
    header = file.read(min(length, LONGEST_HEADER_BYTES))
    yield header
    data = 8 + len(header)
    for begin, end in _places(header, path):
        size = min(end - begin, PIECE_BYTES)
        file.seek(data + (begin + end - size) // 2)
        yield file.read(size)


def _places(header: bytes, path: Path) -> list[tuple[int, int]]:
    """Where tensors begin and end, as they lie in the file, so that it is read in one direction."""
    try:
        members = json.loads(header)
        offsets = [about["data_offsets"] for name, about in members.items() if name != "__metadata__"]
        places = sorted((int(begin), int(end)) for begin, end in offsets)
        if any(not 0 <= begin <= end <= path.stat().st_size for begin, end in places):
            raise ValueError("a tensor lies outside of the file")
        return places
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} is no safetensors file.") from error
