"""YAML that remembers where everything was written.

`read` gives plain data plus the place of every key, so that any later complaint can point at file, line and column.
The dialect is YAML 1.2's core: `on`, `off`, `yes` and `no` are words, `1e-4` is a number, dates are text. Duplicate
keys, anchors, aliases and tags are mistakes: PyYAML would silently keep the last, expand without limit, or run code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from wolf.errors import ConfigError

Keys = tuple[str | int, ...]
QUOTE = "text with a colon and a space in it needs quotes around it"
LARGEST = 1_000_000  # bytes; PyYAML takes seconds for more


class Text(str):
    """A string that knows which folder a relative path in it starts from: that of the file it was written in."""

    folder: Path


@dataclass(frozen=True, slots=True)
class Mark:
    """Where something was written: `file:line:col`, and the source line with a caret under it."""

    where: str
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """The data of one or several merged sources.

    Attributes:
        data: mappings, lists and scalars; strings are `Text`.
        marks: the place of every key and list item; of a key in two sources, the one that won.
        problems: mistakes that are known already, one text each.
        source: the file, for what is not in it; empty if it is none.
    """

    data: dict[str, Any]
    marks: Mapping[Keys, Mark] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    source: str = ""

    def problem(self, keys: Keys, sentence: str) -> str:
        """`file:line:col: a.b: sentence` and the source line; of a key that is not there, its parent's place."""
        place = keys
        while place and place not in self.marks:
            place = place[:-1]
        mark = self.marks.get(place, Mark(self.source or "configuration"))
        name = ".".join(map(str, keys))
        head = f"{mark.where}: {name}: {sentence}" if name else f"{mark.where}: {sentence}"
        return f"{head}\n{mark.excerpt}" if mark.excerpt else head

    def under(self, over: Document) -> Document:
        """This with `over` on top: mappings are merged key by key, everything else is replaced."""
        data = _merged(self.data, over.data)
        kept = {keys: mark for keys, mark in self.marks.items() if _there(data, keys)}
        return Document(data, kept | {**over.marks}, self.problems + over.problems, over.source or self.source)


def read(path: Path) -> Document:
    """Read a YAML file whose top level is a mapping.

    Raises:
        ConfigError: if it cannot be read or is not YAML. Lesser mistakes are in the document's `problems`.
    """
    try:
        if (size := path.stat().st_size) > LARGEST:
            raise ConfigError(
                [f"{path}: is no configuration: {size / 1e6:.1f} MB, and {LARGEST / 1e6:g} MB at most are read"]
            )
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8"]) from error
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    build = _Build(str(path), text, path.parent.absolute())
    data = build.document()
    if not isinstance(data, dict):
        what = "nothing" if data is None else "no keys"
        raise ConfigError([f"{path}: expected `key: value` lines, found {what}; `wolf init` writes a first one"])
    return Document(data, build.marks, tuple(build.problems), str(path))


def override(assignment: str) -> Document:
    """A `a.b=value` argument of the command line, with the value read as YAML.

    Raises:
        ConfigError: if it is no such assignment.
    """
    name, equals, value = assignment.partition("=")
    keys: Keys = tuple(name.split("."))
    if not equals or not all(keys):
        raise ConfigError([f"command line: expected key=value such as budget.evaluations=50, found {assignment!r}"])
    build = _Build("command line", value, Path.cwd(), assignment)
    data = build.document(keys)
    for key in reversed(keys):
        data = {key: data}
    return Document(data, build.marks, tuple(build.problems))


class _Loader(yaml.SafeLoader):
    """Composes nodes only; resolves plain scalars by the core schema of YAML 1.2."""


_Loader.yaml_implicit_resolvers = {}  # none of PyYAML's, which are YAML 1.1


for _tag, _pattern, _first in (
    ("null", r"(?:null|Null|NULL|~|)", ["n", "N", "~", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
     list("-+.0123456789")),
):  # fmt: skip
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


class _Build:
    """One pass over the nodes of one source: data, marks and problems."""

    def __init__(self, name: str, text: str, folder: Path, argument: str = "") -> None:
        self.name = name
        self.text = text
        self.lines = text.splitlines()
        self.folder = folder
        self.argument = argument  # the whole `a.b=value`, for a source that is no file
        self.marks: dict[Keys, Mark] = {}
        self.problems: list[str] = []

    def document(self, keys: Keys = ()) -> Any:
        """The data, with marks as if the document's top were at `keys`."""
        try:
            for token in yaml.scan(self.text, Loader=_Loader):
                if isinstance(token, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken):
                    self.complain(token.start_mark, "anchors, aliases and tags are not allowed here; write it out")
            if self.problems:
                raise ConfigError(self.problems)
            node = yaml.compose(self.text, Loader=_Loader)
            for depth in range(1, len(keys) + 1):
                self.marks[keys[:depth]] = self.mark(yaml.Mark(self.name, 0, 0, 0, None, 0))
            return None if node is None else self.value(node, keys)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            said = str(error.problem or error.context)
            hint = ": YAML is indented with spaces, not with tabs" if "'\\t'" in said else ""
            hint = f": {QUOTE}" if "mapping values are not allowed" in said else hint
            self.complain(mark, f"is not YAML: {said}{hint}")
        except yaml.YAMLError as error:  # a character that no YAML may contain
            self.problems.append(f"{self.name}: is not YAML: {' '.join(str(error).split())}")
        except RecursionError:
            self.problems.append(f"{self.name}: is nested too deeply")
        raise ConfigError(self.problems)

    def value(self, node: yaml.Node, keys: Keys) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, keys)
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.marks[*keys, index] = self.mark(item.start_mark)
            return [self.value(item, (*keys, index)) for index, item in enumerate(node.value)]
        return self.scalar(node)

    def mapping(self, node: yaml.MappingNode, keys: Keys) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.complain(key_node.start_mark, "a key must be a word")
                continue
            key = key_node.value
            if key in data:
                first = self.marks[*keys, key].where.removeprefix(f"{self.name}:").split(":")[0]
                name = ".".join(map(str, (*keys, key)))
                self.complain(key_node.start_mark, f"{name}: appears twice, first in line {first}; keep one")
                continue
            self.marks[*keys, key] = self.mark(key_node.start_mark)
            data[key] = self.value(value_node, (*keys, key))
        return data

    def scalar(self, node: yaml.Node) -> Any:
        kind, text = node.tag.rpartition(":")[2], node.value
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind == "float":
            return float(re.sub(r"\.(?=[a-zA-Z])", "", text))
        if kind == "int" and len(text) < 1000:
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        made = Text(text)
        made.folder = self.folder
        return made

    def mark(self, mark: yaml.Mark) -> Mark:
        if self.argument:
            return Mark("command line", f"      {self.argument}")
        line = self.lines[mark.line] if mark.line < len(self.lines) else ""
        excerpt = f"{mark.line + 1:>7} | {line}\n        | {' ' * mark.column}^"
        return Mark(f"{self.name}:{mark.line + 1}:{mark.column + 1}", excerpt)

    def complain(self, mark: yaml.Mark | None, sentence: str) -> None:
        at = Mark(self.name) if mark is None else self.mark(mark)
        self.problems.append(f"{at.where}: {sentence}" + (f"\n{at.excerpt}" if at.excerpt else ""))


def _there(data: Any, keys: Keys) -> bool:
    for key in keys:
        if not (
            key in data
            if isinstance(data, dict)
            else isinstance(data, list) and isinstance(key, int) and key < len(data)
        ):
            return False
        data = data[key]
    return True


def _merged(base: Any, over: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    if "kind" in over and over["kind"] != base.get("kind"):
        return over  # another kind of thing has other keys
    return base | {key: _merged(base[key], value) if key in base else value for key, value in over.items()}
