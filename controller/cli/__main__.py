"""`python -m controller.cli` is `firmground`."""

from controller.cli.main import main

main(prog_name="firmground")
