"""Mutation testing of what must not be wrong: ledger, budget, scorer, sandbox launcher.

    python tests/mutants.py [MODULE...] [--most 60] [--processes 2]

Each mutant is a copy of the repository in which one expression or statement of one module is changed; it is killed if
the module's own tests fail or do not end. Children are forked from a process that has all libraries imported, so that a
mutant costs little more than its tests. Docstrings, messages, annotations and decorators are not changed: no test
should care.
"""

from __future__ import annotations

import argparse
import ast
import copy
import ctypes
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TESTS = {
    "wolf/store/ledger.py": ["tests/wolf/test_ledger.py", "tests/wolf/test_chain.py"],
    "wolf/store/database.py": ["tests/wolf/test_ledger.py", "tests/wolf/test_chain.py"],
    "wolf/store/chain.py": ["tests/wolf/test_chain.py", "tests/wolf/test_ledger.py"],
    "wolf/store/contents.py": ["tests/wolf/test_ledger.py", "tests/wolf/test_chain.py"],
    "wolf/store/lock.py": ["tests/wolf/test_ledger.py"],
    "wolf/store/mishaps.py": ["tests/wolf/test_ledger.py"],
    "wolf/control/stopping.py": ["tests/wolf/test_stopping.py"],
    "wolf/llm/call.py": ["tests/wire/test_books.py", "tests/wire/test_calls.py"],
    "wolf/llm/calls.py": ["tests/wire/test_books.py", "tests/wire/test_calls.py"],
    "wolf/llm/prices.py": ["tests/wire/test_prices.py", "tests/wire/test_models.py"],
    "judges/scorer.py": ["tests/judges/test_scorer.py"],
    "judges/cage.py": ["tests/judges/test_cage.py", "tests/attacks/test_sandbox.py"],
    "judges/process.py": ["tests/judges/test_finished.py", "tests/judges/test_process.py"],
    "judges/spawn.py": ["tests/judges/test_spawn.py", "tests/judges/test_process.py"],
    "judges/zygote.py": ["tests/judges/test_zygote.py", "tests/judges/test_spawn.py"],
    "judges/supervisor.py": [
        "tests/judges/test_supervisor.py",
        "tests/judges/test_process.py",
        "tests/judges/test_docker.py",
    ],
}
PR_SET_CHILD_SUBREAPER = 36
LIBRARIES = ("numpy", "pydantic", "click", "anthropic", "hypothesis", "pytest", "_pytest.assertion.rewrite", "yaml")
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Mod: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift,
}  # fmt: skip


Change = Callable[[Any], None]


def sites(tree: ast.Module) -> list[tuple[int, str, int, Change]]:
    """Every mutant: line, description, number of the node that is changed, and how."""
    nodes = list(ast.walk(tree))
    spoken = {id(part) for node in nodes if isinstance(node, ast.Raise | ast.JoinedStr | ast.AnnAssign)
              for part in ast.walk(node.annotation if isinstance(node, ast.AnnAssign) else node)}  # fmt: skip
    marks = [mark for node in nodes for mark in getattr(node, "decorator_list", ())]
    marks += [said for node in nodes for name in ("returns", "annotation") if (said := getattr(node, name, None))]
    spoken |= {id(part) for mark in marks for part in ast.walk(mark)}
    silent = [(number, node) for number, node in enumerate(nodes) if id(node) not in spoken]
    return [(line, what, number, change) for number, node in silent for line, what, change in _changes(node)]


def _changes(node: Any) -> Iterator[tuple[int, str, Change]]:
    """What can be changed about a node: line, what, how."""

    def setting(name: str, value: Any) -> Change:
        return lambda twin: setattr(twin, name, value)

    line = getattr(node, "lineno", 0)
    match node:
        case ast.BinOp() | ast.AugAssign() | ast.BoolOp() if type(node.op) in SWAPS:
            yield line, f"operator of `{ast.unparse(node)[:70]}`", setting("op", SWAPS[type(node.op)]())
        case ast.Compare() if type(node.ops[0]) in SWAPS:
            swapped = [SWAPS[type(node.ops[0])](), *node.ops[1:]]
            yield line, f"comparison of `{ast.unparse(node)[:70]}`", setting("ops", swapped)
        case ast.UnaryOp(op=ast.Not()):
            plain = ast.Call(ast.Name("bool", ast.Load()), [node.operand], [])
            yield line, f"`{ast.unparse(node)[:70]}` without not", lambda twin: twin.__dict__.update(
                op=ast.UAdd(), operand=copy.deepcopy(plain))  # fmt: skip
        case ast.If() | ast.While() | ast.IfExp():
            for truth in (True, False):
                yield line, f"`{ast.unparse(node.test)[:70]}` is {truth}", setting("test", ast.Constant(truth))
        case ast.Constant(value=bool()):
            yield line, f"{node.value} is {not node.value}", setting("value", not node.value)
        case ast.Constant(value=int() | float()):
            yield line, f"{node.value} is {node.value + 1}", setting("value", node.value + 1)
        case ast.Return(value=ast.expr()) if not _is_none(node.value):
            yield line, f"`{ast.unparse(node)[:70]}` returns None", setting("value", ast.Constant(None))
    for name in ("body", "orelse", "finalbody"):
        statements = getattr(node, name, None)
        for at, statement in enumerate(statements if isinstance(statements, list) else ()):
            effect = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call | ast.Yield)
            if effect or isinstance(statement, ast.Raise | ast.AugAssign | ast.Break | ast.Continue):
                yield statement.lineno, f"without `{ast.unparse(statement)[:70]}`", _without(name, at)


def _without(name: str, at: int) -> Change:
    def change(twin: Any) -> None:
        getattr(twin, name)[at] = ast.Pass()

    return change


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def mutants(module: str, most: int) -> list[tuple[int, str, str]]:
    """A sample of the mutants of a module: line, what, text; always the same sample."""
    tree = ast.parse((ROOT / module).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    every = sites(tree)
    random.Random(module).shuffle(every)
    known, found = {ast.unparse(tree)}, []
    for line, what, number, change in every:
        twin = copy.deepcopy(tree)
        change(list(ast.walk(twin))[number])
        text = ast.unparse(ast.fix_missing_locations(twin))
        if len(found) == most:
            break
        if text not in known:
            known.add(text)
            found.append((line, what, text))
    return sorted(found)


class QuickFirst:
    """Has pytest begin with the tests that took least in the run without a change, which it also times."""

    def __init__(self, notes: Path) -> None:
        self._notes = notes
        self._took: dict[str, float] = json.loads(notes.read_text()) if notes.exists() else {}
        self._known = bool(self._took)

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items.sort(key=lambda item: self._took.get(item.nodeid, 0.0))

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._took[report.nodeid] = self._took.get(report.nodeid, 0.0) + report.duration

    def pytest_sessionfinish(self) -> None:
        if not self._known:
            self._notes.write_text(json.dumps(self._took))


def survives(tree: Path, tests: list[str], seconds: float) -> bool:
    """Whether the tests pass in `tree`. Runs in a child; leaves nothing behind."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(null, stream)
        os.chdir(tree)
        sys.path.insert(0, str(tree))
        os.environ["PYTHONPATH"] = str(tree)
        resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
        import pytest

        code = 1
        try:
            early = "ignore::pytest.PytestAssertRewriteWarning"  # the libraries are imported already, on purpose
            how = ["-x", "-q", "-p", "no:cacheprovider", "-W", early, "--timeout", "240"]
            code = pytest.main([*how, *tests], plugins=[QuickFirst(tree.parent / "took.json")])
        finally:
            os._exit(int(code))
    ends = time.monotonic() + seconds
    try:
        while time.monotonic() < ends:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status) == 0
            time.sleep(0.05)
        return False
    finally:
        end(pid)


def end(pid: int) -> None:
    """Kill what is left of a child, and of all that it has started: a broken launcher leaves orphans behind."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        while True:
            for orphan in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
                os.kill(int(orphan), signal.SIGKILL)
            os.waitpid(-1, 0)


def serve() -> None:
    """Judge the mutants that come in on stdin: `path of the tree, seconds, tests`, one per line."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for name in LIBRARIES:
        __import__(name)
    for line in sys.stdin:
        tree, seconds, *tests = line.split()
        print("survived" if survives(Path(tree), tests, float(seconds)) else "killed", flush=True)


def judge(module: str, most: int, processes: int) -> tuple[int, int]:
    """Judge the mutants of a module, name the survivors; (killed, all)."""
    tests = [test for test in TESTS[module] if (ROOT / test).exists()]
    chosen = mutants(module, most)
    with tempfile.TemporaryDirectory(prefix="wolf-mutants-") as folder, ThreadPoolExecutor(processes) as pool:
        servers = []
        for number in range(processes):
            tree = Path(folder, str(number))
            shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv", "runs", "dist", ".*_cache"))
            command = [sys.executable, __file__, "--serve"]
            server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            servers.append((tree, server))

        def ask(seconds: float, text: str) -> str:
            tree, server = servers.pop()
            changed = tree / module
            changed.write_text(text)
            for compiled in changed.parent.glob(f"__pycache__/{changed.stem}.*"):
                compiled.unlink()  # else a change of the same second and length would not be seen
            assert server.stdin and server.stdout
            print(tree, seconds, *tests, file=server.stdin, flush=True)
            said = server.stdout.readline().strip()
            servers.append((tree, server))
            return said

        began = time.monotonic()
        if ask(1200, (ROOT / module).read_text()) != "survived":
            print(f"{module}: its tests fail without any change")
            return 0, len(chosen)
        limit = 30 + 4 * (time.monotonic() - began)
        said = list(pool.map(lambda mutant: ask(limit, mutant[2]), chosen))
        for _, server in servers:
            server.kill()
            server.communicate()
    for (line, what, _), outcome in zip(chosen, said, strict=True):
        if outcome != "killed":
            print(f"  {module}:{line}: {what}")
    killed = said.count("killed")
    print(f"{module}: {killed} of {len(chosen)} killed ({100 * killed / len(chosen):.0f} %)", flush=True)
    return killed, len(chosen)


def main() -> int:
    """Judge them all; 1 if fewer than 85 % are killed of any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", default=[*TESTS])
    parser.add_argument("--most", type=int, default=60, help="mutants of a module, drawn at random, always the same")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="name the modules, with commas between them, and end")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve()
        return 0
    if arguments.list:
        print(",".join(TESTS))
        return 0
    counts = [judge(module, arguments.most, arguments.processes) for module in arguments.modules]
    killed, total = (sum(column) for column in zip(*counts, strict=True))
    print(f"in all {killed} of {total} killed ({100 * killed / total:.0f} %)")
    return 0 if all(killed >= 0.85 * total for killed, total in counts) else 1


if __name__ == "__main__":
    sys.exit(main())
