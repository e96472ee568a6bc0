"""`python -m wolf` is `wolf`."""

from __future__ import annotations

import os
import sys


def start() -> None:
    """The command line, from its first import on: Ctrl-C is an exit code and no traceback."""
    try:
        _open_streams()
        from wolf.cli import main

        main(prog_name="wolf")
    except KeyboardInterrupt:
        sys.exit(130)


def _open_streams() -> None:
    """Give a stream that the caller closed (`>&-`, some daemons) to nobody; else the ledger would get its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


if __name__ == "__main__":
    start()
