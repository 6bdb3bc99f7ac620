"""Tiny checkpoints that ship with the package, as data. Nothing is computed here."""
