"""`python -m wolf` is `wolf`."""

from __future__ import annotations

import io
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
    r"""Give a stream that the caller closed (`>&-`, some daemons) to nobody; else the ledger would get its number.

    One that cannot hold all we print (a Latin-1 terminal) gets `\u2605` for a star.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    start()
