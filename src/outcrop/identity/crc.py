"""CRC-32C and CRC-64/NVME, a block at a time over many lanes. Knows nothing of requests.

The standard library has neither. A block is cut into equal lanes whose remainders numpy computes side by side; as a
CRC is linear, two neighbouring lanes then fold into one: the left one advanced over the right one's length, xor the
right one. Zeros before the first byte change nothing, so a short last block is padded at its front.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

_LANES = 1024
_LANE_BYTES = 64
BLOCK = _LANES * _LANE_BYTES

Words = np.ndarray[Any, np.dtype[np.uint64]]


@dataclass(frozen=True, slots=True)
class Polynomial:
    """A reflected CRC whose register starts as all ones and is inverted at the end."""

    reflected: int
    width_bytes: int


CRC32C = Polynomial(0x82F63B78, 4)
CRC64NVME = Polynomial(0x9A6C9329AC4BC9B5, 8)


class Crc:
    """A running CRC with hashlib's two verbs."""

    def __init__(self, polynomial: Polynomial) -> None:
        self._polynomial = polynomial
        self._ones = (1 << 8 * polynomial.width_bytes) - 1
        self._register = self._ones
        self._waiting = bytearray()

    def update(self, data: bytes) -> None:
        """Take more bytes."""
        self._waiting += data
        while len(self._waiting) >= BLOCK:
            self._register = _advance(self._polynomial, self._register, bytes(self._waiting[:BLOCK]))
            del self._waiting[:BLOCK]

    def digest(self) -> bytes:
        """The CRC of all bytes so far, big-endian."""
        register = _advance(self._polynomial, self._register, bytes(self._waiting))
        return (register ^ self._ones).to_bytes(self._polynomial.width_bytes, "big")


def _advance(polynomial: Polynomial, register: int, data: bytes) -> int:
    """The register after `data`, which is at most one block."""
    if len(data) < polynomial.width_bytes:
        return _advance_slowly(polynomial, register, data)
    block = np.zeros(BLOCK, dtype=np.uint8)
    block[BLOCK - len(data) :] = np.frombuffer(data, dtype=np.uint8)
    start = np.frombuffer(register.to_bytes(polynomial.width_bytes, "little"), dtype=np.uint8)
    first = BLOCK - len(data)
    block[first : first + polynomial.width_bytes] ^= start
    return _folded(polynomial, _lane_registers(polynomial, block))


def _advance_slowly(polynomial: Polynomial, register: int, data: bytes) -> int:
    table = _table(polynomial)
    for byte in data:
        register = int(table[(register ^ byte) & 0xFF]) ^ (register >> 8)
    return register


def _lane_registers(polynomial: Polynomial, block: "np.ndarray[Any, np.dtype[np.uint8]]") -> Words:
    """Every lane's remainder."""
    columns = np.ascontiguousarray(block.reshape(_LANES, _LANE_BYTES).T)  # [byte of lane, lane]
    registers = np.zeros(_LANES, dtype=np.uint64)
    for column in columns:
        registers = _step(polynomial, registers, column)
    return registers


def _step(polynomial: Polynomial, registers: Words, byte: Any) -> Words:
    stepped: Words = _table(polynomial)[(registers ^ byte) & np.uint64(0xFF)] ^ (registers >> np.uint64(8))
    return stepped


def _folded(polynomial: Polynomial, registers: Words) -> int:
    for operator in _operators(polynomial):
        registers = _apply(operator, registers[0::2]) ^ registers[1::2]
    return int(registers[0])


def _apply(operator: Words, registers: Words) -> Words:
    """A linear operator on registers, as one table a byte."""
    result: Words = operator[0][registers & np.uint64(0xFF)]
    for position in range(1, len(operator)):
        result = result ^ operator[position][(registers >> np.uint64(8 * position)) & np.uint64(0xFF)]
    return result


@cache
def _table(polynomial: Polynomial) -> Words:
    """The register after one byte."""
    table = np.arange(256, dtype=np.uint64)
    for _ in range(8):
        odd = (table & np.uint64(1)).astype(bool)
        table = (table >> np.uint64(1)) ^ np.where(odd, np.uint64(polynomial.reflected), np.uint64(0))
    return table


@cache
def _operators(polynomial: Polynomial) -> tuple[Words, ...]:
    """How a register advances over one lane of zeros, over two, four and so on: one operator for each fold."""
    positions = np.arange(polynomial.width_bytes, dtype=np.uint64)[:, None] * np.uint64(8)
    operator = np.arange(256, dtype=np.uint64)[None, :] << positions
    for _ in range(_LANE_BYTES):
        operator = _step(polynomial, operator, np.uint64(0))
    operators = [operator]
    while 2 ** len(operators) < _LANES:
        operators.append(_apply(operators[-1], operators[-1]))
    return tuple(operators)
