"""`python -m wolf` is `wolf`."""

from wolf.cli import main

main(prog_name="wolf")
