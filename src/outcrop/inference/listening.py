"""The socket of an engine's face. Knows nothing of what is said on it."""

import os
import socket
from pathlib import Path

BACKLOG = 512


def listening(path: Path) -> socket.socket:
    """A socket that only this user can connect to. Its name appears when it listens, not before."""
    unready = path.with_name(f"{path.name}.{os.getpid()}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old = os.umask(0o177)
    try:
        listener.bind(str(unready))
    finally:
        os.umask(old)
    listener.listen(BACKLOG)
    unready.rename(path)
    return listener
