"""Outcrop's own service: what Bedrock's API has no word for. Its model lies with the wire."""

from outcrop.services.call import Operation
from outcrop.services.own.throughput import get_throughput

OPERATIONS: dict[str, Operation] = {"GetThroughput": get_throughput}
