"""The literals of a Python file, by `ast` positions.

Covered: constants at module level and in the bodies of module-level classes (scalars, tuples, lists and dicts of
them), and the numbers and booleans inside functions. Not covered, on purpose: anything in an f-string (positions are
wrong before Python 3.12), annotations, `match` patterns, asserts, and whatever belongs to a random seed: a better
seed is luck, not progress.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from population.literals import Site, is_literal, is_power, literal, parse_python

_SEED = re.compile(r"(?<![A-Za-z])(?i:seeds?)(?![A-Za-z])|(?<=[a-z])Seeds?(?![a-z])")
_CAPS = re.compile(r"(?:\w+\.)?_*[A-Z][A-Z0-9_]*(?:\[\d+\]|\.\w+)*")
_NEWLINE = re.compile(r"\r\n|\r|\n")
_COMMENT = re.compile(r"[^#\r\n]*#[^\r\n]*?\bknob:[ \t]*([^#\r\n]*)")
_LONGEST = 8  # a longer list, or a nested one, is data
_DULL = (0, 1, -1)  # inside functions: indices, first steps, neutral elements
_RANDOM = ("Random", "RandomState", "default_rng", "PRNGKey")
_SETTING = (ast.keyword, ast.arguments, ast.Assign, ast.AnnAssign, ast.Call)  # where True and False are switches


def is_seed(name: str) -> bool:
    """Whether a name is that of a random seed (`SEED`, `random_seed`, `manual_seed`, `dataSeed`)."""
    return _SEED.search(name) is not None


class Lines:
    """Turns the positions of `ast` (line from 1, column in UTF-8 bytes) into indices of characters."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._plain = text.isascii()
        self.starts = [0, *(match.end() for match in _NEWLINE.finditer(text))]

    def index(self, line: int, column: int) -> int:
        """Index in the text of the character at this position."""
        start = self.starts[line - 1]
        if self._plain:
            return start + column
        if line == 1 and self._text.startswith("\ufeff"):
            start += 1
        chunk = self._text[start : start + column]
        if chunk.isascii():
            return start + column
        return start + len(chunk.encode("utf-8", "surrogatepass")[:column].decode("utf-8", "ignore"))


def knob_comment(text: str, index: int) -> str:
    """What the comment behind this index, on the same line, says after `knob:`, or ""."""
    behind = _COMMENT.match(text, index)
    return behind.group(1).strip() if behind else ""


def python_sites(text: str, inside: bool = True) -> list[Site]:
    """The literals of a Python text in the order of their names; none if it does not parse.

    Args:
        text: the source.
        inside: also list the numbers and booleans inside functions.
    """
    tree = parse_python(text)
    if tree is None:
        return []
    lines = Lines(text)
    found: dict[str, Site] = {}
    for name, node, statement in _constants(tree.body):
        for place, leaf in _leaves(name, node):
            site = _site(text, lines, place, leaf, statement)
            if site is not None:
                found[place] = site  # the last assignment is the one that counts
    for name, leaf in _numbers(tree) if inside else ():
        site = _site(text, lines, name, leaf, leaf)
        if site is not None:
            found[name] = site
    return list(found.values())


def _site(text: str, lines: Lines, name: str, node: ast.expr, statement: ast.stmt | ast.expr) -> Site | None:
    value = literal(node)
    if value is None:
        return None
    start = lines.index(node.lineno, node.col_offset)
    end = lines.index(node.end_lineno or node.lineno, node.end_col_offset or 0)
    around = text[start - 1 : start] + text[end : end + 1]
    if any(char.isalnum() or char in "_." for char in around):
        return None  # `return-1`, `5or x`: a new literal could run into its neighbour
    comment = knob_comment(text, end)
    if not comment:
        comment = knob_comment(text, lines.index(statement.end_lineno or 1, statement.end_col_offset or 0))
    named = _CAPS.fullmatch(name) is not None
    dull = "#" in name and not isinstance(value, bool) and value in _DULL
    return Site(name, start, end, value, named, comment, node.lineno, is_power(node), dull)


def _constants(body: Sequence[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.expr, ast.stmt]]:
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield prefix + name, value, statement
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield prefix + name, value, statement
            case ast.ClassDef(name=name, body=inner) if not prefix:
                yield from _constants(inner, f"{name}.")


def _leaves(name: str, node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Tuple | ast.List):
        if len(node.elts) <= _LONGEST and all(is_literal(element) for element in node.elts):
            yield from ((f"{name}[{i}]", element) for i, element in enumerate(node.elts))
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield from _leaves(f"{name}.{key.value}", value)
    else:
        yield name, node


def _numbers(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Numbers and booleans inside functions, named `function#1`, `Class.method#2`, in the order of the source."""
    count: Counter[str] = Counter()
    stack: list[tuple[ast.AST, str, bool, bool]] = [(tree, "", False, False)]
    while stack:
        node, path, inside, settable = stack.pop()
        if inside and isinstance(node, ast.expr) and is_literal(node):
            constant = node.value if isinstance(node, ast.Constant) else 0
            if settable if isinstance(constant, bool) else not isinstance(constant, str):
                count[path] += 1
                yield f"{path}#{count[path]}", node
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            path = f"{path}.{node.name}" if path else node.name
            inside = inside or not isinstance(node, ast.ClassDef)
        settable = isinstance(node, _SETTING)
        stack.extend((child, path, inside, settable) for child in reversed(_children(node)))


def _children(node: ast.AST) -> list[ast.AST]:
    """The parts of a node that may hold a literal worth changing."""
    match node:
        case ast.JoinedStr() | ast.pattern() | ast.Assert():
            return []
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if is_seed(name) or name in _RANDOM:
            return []
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AugAssign(target=ast.Name(id=name)) if is_seed(name):
            return []
        case ast.keyword(arg=str(name)) if is_seed(name):
            return []
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return [*node.decorator_list, node.args, *node.body]
        case ast.arguments():
            plain = [*node.posonlyargs, *node.args]
            pairs = [*zip(plain[len(plain) - len(node.defaults) :], node.defaults, strict=True)]
            pairs += [(arg, value) for arg, value in zip(node.kwonlyargs, node.kw_defaults, strict=True) if value]
            return [value for arg, value in pairs if not is_seed(arg.arg)]
        case ast.AnnAssign(value=value):
            return [value] if value else []
        case _:
            return list(ast.iter_child_nodes(node))
