"""The probe's attacks succeed where nothing is confined: else that none succeeds in a cage would say nothing."""

from __future__ import annotations

import os
import runpy
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

PROBE = Path(__file__).parents[2] / "judges" / "probe.py"
SECRET = "0123456789abcdef"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux has these doors")
# The others would leave a file in the installation, change the machine, or need root: tests/attacks has all of them.
HARMLESS = (
    "read a file outside its folder",
    "write outside its folder",
    "change permissions outside its folder",
    "shorten a file outside its folder",
    "read the harness's environment",
    "open a TCP connection",
    "send a UDP packet",
    "reach a local service by its socket file",
    "reach a local service by its abstract name",
    "signal the harness",
)


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The probe, aimed at a secret and at services of this test's."""
    (tmp_path / "secret").write_text(SECRET)
    name = f"wolf-test-{os.getpid()}"
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as by_file,
        socket.socket(socket.AF_UNIX) as by_name,
    ):
        by_file.bind(str(tmp_path / "socket"))
        by_name.bind(f"\0{name}")
        for service in (by_file, by_name):
            service.listen()
        argv = ["probe.py", SECRET, str(tmp_path), str(os.getpid()), str(tcp.getsockname()[1]), name]
        monkeypatch.setattr(sys, "argv", argv)
        yield SimpleNamespace(**runpy.run_path(str(PROBE)))


@pytest.mark.parametrize("attack", HARMLESS)
def test_an_attack_succeeds_where_nothing_is_confined(probe: SimpleNamespace, tmp_path: Path, attack: str) -> None:
    assert probe.ATTACKS[attack]() is True
    assert (tmp_path / "secret").read_text() == SECRET
    if attack == "write outside its folder":
        assert (tmp_path / "written").exists()


def test_what_is_not_there_is_not_read(probe: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("nothing of ours")
    assert probe.read(str(tmp_path / "other")) is False
    with pytest.raises(OSError):
        probe.read(str(tmp_path / "none"))
