import subprocess
from pathlib import Path

import pytest

from wolf.errors import ConfigError
from wolf.settings import commit
from wolf.settings.config import load
from wolf.settings.target import Target

YAML = """
target: {root: repo, files: [train.py], commit: COMMIT}
judge: {kind: command, run: python train.py, metric: val_bpb}
budget: {evaluations: 5}
"""


def git(repo: Path, *words: str) -> str:
    command = ["git", "-C", str(repo), "-c", "user.name=a", "-c", "user.email=a@b", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """An autoresearch checkout with three experiments, the second of them the best one that was kept."""
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q")
    rows = ["commit\tval_bpb\tmemory_gb\tstatus\tdescription"]
    for lr, bpb, status in ((0.1, 0.99, "keep"), (0.2, 0.97, "keep"), (0.3, 0.95, "discard")):
        (folder / "train.py").write_text(f"LR = {lr}\nprint('val_bpb:', LR)\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "experiment")
        rows.append(f"{git(folder, 'rev-parse', '--short=7', 'HEAD')}\t{bpb}\t44.0\t{status}\tlr")
    rows.append("0000000\t0.000000\t0.0\tcrash\tboom")
    (folder / "results.tsv").write_text("\n".join(rows) + "\n")
    return folder


def config(repo: Path, at: str) -> Path:
    path = repo.parent / "task.yaml"
    path.write_text(YAML.replace("COMMIT", at))
    return path


def test_best_is_the_lowest_kept_row(repo: Path) -> None:
    seed = Target.of(load(str(config(repo, "best"))).target).seed()
    assert seed.files["train.py"].startswith("LR = 0.2")


def test_any_name_that_git_understands(repo: Path) -> None:
    assert Target.of(load(str(config(repo, "HEAD~2"))).target).seed().files["train.py"].startswith("LR = 0.1")


@pytest.mark.parametrize(
    ("at", "words"), [("nonsense", "no train.py at commit nonsense"), ("--output=x", "no train.py")]
)
def test_a_commit_that_is_not_there_is_one_sentence_with_its_place(repo: Path, at: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        load(str(config(repo, at)))
    assert "task.yaml:2" in str(error.value)


def test_no_log_and_an_empty_log(tmp_path: Path) -> None:
    with pytest.raises(commit.CommitError, match="cannot be read"):
        commit.best(tmp_path / "results.tsv")
    (tmp_path / "results.tsv").write_text("commit\tval_bpb\tmemory_gb\tstatus\tdescription\n")
    with pytest.raises(commit.CommitError, match="no row that says keep"):
        commit.best(tmp_path / "results.tsv")
