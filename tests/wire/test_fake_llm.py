"""`wolf dev fake-llm`, as a person starts it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from wolf.cli import main
from wolf.dev.faults import FAULTS

REPOSITORY = Path(__file__).parents[2]


def test_its_faults_can_be_listed_and_a_wrong_one_is_a_sentence():
    listed = CliRunner().invoke(main, ["dev", "fake-llm", "--fault", "list"])
    assert (listed.exit_code, listed.output.split()) == (0, list(FAULTS))
    wrong = CliRunner().invoke(main, ["dev", "fake-llm", "--fault", "flood"])
    assert wrong.exit_code == 2 and "there is no fault 'flood'; `--fault list` lists them" in wrong.output


@pytest.mark.parametrize(("share", "status"), [("0", 200), ("1", 529)])
def test_it_serves_until_it_is_interrupted_and_writes_down_what_it_was_asked(tmp_path, share, status):
    log = tmp_path / "log.jsonl"
    command = [sys.executable, "-m", "wolf", "dev", "fake-llm", "--port", "0", "--log", str(log), "--toward", "LR=0.3"]
    command += ["--fault", "529", "--share", share]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout
        said = server.stdout.readline()
        assert said.startswith("a model that is competent, at http://127.0.0.1:") and said.endswith(
            "; Ctrl-C ends it\n"
        )
        ask = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "LR = 0.1"}]}
        request = urllib.request.Request(
            said.split()[6].rstrip(";") + "/v1/messages", json.dumps(ask).encode(), {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                found, body = answer.status, json.load(answer)
            assert body["content"]
        except urllib.error.HTTPError as error:
            found = error.code
            error.close()
        assert found == status
        server.send_signal(signal.SIGINT)
        try:
            server.wait(timeout=30)
        finally:
            server.kill()
    assert len(log.read_text().splitlines()) == 1
