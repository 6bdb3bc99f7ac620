"""The form of a Bedrock API key: `ABSK` and the base64 of ALIAS:SECRET. Knows nothing of whose key it is."""

import base64
from hashlib import sha256

PREFIX = "ABSK"
LONGEST = 512  # characters: an alias has at most 200, a secret 44, and base64 makes a third more of both


def spell(alias: str, secret: str) -> str:
    """The key of a public alias and a secret."""
    return PREFIX + base64.b64encode(f"{alias}:{secret}".encode()).decode()


def alias_of(key: str) -> str | None:
    """The public part of what may be a key; None where the text has not the form of one. Proves nothing."""
    if not key.startswith(PREFIX) or len(key) > LONGEST:
        return None
    try:
        told = base64.b64decode(key.removeprefix(PREFIX), validate=True).decode("ascii")
    except ValueError:
        return None
    alias, colon, _ = told.partition(":")
    return alias if colon else None


def digest(key: str) -> bytes:
    """What is kept of a key. Its secret is random and long: a plain SHA-256 tells nothing of it."""
    return sha256(key.encode("utf-8", "replace")).digest()
