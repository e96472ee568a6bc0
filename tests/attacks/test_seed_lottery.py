"""Seed lotteries: a candidate that was lucky, or that knows the seeds of the search, is no gain on fresh ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from wolf.cli import main
from wolf.reading.records import load_run

CONFIG = """
name: lottery
target: {root: ., files: [params.py]}
judge: {kind: function, call: "judge.py:score", metric: loss, seconds: 20}
search: {seed: 4, statements: "off"}
budget: {evaluations: 60}
confirm: {seeds: 8}
workers: {slots: 1}
"""
PARAMS = "TICKET = 0  # knob: 0 .. 15\nHOARD = 0  # knob: 0 .. 1\n"
NOISE = "import random, runpy\ndef score(folder, seed):\n    p = runpy.run_path(str(folder / 'params.py'))\n"
JUDGES = {
    # every ticket wins half a point for one seed in sixteen
    "a ticket per seed": "    return 1 + random.Random(seed).gauss(0, 0.02) - 0.5 * (seed % 16 == p['TICKET'])\n",
    # what the seed decides has nothing to do with the file
    "luck alone": "    return 1 + random.Random(str((seed, p['TICKET'], p['HOARD']))).gauss(0, 0.3)\n",
}


@pytest.mark.parametrize("name", JUDGES)
def test_what_only_luck_found_is_not_promoted(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task.yaml").write_text(CONFIG)
    (tmp_path / "params.py").write_text(PARAMS)
    (tmp_path / "judge.py").write_text(f"SEEN = {str(tmp_path / 'seen')!r}\n" + NOISE + JUDGES[name])
    done = CliRunner().invoke(main, ["run", "task.yaml", "--json", "--unsafe-no-sandbox"])
    assert done.exit_code == 0, done.output
    last = json.loads(done.output.splitlines()[-1])
    assert last["event"] == "finished"
    run = load_run(None)
    searched = {asked.seed for asked in run.asked.values() if asked.purpose != "confirm"}
    fresh = {asked.seed for asked in run.asked.values() if asked.purpose == "confirm"}
    assert len(fresh) == 8 and not fresh & searched, "promotion is on seeds that the search never drew"
    best = min(told.score for told in run.searched if told.score is not None)
    assert best < 0.75, "the search did see a lucky reading, so this test can fail"
    if last["champion"]["id"] != last["seed"]["id"]:
        assert last["gain"]["low"] <= 0.0, last
        assert last["champion"]["fresh"]["mean"] > best + 0.1, "the figure is that of the fresh seeds"
