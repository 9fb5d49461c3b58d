"""``python -m classroom``."""

from classroom.cli import main

main()
