"""Identifiers as Bedrock writes them. Knows nothing of what they name."""

import secrets
import string

ID_ALPHABET = string.ascii_lowercase + string.digits
ID_LENGTH = 12


def new_id() -> str:
    """Twelve random lower-case letters and digits: the tail of every Bedrock ARN."""
    return "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH))


def new_account_id() -> str:
    """A random 12-digit account id that does not begin with 0."""
    return str(secrets.randbelow(9 * 10**11) + 10**11)
