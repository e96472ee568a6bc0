"""Swaps, drops and doubles the statements of a Python text, by `ast` positions and with their comments.

Nothing here understands a program. It refuses what is sure to be useless: what no longer parses, leaves a name
without a value, or swaps statements that share no name; and it leaves imports, definitions, constants, jumps and
random seeds alone. The rest is for the judge to say.
"""

from __future__ import annotations

import ast
import random
import re
from dataclasses import dataclass
from itertools import pairwise

from population.literals import literal, parse_python
from population.python_source import Lines, is_seed

_TRIES = 8
_REST_OF_LINE = re.compile(r"[ \t]*(?:#[^\r\n]*)?(?=[\r\n]|\Z)")
_LINE_BREAK = re.compile(r"\r\n|\r|\n|\Z")
_KEPT = (
    *(ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Global, ast.Nonlocal),
    *(ast.Return, ast.Raise, ast.Break, ast.Continue, ast.Pass),
)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement on lines of its own.

    Attributes:
        node: its tree.
        top: where the comment lines right above it begin, or else `start`.
        start: where its first line begins.
        end: where its last line ends, before the line break.
    """

    node: ast.stmt
    top: int
    start: int
    end: int


def swap(text: str, rng: random.Random) -> tuple[str, str] | None:
    """Swaps two neighbours of a block that share a name. Returns the new text and a note."""
    blocks = _blocks(text, parse_python(text))
    pairs = [(a, b) for block in blocks for a, b in pairwise(block) if a and b]
    for first, second in rng.sample(pairs, len(pairs))[:_TRIES]:
        if not _may_swap(first.node, second.node):
            continue
        one, other = text[first.top : first.end], text[second.top : second.end]
        new = text[: first.top] + other + text[first.end : second.top] + one + text[second.end :]
        if new != text and parse_python(new) is not None:
            return new, f"line {first.node.lineno}: swapped {_quote(text, first)} and {_quote(text, second)}"
    return None


def drop(text: str, rng: random.Random) -> tuple[str, str] | None:
    """Drops a statement whose names nobody else needs. Returns the new text and a note."""
    tree = parse_python(text)
    blocks = _blocks(text, tree)
    needed = _names(tree)[1] if tree else frozenset()
    for one in _candidates([block for block in blocks if len(block) > 1], rng):
        stored, loaded = _names(one.node)
        if (stored - loaded) & needed:
            continue
        line_break = _LINE_BREAK.match(text, one.end)
        new = text[: one.top] + text[line_break.end() if line_break else one.end :]
        if parse_python(new) is not None:
            return new, f"line {one.node.lineno}: dropped {_quote(text, one)}"
    return None


def double(text: str, rng: random.Random) -> tuple[str, str] | None:
    """Repeats a statement right after itself. Returns the new text and a note."""
    for one in _candidates(_blocks(text, parse_python(text)), rng):
        stored, loaded = _names(one.node)
        if not stored & loaded and not any(isinstance(part, ast.Call) for part in ast.walk(one.node)):
            continue  # the second time would change nothing
        line_break = _LINE_BREAK.match(text, one.end)
        between = (line_break.group() if line_break else "") or "\n"
        new = text[: one.end] + between + text[one.start : one.end] + text[one.end :]
        if parse_python(new) is not None:
            return new, f"line {one.node.lineno}: doubled {_quote(text, one)}"
    return None


def _candidates(blocks: list[list[Statement | None]], rng: random.Random) -> list[Statement]:
    found = [one for block in blocks for one in block if one is not None]
    return rng.sample(found, len(found))[:_TRIES]


def _blocks(text: str, tree: ast.Module | None) -> list[list[Statement | None]]:
    """The statements of every block but class bodies, None for those to be left alone."""
    if tree is None:
        return []
    lines = Lines(text)
    blocks: list[list[Statement | None]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            continue
        for field in ("body", "orelse", "finalbody"):
            body = getattr(node, field, None)
            if isinstance(body, list) and body:
                above = [0, *(one.end_lineno or 0 for one in body)]
                top_level = isinstance(node, ast.Module)
                pairs = zip(body, above, strict=False)
                blocks.append([_statement(text, lines, one, floor, top_level) for one, floor in pairs])
    return blocks


def _statement(text: str, lines: Lines, node: ast.stmt, floor: int, top_level: bool) -> Statement | None:
    match node:
        case ast.Expr(value=ast.Constant()):
            return None  # a docstring
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value) if top_level:
            leaves = value.elts if isinstance(value, ast.Tuple | ast.List) else [value]
            if any(literal(leaf) is not None for leaf in leaves):
                return None  # a constant
    if isinstance(node, _KEPT) or any(name == "__name__" or is_seed(name) for names in _names(node) for name in names):
        return None
    start = lines.starts[node.lineno - 1]
    rest = _REST_OF_LINE.match(text, lines.index(node.end_lineno or 1, node.end_col_offset or 0))
    indent = text[start : lines.index(node.lineno, node.col_offset)]
    if rest is None or indent.strip(" \t"):
        return None
    top, line = start, node.lineno - 2
    while line >= floor and text.startswith(indent + "#", lines.starts[line]):
        top, line = lines.starts[line], line - 1
    return Statement(node, top, start, rest.end())


def _names(node: ast.AST) -> tuple[frozenset[str], frozenset[str]]:
    """The names, and the attributes with a dot in front, that a tree stores and loads."""
    stored: set[str] = set()
    loaded: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name | ast.Attribute):
            (loaded if isinstance(part.ctx, ast.Load) else stored).add(_name(part))
        elif isinstance(part, ast.AugAssign) and isinstance(part.target, ast.Name | ast.Attribute):
            loaded.add(_name(part.target))
    return frozenset(stored), frozenset(loaded)


def _name(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else f".{node.attr}"


def _may_swap(first: ast.stmt, second: ast.stmt) -> bool:
    """Whether the order matters at all, and the second does not need what only the first has made."""
    stored, loaded = _names(first)
    later_stored, later_loaded = _names(second)
    if not (stored | loaded) & (later_stored | later_loaded) - {"self"}:
        return False
    return stored & later_loaded <= loaded


def _quote(text: str, statement: Statement) -> str:
    line = " ".join(text[statement.start : statement.end].split())
    return f"`{line if len(line) <= 50 else line[:47] + '...'}`"
