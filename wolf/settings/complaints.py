"""pydantic's findings as sentences for a person: what was expected, what was found, what was probably meant."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from wolf.settings import kinds
from wolf.settings.yamlfile import QUOTE, Document, Keys

_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "bool": "true or false",
    "string": "text",
    "path": "a path",
    "list": "a list",
    "tuple": "a list",
    "dict": "keys with values below it",
    "mapping": "keys with values below it",
    "model": "keys with values below it",
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}

_FUNCTION = "`judge.py:score`, a file of the target and a function in it, or `package.module:score`"
_SHAPES = {  # what the patterns of keys mean
    "call": _FUNCTION,
    "smoke": _FUNCTION,
    "id": "small letters, digits and '_' only, a letter first",
    "metric": "a name without spaces: letters, digits, '.', '_', '/' and '-' only, a letter first",
    "name": "letters, digits, '.', '_' and '-' only",
    "wait": "a time such as `90 s`, `10 min` or `2 h`",
}


def of(error: ValidationError, document: Document, model: type[BaseModel]) -> list[str]:
    """One text per mistake, in the order of the file; alternatives of one key become one sentence."""
    found: dict[Keys, list[str]] = {}
    for item in error.errors():
        if item["type"] == "too_short" and len(item["input"]) > item["ctx"]["actual_length"]:
            continue  # it is short of the items that are wrong, and those are reported
        keys = _keys(item["loc"], document.data, absent=item["type"] == "missing")
        if item["type"].startswith("union_tag"):  # pydantic blames the mapping; what is wrong is its `kind`
            keys = (*keys, item["ctx"]["discriminator"].strip("'"))
        found.setdefault(keys, []).append(_sentence(item, keys, document, model))
    order = {keys: n for n, keys in enumerate(document.marks)}
    return [
        document.problem(keys, _joined(sentences))
        for keys, sentences in sorted(found.items(), key=lambda pair: order.get(pair[0], -1))
    ]


def _keys(loc: tuple[str | int, ...], data: Any, absent: bool) -> Keys:
    """The place in the data: `loc` without the tags and type names that pydantic mixes in for unions."""
    keys: list[str | int] = []
    for part in loc:
        if part in data if isinstance(data, dict) else isinstance(data, list) and isinstance(part, int):
            data = data[part]
            keys.append(part)
    return (*keys, loc[-1]) if absent else tuple(keys)


def _sentence(item: Any, keys: Keys, document: Document, model: type[BaseModel]) -> str:
    kind, context, value = item["type"], item.get("ctx", {}), item["input"]
    if kind in ("missing", "union_tag_not_found"):
        return "is missing" + (f"; it is one of {', '.join(kinds.names())}" if keys == ("judge", "kind") else "")
    if kind == "extra_forbidden":
        word = str(keys[-1])
        places = [f"{name}.{word}" for name in model.model_fields for found in _models(_annotation(model, name))
                  if word in found.model_fields]  # fmt: skip
        if len(places) == 1:
            return f"unknown key, did you mean '{places[0]}'?"
        return f"unknown key, {_meant(word, sorted(known_keys(model, keys[:-1], document.data)))}"
    if kind in ("literal_error", "enum", "union_tag_invalid"):
        value = context.get("tag", value)
        expected = context.get("expected") or context["expected_tags"]
        choices = [choice.strip("' ") for choice in expected.replace(" or ", ", ").split(",")]
        near = get_close_matches(str(value), choices, n=1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        return f"expected one of {', '.join(choices)}, found {_shown(value)}{hint}"
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        return f"must be {words} {context[bound]:g}, found {_shown(value)}"
    if kind in ("too_short", "string_too_short"):
        return "must not be empty"
    if kind == "string_pattern_mismatch":
        return f"expected {_SHAPES.get(str(keys[-1]), _SHAPES['name'])}, found {_shown(value)}"
    if kind == "value_error":
        return str(context["error"]).removeprefix("knob: ")
    wanted = _EXPECTED.get(kind) or _EXPECTED.get(kind.split("_")[0])
    if wanted == "a list" and isinstance(value, str):
        wanted = f"a list such as [{_shown(value)[1:-1]}]"
    if wanted in ("a list", "text") and isinstance(value, Mapping):
        return f"expected {wanted}, found {_shown(value)}: {QUOTE}"
    return f"expected {wanted}, found {_shown(value)}" if wanted else item["msg"][:1].lower() + item["msg"][1:]


def _meant(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}"


def _joined(sentences: list[str]) -> str:
    """`expected text, found 3` and `expected a list, found 3` as one."""
    first, *others = dict.fromkeys(sentences)
    for other in others:
        if first.startswith("expected ") and other.startswith("expected "):
            head, comma, tail = first.rpartition(", found")
            first = f"{head} or {other.removeprefix('expected ').rpartition(', found')[0]}{comma}{tail}"
    return first


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    if isinstance(value, Mapping | list | tuple):
        return "keys with values" if isinstance(value, Mapping) else "a list"
    text = repr(str(value)) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def known_keys(model: type[BaseModel], keys: Keys, data: Any) -> set[str]:
    """The keys that may stand at `keys`; of tagged alternatives, those whose `kind` the data names."""
    models = {model}
    for key in keys:
        data = data[key]
        if model in models and key == "judge" and isinstance(data, Mapping):
            models = {kinds.find(data["kind"])}
            continue
        inner = {found for owner in models for found in _models(_annotation(owner, key))}
        models = {found for found in inner if _fits(found, data)} or inner or models
    return {name for owner in models for name in owner.model_fields}


def _annotation(owner: type[BaseModel], key: str | int) -> Any:
    field = owner.model_fields.get(key) if isinstance(key, str) else None
    return field.annotation if field else None


def _models(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models(argument)


def _fits(model: type[BaseModel], data: Any) -> bool:
    field = model.model_fields.get("kind")
    return not (field and isinstance(data, Mapping)) or data.get("kind") in typing.get_args(field.annotation)
