"""`python -m wolf` is `wolf`."""

from __future__ import annotations

import sys


def start() -> None:
    """The command line, from its first import on: Ctrl-C is an exit code and no traceback."""
    try:
        from wolf.cli import main

        main(prog_name="wolf")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    start()
