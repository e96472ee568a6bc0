"""Imports run one way: wolf -> judges -> population; train_target imports nothing of ours."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"wolf", "judges", "population", "train_target"}
ALLOWED = {
    "wolf": {"wolf", "judges", "population"},
    "judges": {"judges", "population"},
    "population": {"population"},
    "train_target": {"train_target"},
}
BANNED = {"population": {"torch", "anthropic", "rich", "click", "time", "socket", "subprocess", "random"}}
TYPES_ONLY = {"random"}  # population takes a random.Random and never makes its own


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", sorted(OURS))
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    assert files(package)
    for path in files(package):
        upward = (imported(ast.parse(path.read_text())) & OURS) - ALLOWED[package]
        assert not upward, f"{path.relative_to(ROOT)} imports {sorted(upward)}"


def needed(tree: ast.AST) -> set[str]:
    """The folders of wolf from which something is imported, but for what only a type checker reads."""
    if isinstance(tree, ast.If) and isinstance(tree.test, ast.Name) and tree.test.id == "TYPE_CHECKING":
        return set()
    named = tree.module if isinstance(tree, ast.ImportFrom) and tree.level == 0 else None
    folders = {named.split(".")[1]} if named and named.startswith("wolf.") else set()
    return folders.union(*map(needed, ast.iter_child_nodes(tree)))


def test_the_folders_of_wolf_need_each_other_in_one_direction() -> None:
    folders = {path.name for path in (ROOT / "wolf").iterdir() if (path / "__init__.py").exists()}
    below = {}
    for folder in folders:
        trees = [ast.parse(path.read_text()) for path in files(f"wolf/{folder}")]
        below[folder] = set().union(*map(needed, trees)) & folders - {folder}
    assert below["serve"] > {"reading", "control"}
    try:
        [*TopologicalSorter(below).static_order()]
    except CycleError as error:
        pytest.fail(f"these import each other in a circle: {' <- '.join(error.args[1])}")


def test_population_knows_no_clock_no_network_and_no_terminal() -> None:
    for path in files("population"):
        banned = (imported(ast.parse(path.read_text())) & BANNED["population"]) - TYPES_ONLY
        assert not banned, f"{path.relative_to(ROOT)} imports {sorted(banned)}"


def test_no_file_is_longer_than_400_lines() -> None:
    long = {str(p.relative_to(ROOT)): n for d in OURS for p in files(d) if (n := len(p.read_text().splitlines())) > 400}
    assert not long


def test_what_the_package_offers_is_listed_before_it_is_used() -> None:
    code = "import sys, wolf; print('load_run' in dir(wolf), 'wolf.reading.records' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
