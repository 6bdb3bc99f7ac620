"""The life of a request, from socket to operation and back. Composes the other rooms and knows no operation itself."""

from outcrop.server.app import create_app

__all__ = ["create_app"]
