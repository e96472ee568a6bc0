"""The command: an address with a token, and a server until Ctrl-C."""

from __future__ import annotations

import errno
import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path

import click

from wolf.errors import SetupError, UsageError

HOST = "127.0.0.1"
PORT = 8421
TRIES = 20  # ports after the usual one
NICE = 5  # evaluations come first


@click.command()
@click.argument("runs", required=False, type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), help=f"Default: {PORT}, or the next free port. 0: any.")
@click.option("--open", "launch", is_flag=True, help="Open it in the browser.")
def serve(runs: Path | None, port: int | None, launch: bool) -> None:
    """Watch and steer the runs in RUNS (a folder of runs, default: ./runs; or one run) in a browser on this machine.

    The printed address contains a token, and nobody gets in without it. From another machine, use ssh: `ssh -L
    8421:127.0.0.1:8421 HOST`.
    """
    try:
        import uvicorn

        from wolf.serve.app import Dashboard
    except ImportError as error:
        named = error.name or "a library"
        raise SetupError(f"wolf serve needs {named}: pip install 'auto-wolf[web]'") from error
    where = runs or Path("runs")  # which the first run makes
    if runs is not None and not runs.is_dir():
        raise UsageError(f"there is no folder {runs}: start a run with `wolf run CONFIG`, or name the folder of yours")
    taken = listen(port)
    number = taken.getsockname()[1]
    token = secrets.token_urlsafe(24)
    dashboard = Dashboard(where, lambda: server.should_exit)
    server = uvicorn.Server(
        uvicorn.Config(
            dashboard.app(token, f"wolf-{number}"), log_level="critical", access_log=False, lifespan="off",
            timeout_graceful_shutdown=2, server_header=False,
        )
    )  # fmt: skip
    address = f"http://{HOST}:{number}/?token={token}"
    where, count = dashboard.shelf.where, len(dashboard.shelf.names())
    click.echo(
        f"{count} run{'s'[: count != 1]} in {where}; open this address, Ctrl-C ends the server:\n\n  {address}\n"
    )
    if launch:
        click.launch(address)
    with suppress(OSError):
        os.nice(NICE)
    with suppress(KeyboardInterrupt):
        server.run(sockets=[taken])


def listen(port: int | None) -> socket.socket:
    """A socket on this machine's own address; without a wish for a port, the first free one from the usual one on.

    Raises:
        SetupError: if the port is taken, or may not be used.
    """
    for number in range(PORT, PORT + TRIES) if port is None else [port]:
        taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((HOST, number))
            taken.listen()  # now, so that the next server finds it taken
            return taken
        except OSError as error:
            taken.close()
            if port is not None and error.errno == errno.EADDRINUSE:
                raise SetupError(
                    f"port {port} is taken, perhaps by another wolf serve: choose another --port"
                ) from error
            if error.errno != errno.EADDRINUSE:
                raise SetupError(f"cannot use port {number}: {error.strerror}; choose another --port") from error
    raise SetupError(f"the ports {PORT} to {PORT + TRIES - 1} are taken; choose one with --port, 0 for any")
