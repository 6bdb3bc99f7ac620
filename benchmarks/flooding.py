"""Questions without mercy, as cheap as Python can ask them: sent as bytes over open connections.

What a flood from the same machine takes of the processors is taken from the server that is measured: this process goes
behind all others of its session, and parses of an answer no more than its length and its error.

Each is signed anew, as no two begin alike: SERIAL in a body becomes a number, from FIRST on.

    python benchmarks/flooding.py HOME MODEL BODIES GAP_S FIRST     until standard input ends; prints what came of it
"""

import json
import os
import selectors
import socket
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path
from urllib.parse import quote, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from outcrop.cli.options import environment

REGION = "us-east-1"
CONNECTIONS = 64
LAST = 19  # the nice value of who goes behind everybody
SERIAL = "SERIAL"  # in a body: a number of six digits, another one each time
UNSENT, ANSWERED, BROKEN = "unsent", "answered", "broken off"
HEAD_END, LENGTH, ERROR = b"\r\n\r\n", b"content-length", b"x-amzn-errortype"
PIECE_BYTES = 65_536


@dataclass(eq=False)
class Connection:
    """One open connection, and what has come of an answer."""

    socket: socket.socket
    came: bytearray = field(default_factory=bytearray)

    def outcome(self) -> str | None:
        """What the answer says, once it is whole: its error, or that it is one."""
        head, found, body = bytes(self.came).partition(HEAD_END)
        if not found:
            return None
        named = [line.partition(b": ") for line in head.split(b"\r\n")[1:]]
        headers = {name.lower(): value for name, _, value in named}
        if len(body) < int(headers[LENGTH]):
            return None
        self.came.clear()
        return headers.get(ERROR, ANSWERED.encode()).decode()


class Flood:
    """Sends at a fixed pace over a fixed number of connections; who finds none free is not sent."""

    def __init__(self, home: Path, model: str, bodies: list[str], first: int) -> None:
        self._variables = environment(home)
        self._url = f"{self._variables['AWS_ENDPOINT_URL']}/model/{quote(model, safe='')}/converse"
        self._bodies, self._serials = cycle(bodies), count(first)
        self._selector = selectors.DefaultSelector()
        self._free = deque(self._connected() for _ in range(CONNECTIONS))
        self.outcomes: Counter[str] = Counter()

    def run(self, gap_s: float) -> None:
        """Until standard input ends."""
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        next_at = time.monotonic()
        while True:
            while next_at <= time.monotonic():
                self._send()
                next_at += gap_s
            for key, _ in self._selector.select(max(0.0, next_at - time.monotonic())):
                if key.data is None:
                    return
                self._hear(key.data)

    def _send(self) -> None:
        if not self._free:
            self.outcomes[UNSENT] += 1
            return
        body = next(self._bodies).replace(SERIAL, f"{next(self._serials):06d}")
        connection = self._free.popleft()  # the longest free: none is idle for so long that the server closes it
        connection.socket.sendall(self._sign(body.encode()))
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def _hear(self, connection: Connection) -> None:
        piece = connection.socket.recv(PIECE_BYTES)
        connection.came += piece
        outcome = connection.outcome() if piece else BROKEN
        if outcome is None:
            return
        self.outcomes[outcome] += 1
        self._selector.unregister(connection.socket)
        if not piece:
            connection.socket.close()
        self._free.append(connection if piece else self._connected())

    def _connected(self) -> Connection:
        url = urlsplit(self._url)
        return Connection(socket.create_connection((url.hostname, url.port)))

    def _sign(self, body: bytes) -> bytes:
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        request = AWSRequest("POST", self._url, headers={"content-type": "application/json"}, data=body)
        SigV4Auth(Credentials(*(self._variables[name] for name in names)), "bedrock", REGION).add_auth(request)
        url = urlsplit(self._url)
        headers = {"Host": url.netloc, "Content-Length": str(len(body)), **dict(request.headers.items())}
        lines = [f"POST {url.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode() + body


def main() -> None:
    home, model, bodies, gap_s, first = sys.argv[1:]
    os.nice(LAST)
    flood = Flood(Path(home), model, [json.dumps(body) for body in json.loads(bodies)], int(first))
    began = time.monotonic()
    flood.run(float(gap_s))
    print(json.dumps({"seconds": time.monotonic() - began, "outcomes": flood.outcomes}))


if __name__ == "__main__":
    main()
