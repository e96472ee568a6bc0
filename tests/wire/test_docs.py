"""What docs/models.md says is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from wolf import cli
from wolf.config import load
from wolf.dev.faults import FAULTS

DOCS = Path(__file__).parents[2] / "docs/models.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
BASE = """
target: {root: ., files: [params.py]}
judge: {kind: function, call: judge.py:score, metric: loss, goal: minimize}
"""


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: re.search(r"models: \[(.*)\]", block)[1])
def test_every_example_is_a_configuration(tmp_path, block):
    (tmp_path / "params.py").write_text("LR = 0.1\n")
    (tmp_path / "judge.py").write_text("")
    budget = "" if "budget:" in block else "budget: {evaluations: 10, usd: 1}\n"
    (tmp_path / "c.yaml").write_text(BASE + budget + block)
    assert load(str(tmp_path / "c.yaml")).llm


def test_the_played_model_knows_at_least_thirty_faults_and_names_them():
    listed = CliRunner().invoke(cli.main, ["dev", "fake-llm", "--fault", "list"])
    assert listed.output.split() == [*FAULTS]
    assert len(FAULTS) >= 30
    assert "--fault list" in CliRunner().invoke(cli.main, ["dev", "fake-llm", "--fault", "none"]).output
