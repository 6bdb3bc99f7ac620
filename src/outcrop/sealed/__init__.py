"""Placed; see docs/design.md."""
