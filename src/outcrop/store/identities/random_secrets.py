"""Access key ids and secrets as IAM writes them. Knows no table."""

import secrets
import string

SECRET_CHARACTERS = 40
TOKEN_CHARACTERS = 256

_KEY_ID_ALPHABET = string.ascii_uppercase + string.digits
_KEY_ID_TAIL = 16
_SECRET_ALPHABET = string.ascii_letters + string.digits + "+/"


def new_key_id(prefix: str) -> str:
    """A random access key id: AKIA... for a long-lived key, ASIA... for a session's."""
    return prefix + "".join(secrets.choice(_KEY_ID_ALPHABET) for _ in range(_KEY_ID_TAIL))


def new_secret(characters: int) -> str:
    """Random text of the alphabet that IAM's secrets and tokens use."""
    return "".join(secrets.choice(_SECRET_ALPHABET) for _ in range(characters))
