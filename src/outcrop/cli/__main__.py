"""`python -m outcrop.cli`, the same as `outcrop`."""

from outcrop.cli import main

main()
