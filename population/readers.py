"""Reads the literals of any file: Python, YAML, JSON, TOML, constants of other languages, or the slots of a text."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from population.literals import Site, Value, dialect, parse_python, unparsed
from population.python_source import knob_comment, python_sites

_NUMBER = re.compile(r"[-+]?(?:0|[1-9]\d*)(?:\.\d*)?(?:[eE][-+]?\d+)?|[-+]?\.\d+(?:[eE][-+]?\d+)?")
_WHOLE = re.compile(r"[-+]?\d+")
_TOML_TABLE = re.compile(r"[ \t]*\[[ \t]*([\w.-]+)[ \t]*\][ \t]*(?:#.*)?")
_TOML_LINE = re.compile(
    r"""[ \t]*([\w.-]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|'[^']*'|[-+.\w]+|\[[-+.\w, \t]*\])[ \t]*(?:#.*)?"""
)
_CONSTANT = re.compile(
    rf"""^[ \t]*
    (?: \#[ \t]*define[ \t]+ (?P<macro>_*[A-Z][A-Z0-9_]*) [ \t]+\(?             # C: #define N 3
      | (?:[\w:]+[ \t]+)* \$? (?P<name>_*[A-Z][A-Z0-9_]*) [ \t]*(?::[ \t]*\w+[ \t]*)? :?=[ \t]* )  # const N: usize = 3;
    (?P<value>{_NUMBER.pattern})
    (?= [fFlLuU]* \)? [ \t]*[;,]?[ \t]* (?P<rest> \r?$ | //.* | /\*.* | \#.* ))""",
    re.MULTILINE | re.VERBOSE,
)
_SAID = re.compile(r"\bknob:[ \t]*(.*?)\s*(?:\*/.*)?$")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(path: str, text: str, inside: bool = True) -> list[Site]:
    """The literals of a file by its suffix, none if it does not parse or is plain text.

    Args:
        path: decides how the text is read; of code that is not Python, the lines `#define NAME 3` and `NAME = 3`.
        text: the file.
        inside: for Python, also list numbers inside functions.
    """
    language = dialect(path)
    if language == "python":
        return python_sites(text, inside)
    if language in ("yaml", "json"):
        return list(_yaml(text))
    if language == "toml":
        return list(_toml(text))
    return list(_constants(text)) if language == "code" else []


def parses(path: str, text: str) -> bool:
    """Whether a text is what its suffix says it is; of other languages than Python nobody here knows."""
    language = dialect(path)
    if language == "python":
        return parse_python(text) is not None
    if language == "toml":
        return _toml_tree(text) is not None
    return language in ("text", "code") or _yaml_tree(text) is not None


def spoilt(path: str, before: str, after: str) -> str:
    """What is wrong with a text that is not what its suffix says, unlike that before it; empty if nothing is."""
    if not parses(path, before) or parses(path, after):
        return ""
    why = unparsed(path, after)
    return f"does not parse{why and ': '}{why}"


def slot(text: str, choices: tuple[Value, ...]) -> tuple[int, int, Value] | None:
    """Where in a text exactly one of `choices` stands (the longest that fits), and which; None if none or several."""
    longest = sorted(choices, key=lambda choice: -len(str(choice)))
    pattern = "|".join(re.escape(str(choice)) for choice in longest)
    matches = list(re.finditer(rf"(?<!\w)(?:{pattern})(?!\w)", text))
    if len(matches) != 1:
        return None
    start, end = matches[0].span()
    return start, end, next(choice for choice in longest if str(choice) == text[start:end])


def _constants(text: str) -> Iterator[Site]:
    """Numbers with ALL_CAPS names, a line each; a name that is given twice (`#ifdef`) is nobody's."""
    found: dict[str, Site | None] = {}
    for match in _CONSTANT.finditer(text):
        name, (start, end) = match["macro"] or match["name"], match.span("value")
        said = _SAID.search(match["rest"])
        value, line = _scalar(match["value"]), text.count("\n", 0, start) + 1
        assert value is not None
        site = Site(name, start, end, value, True, said[1] if said else "", line)
        found[name] = None if name in found else site
    yield from (site for site in found.values() if site is not None)


def _scalar(text: str) -> Value | None:
    """A plain scalar that is a number or a boolean in YAML, JSON and TOML alike."""
    if text in ("true", "false", "True", "False"):
        return text.lower() == "true"
    if _NUMBER.fullmatch(text):
        return int(text) if _WHOLE.fullmatch(text) else float(text)
    return None


def _yaml_tree(text: str) -> Any:
    try:
        return yaml.compose(text.replace("\t", " "), Loader=_LOADER)  # YAML has no tabs, JSON may; positions stay
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _toml_tree(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return None


def _yaml(text: str) -> Iterator[Site]:
    root = _yaml_tree(text)
    seen: set[int] = set()
    stack: list[tuple[str, Any]] = [("", root)] if root is not None else []
    while stack:
        name, node = stack.pop()
        if id(node) in seen:
            continue  # an alias: the value belongs to its anchor
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            inner = [(f"{name}.{key.value}" if name else str(key.value), value) for key, value in node.value]
            stack.extend(reversed(inner))
        elif isinstance(node, yaml.SequenceNode):
            stack.extend(reversed([(f"{name}[{i}]", value) for i, value in enumerate(node.value)]))
        elif name:
            start, end = node.start_mark.index, node.end_mark.index
            source = text[start:end]
            if not node.style and source == node.value:
                value = _scalar(source)
                yield _leaf(text, name, start, end, source if value is None else value)
            elif node.style in ("'", '"') and source[:1] == node.style == source[-1:]:
                yield _leaf(text, name, start, end, str(node.value))


def _leaf(text: str, name: str, start: int, end: int, value: Value) -> Site:
    return Site(name, start, end, value, True, knob_comment(text, end), text.count("\n", 0, start) + 1)


def _toml(text: str) -> Iterator[Site]:
    """TOML is read by lines (`key = scalar`, `key = [numbers]` under `[table]`), and checked against `tomllib`."""
    tree = _toml_tree(text)
    if tree is None:
        return
    found: dict[str, Site | None] = {}
    table, position = "", 0
    for line in text.splitlines(keepends=True):
        body = line.rstrip("\r\n")
        if header := _TOML_TABLE.fullmatch(body):
            table = header.group(1) + "."
        elif body.lstrip().startswith("[["):
            table = "[[."  # an array of tables has no path here, and no key of ours
        elif entry := _TOML_LINE.fullmatch(body):
            for name, start, end in _toml_scalars(table + entry.group(1), entry):
                source = body[start:end]
                quoted = source[:1] in ("'", '"')
                value = _at(tree, name)
                same = value is not None and (isinstance(value, str) if quoted else value == _scalar(source))
                if same and value is not None:  # a name that occurs twice stands once in a string: leave both alone
                    found[name] = None if name in found else _leaf(text, name, position + start, position + end, value)
        position += len(line)
    yield from (site for site in found.values() if site is not None)


def _toml_scalars(name: str, entry: re.Match[str]) -> Iterator[tuple[str, int, int]]:
    start, end = entry.span(2)
    if not entry.group(2).startswith("["):
        yield name, start, end
        return
    for i, item in enumerate(re.finditer(r"[^\s,\[\]]+", entry.group(2))):
        yield f"{name}[{i}]", start + item.start(), start + item.end()


def _at(tree: Mapping[str, Any], name: str) -> Value | None:
    """The scalar at a dotted path of a TOML document."""
    path, _, index = name.partition("[")
    node: Any = tree
    for key in path.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    if index:
        node = node[int(index[:-1])] if isinstance(node, list) and int(index[:-1]) < len(node) else None
    return node if isinstance(node, bool | int | float | str) else None
