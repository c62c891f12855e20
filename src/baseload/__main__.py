"""`python -m baseload` is the command `baseload`."""

from baseload.cli import main

main()
