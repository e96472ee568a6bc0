"""What values a knob may take: as a person says it, or else as its present value suggests.

A person says it in a comment behind the literal or in the YAML, in the same words:

    LR = 0.02        # knob: 1e-4 .. 1 log
    DEPTH = 8        # knob: 2 .. 16
    BATCH = 2**15    # knob: 2**12 .. 2**17
    ACT = "relu2"    # knob: relu2 | gelu | swiglu
    VOCAB = 8192     # knob: fixed
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from population.literals import Value, read_number

_HOW = "say `low .. high`, `low .. high log`, `one | two | three` or `fixed`"
_HUGE = 1e15


class KnobError(ValueError):
    """A knob is described wrongly. The message is one sentence that says where and what to do."""


@dataclass(frozen=True, slots=True)
class Range:
    """What is said about a knob; None where nothing is.

    Attributes:
        low: least value.
        high: greatest value.
        log: whether steps are ratios rather than differences.
        choices: the values it may take, instead of a range.
        fixed: it is not a knob at all.
        power: its values are powers of two.
        file: for a slot of a text: the file that holds one of `choices`; for templates: the file they are for.
        templates: no knob, but other ways to put the slots of `file` together.
    """

    low: float | None = None
    high: float | None = None
    log: bool | None = None
    choices: tuple[Value, ...] | None = None
    fixed: bool | None = None
    power: bool | None = None
    file: str | None = None
    templates: tuple[str, ...] | None = None

    @staticmethod
    def parse(text: str, where: str) -> Range:
        """What a comment says after `knob:`.

        Raises:
            KnobError: if it is none of the forms in the module's docstring.
        """
        words = text.split()
        if words == ["fixed"]:
            return Range(fixed=True)
        if "|" in text:
            return Range(choices=tuple(choice.strip().strip("\"'") for choice in text.split("|")), fixed=False)
        log = words[-1:] == ["log"]
        low, dots, high = text.strip().removesuffix("log").partition("..")
        ends = (read_number(low), read_number(high)) if dots else (None, None)
        if ends[0] is None or ends[1] is None:
            raise KnobError(f"{where}: cannot read the knob range {text!r}; {_HOW}")
        return Range(ends[0][0], ends[1][0], log, fixed=False, power=(ends[0][1] and ends[1][1]) or None)

    @staticmethod
    def of(said: object, where: str) -> Range:
        """What the YAML says: the words of a comment, or a mapping of the attributes above except `power`.

        Raises:
            KnobError: for an unknown key or a value of the wrong type.
        """
        if isinstance(said, str):
            return Range.parse(said, where)
        if not isinstance(said, Mapping):
            raise KnobError(f"{where}: expected a range, not {said!r}; {_HOW}")
        result: dict[str, Any] = {}
        for key, value in said.items():
            if value is None:
                continue
            if key in ("low", "high"):
                number = read_number(str(value))
                if number is None:
                    raise KnobError(f"{where}: `{key}` must be a number, not {value!r}")
                result[key] = number[0]
                if number[1] and isinstance(value, str):
                    result["power"] = True
            elif (key in ("log", "fixed") and isinstance(value, bool)) or (key == "file" and isinstance(value, str)):
                result[key] = value
            elif isinstance(value, list | tuple) and (
                (key == "choices" and _scalars(value))
                or (key == "templates" and all(isinstance(one, str) for one in value))
            ):
                result[key] = tuple(value)
            else:
                known = ", ".join(field.name for field in fields(Range) if field.name != "power")
                raise KnobError(f"{where}: cannot use `{key}: {value!r}`; the keys are {known}")
        if "templates" in result and result.keys() != {"templates", "file"}:
            raise KnobError(f"{where}: `templates` stands with `file`, and with nothing else")
        return Range(**result)

    @staticmethod
    def guess(value: Value, power: bool = False) -> Range:
        """The range that a value suggests; fixed if it suggests none.

        - a positive number v: v/8 to 8v by ratio; a fraction at most 1;
        - a fraction from 3/4 on, such as a decay of 0.95: 1-8(1-v), at least 0, to 1-(1-v)/8, evenly;
        - 0.0: 0 to 1 evenly; the integer 0: 0 to 8 evenly;
        - a negative number v: 2v to 0 evenly; -1 is a flag, and fixed;
        - a power of two: three powers either way;
        - a boolean: both; a string: fixed.
        """
        if isinstance(value, bool):
            return Range(choices=(False, True))
        if isinstance(value, str) or value == -1 or abs(value) > _HUGE or 0 < abs(value) < 1 / _HUGE:
            return Range(fixed=True)
        whole = isinstance(value, int)
        if power:
            return Range(max(1, int(value) // 8), int(value) * 8, True, power=True)
        if value == 0:
            return Range(0, 8 if whole else 1, False)
        if value < 0:
            return Range(2 * value, 0, False)
        if whole:
            return Range(max(1, int(value) // 8), int(value) * 8, True)
        if 0.75 <= value < 1:
            rest = 1 - value
            return Range(max(0.0, 1 - _short(8 * rest)), 1 - _short(rest / 8), False, fixed=rest < 1e-9 or None)
        return Range(_short(value / 8), min(1.0, _short(value * 8)) if value < 1 else _short(value * 8), True)

    def over(self, other: Range) -> Range:
        """These words where something is said, `other` elsewhere. A range replaces choices and the other way round."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        said = {name: value for name, value in said.items() if value is not None}
        if "choices" in said:
            other = replace(other, low=None, high=None, log=None, power=None, fixed=None)
        elif "low" in said or "high" in said:
            other = replace(other, choices=None, fixed=None)
        if "low" in said and "high" in said:
            other = replace(other, log=None)
        return replace(other, **said)


def _scalars(values: list[Any] | tuple[Any, ...]) -> bool:
    return all(isinstance(value, bool | int | float | str) for value in values)


def _short(value: float) -> float:
    """Six significant digits: bounds are read by people."""
    return float(f"{value:.6g}") if math.isfinite(value) else value
