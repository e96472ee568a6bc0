"""Literals in a text: where they are, what they are worth, and how a new value is written in their place.

A literal is found by position, never by pattern in the whole text, so that replacing it changes nothing else: not a
comment, not the quotes, not the line endings.
"""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from dataclasses import dataclass
from typing import Any

Value = bool | int | float | str

_CODE = re.compile(
    r"awk|[ch]|cc|cl|[ch]pp|cs|cuh?|cxx|glsl|go|hh|java|jl|m?js|kt|lua|mm?|php|pl|rb|rs|scala|sh|swift|ts|zig"
)
_DEEPEST = 8  # signs and operators around a number
_DIALECTS = {"py": "python", "yml": "yaml", "yaml": "yaml", "json": "json", "toml": "toml"}
_PLAIN_YAML = re.compile(r"[A-Za-z_][\w./-]*")
_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


@dataclass(frozen=True, slots=True)
class Site:
    """One literal of one file.

    Attributes:
        name: its place in the file: `LR`, `ADAM_BETAS[0]`, `Config.DEPTH`, `model.depth`, `step#3`.
        start: index of its first character in the text.
        end: index after its last character.
        value: what it is worth.
        named: it has a name that says "set me": an ALL_CAPS constant, a leaf of a data file.
        comment: what follows `knob:` in the comment behind it, or "".
        line: line number, from 1.
        power: a number written as a power of two (`2**19`).
        dull: an unnamed 0, 1 or -1: an index, a first step, a neutral element; not worth turning unasked.
    """

    name: str
    start: int
    end: int
    value: Value
    named: bool = True
    comment: str = ""
    line: int = 1
    power: bool = False
    dull: bool = False


def dialect(path: str) -> str:
    """How a file is read and written: `python`, `yaml`, `json`, `toml`, `code` (of another language) or `text`."""
    suffix = path.rpartition(".")[2].lower()
    return _DIALECTS.get(suffix) or ("code" if _CODE.fullmatch(suffix) else "text")


def parse_python(text: str) -> ast.Module | None:
    """The tree of a Python text, or None if it is not one."""
    try:
        return _parsed(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def unparsed(path: str, text: str) -> str:
    """Why a file that is called Python is none, as `line 3: invalid syntax`; empty for all others."""
    try:
        if dialect(path) == "python":
            _parsed(text)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error) or type(error).__name__
    return ""


def _parsed(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape in a candidate is the candidate's business
        return ast.parse(text.removeprefix("\ufeff"))  # as Python reads a file


def is_literal(node: ast.expr) -> bool:
    """Whether it is written as one literal: a constant, or a product, quotient or power of signed numbers.

    Says nothing about its value, so that the answer does not change with it.
    """
    if isinstance(node, ast.Constant):
        return isinstance(node.value, bool | int | float | str)
    return _is_number(node, _DEEPEST)


def literal(node: ast.expr) -> Value | None:
    """What a literal is worth; None for what is no literal or has no finite value."""
    if not is_literal(node):
        return None
    try:
        value = _worth(node)
        return value if isinstance(value, bool | str) or math.isfinite(value) else None
    except (ArithmeticError, ValueError, TypeError):  # TypeError: (-8) ** 0.5 is complex
        return None


def _is_number(node: ast.expr, depth: int) -> bool:
    if isinstance(node, ast.Constant):
        return type(node.value) in (int, float)
    if isinstance(node, ast.UnaryOp):
        return depth > 0 and isinstance(node.op, ast.USub) and _is_number(node.operand, depth - 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div | ast.Pow):
        return depth > 0 and _is_number(node.left, depth - 1) and _is_number(node.right, depth - 1)
    return False


def _worth(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp):
        return -_worth(node.operand)
    assert isinstance(node, ast.BinOp)
    left, right = _worth(node.left), _worth(node.right)
    if isinstance(node.op, ast.Mult):
        return left * right
    if isinstance(node.op, ast.Div):
        return left / right
    return left**right if abs(left) <= 1e6 and abs(right) <= 64 else math.inf


def is_power(node: ast.expr) -> bool:
    """Whether a number is written as `2**k` with a whole k."""
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Pow)
        and isinstance(node.left, ast.Constant)
        and node.left.value == 2
        and isinstance(node.right, ast.Constant)
        and type(node.right.value) is int
    )


def read_number(text: str) -> tuple[int | float, bool] | None:
    """A number as a person writes it (`0.1`, `1e-4`, `2**19`, `-3`), and whether it is written as a power of two."""
    tree = parse_python(f"({text.strip()})")
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return None
    value = literal(tree.body[0].value)
    return None if value is None or isinstance(value, bool | str) else (value, is_power(tree.body[0].value))


def write(value: Value, language: str, like: str, power: bool = False) -> str:
    """The text of a value in a file of that dialect.

    Args:
        value: the value to write.
        language: see `dialect`.
        like: the text that stood there before; its quotes are kept.
        power: write a power of two as `2**k`, where the language can.
    """
    if language == "text":
        return str(value)
    if isinstance(value, bool):
        return str(value) if language == "python" else str(value).lower()
    if isinstance(value, int):
        if power and language == "python" and value > 0 and value & (value - 1) == 0:
            return f"2**{value.bit_length() - 1}"
        return str(value)
    if isinstance(value, float):
        text = repr(value)
        if language == "yaml" and "e" in text and "." not in text:
            return text.replace("e", ".0e")  # YAML 1.1 reads 1e-05 as a string
        return text
    if language == "python":
        text = repr(value)
        return f'"{text[1:-1]}"' if like.startswith('"') and text[0] == "'" and '"' not in value else text
    if (
        language == "yaml"
        and like[:1] not in "\"'"
        and _PLAIN_YAML.fullmatch(value)
        and value.lower() not in _YAML_WORDS
    ):
        return value
    return json.dumps(value, ensure_ascii=False)
