"""Settings: read once in `cli`, handed down. Knows nothing of who uses them."""

from outcrop.config.settings import Settings

__all__ = ["Settings"]
