"""What a look at Python code says without running it: imports that lead nowhere, names that are not there."""

from __future__ import annotations

import ast
import difflib
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path, PurePosixPath


def unresolved(files: Mapping[str, str], root: Path) -> str:
    """A sentence about the first import that the Python we run in cannot resolve; empty if there is none.

    Only top-level names count, and only where a failure would end the program: not below `try`.

    Args:
        files: the variant's files, path relative to `root` -> text.
        root: the target's tree, whose own modules are importable too.
    """
    for path, text in sorted(files.items()):
        if path.endswith(".py"):
            for line, name in _imports(text):
                if not _known(name, PurePosixPath(path).parent, files, root):
                    return f"{path}, line {line}: there is no module named {name!r} here; use what is installed"
    return ""


def _imports(text: str) -> Iterator[tuple[int, str]]:
    """Line and first part of the name of every absolute import that is not guarded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            waiting: list[ast.AST] = [ast.parse(text)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module.partition(".")[0]
        elif not isinstance(node, ast.Try | ast.TryStar | ast.expr):
            waiting += ast.iter_child_nodes(node)


def _known(name: str, folder: PurePosixPath, files: Mapping[str, str], root: Path) -> bool:
    if name in sys.stdlib_module_names or name in sys.builtin_module_names:
        return True
    for place in {PurePosixPath("."), folder}:
        if (
            str(place / f"{name}.py") in files
            or (root / place / f"{name}.py").exists()
            or (root / place / name).is_dir()
        ):
            return True
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def located(name: str, root: Path) -> Path | None:
    """Where a module lies, in `root` or installed, or the name of one without a file; None if it is nowhere.

    Nothing is imported: a package is looked into, not run.
    """
    first, *rest = name.split(".")
    if inside := _module(root, [first, *rest]):
        return inside
    try:
        spec = find_spec(first)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin or first)
    return next(filter(None, (_module(Path(place), rest) for place in spec.submodule_search_locations or ())), None)


def _module(folder: Path, parts: Sequence[str]) -> Path | None:
    """The file of a module below a folder, or the folder of a package without one."""
    place = folder.joinpath(*parts)
    files = [place / "__init__.py", place.with_name(f"{place.name}.py"), *place.parent.glob(f"{place.name}.*.so")]
    return next((file for file in files if file.is_file()), None) or (place if place.is_dir() else None)


def absent(file: Path, name: str) -> str:
    """What a file of Python has instead of `name`; empty where it has it, or where only running it would tell."""
    if file.suffix != ".py":
        return ""
    names, functions = _bound(file)
    if not names or name in names:
        return ""
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean {near[0]}?" if near else f"it has {', '.join(functions) or 'no function'}"


def _bound(file: Path) -> tuple[set[str], list[str]]:
    """Names that a file of Python gives to anything, and its functions; nothing where that takes running it."""
    try:
        module = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, RecursionError, OSError):  # the first evaluation says it better
        return set(), []
    nodes = [*ast.walk(module)]
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    names |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    functions = [node.name for node in module.body if isinstance(node, ast.FunctionDef)]
    return (set() if names & {"*", "__getattr__"} else names), functions
