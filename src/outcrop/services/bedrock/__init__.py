"""Bedrock's control plane: what each operation means. Knows nothing of HTTP, and makes no gradient step."""

from outcrop.services.call import Operation

OPERATIONS: dict[str, Operation] = {}
