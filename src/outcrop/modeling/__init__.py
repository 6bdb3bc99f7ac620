"""Torch ground: read a checkpoint, run it over packed rows, attach an adapter. Knows no jobs, no keys, no HTTP."""
