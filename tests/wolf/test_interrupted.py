"""Ctrl-C before there is anything to stop: an exit code, no traceback."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from wolf.__main__ import start
from wolf.cli import main


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_while_the_program_is_imported_is_an_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "wolf.cli", Slow("wolf.cli"))
    with pytest.raises(SystemExit) as ended:
        start()
    assert ended.value.code == 130


def test_a_second_ctrl_c_changes_nothing_about_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Exit(click.exceptions.Exit):
        def __init__(self, code: int) -> None:
            signal.raise_signal(signal.SIGINT)  # just when the first one is answered
            super().__init__(code)

    def interrupted(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise KeyboardInterrupt

    monkeypatch.setattr(click.Group, "invoke", interrupted)
    monkeypatch.setattr("click.core.Exit", Exit)
    assert CliRunner().invoke(main, ["runs"]).exit_code == 130
