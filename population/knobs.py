"""Knobs: the literals of a target that a search may turn, and the space that they span."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from population import frames
from population.literals import Site, Value, read_number
from population.python_source import is_seed
from population.ranges import KnobError, Range
from population.readers import read, slot

Kind = Literal["float", "int", "switch", "choice"]


@dataclass(frozen=True, slots=True)
class Knob:
    """What values one literal may take.

    Attributes:
        name: its place: `LR`, `ADAM_BETAS[0]`, `model.depth`; with the file in front if two files have that place.
        kind: `float`, `int`, `switch` (a boolean) or `choice`.
        low: least value of a number.
        high: greatest value of a number.
        log: whether the unit scale is logarithmic; `low` is then above 0.
        choices: the values of a choice, or (False, True).
        power: an int whose values are powers of two.
    """

    name: str
    kind: Kind
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    choices: tuple[Value, ...] = ()
    power: bool = False
    _start: float = field(init=False, repr=False, compare=False, default=0.0)  # where the scale begins
    _length: float = field(init=False, repr=False, compare=False, default=1.0)

    def __post_init__(self) -> None:
        start = self._scale(self.low)
        object.__setattr__(self, "_start", start)
        object.__setattr__(self, "_length", self._scale(self.high) - start)

    @property
    def categorical(self) -> bool:
        """Whether its values have no order."""
        return self.kind in ("switch", "choice")

    def accept(self, value: Value) -> Value | None:
        """The value as this knob holds it, or None if it is none of this knob's (a string for a number, a new choice).

        A number outside [low, high] is accepted: a person or a model may leave the range, the search does not.
        """
        if self.categorical:
            return next((choice for choice in self.choices if choice == value and _alike(choice, value)), None)
        if isinstance(value, bool | str) or not abs(value) < 1e300:
            return None
        if self.kind == "int":
            return value if isinstance(value, int) else None
        return float(value)

    def unit(self, value: Value) -> float:
        """Where a value lies between `low` (0) and `high` (1), clipped; for a choice its index, only to store it."""
        if self.choices:
            return self.choices.index(value) / (len(self.choices) - 1)
        place = (self._scale(float(value)) - self._start) / self._length
        return 1.0 if place > 1.0 else place if place > 0.0 else 0.0

    def at(self, unit: float) -> Value:
        """The value there; the inverse of `unit` up to rounding. Floats get about four significant digits."""
        unit = min(1.0, max(0.0, unit))
        if self.categorical:
            return self.choices[round(unit * (len(self.choices) - 1))]
        scaled = self._start + unit * self._length
        if self.power:
            return int(2 ** round(scaled))
        value = math.pow(2.0, scaled) if self.log else scaled
        if self.kind == "int":
            return int(min(self.high, max(self.low, round(value))))
        width = abs(value) * self._length if self.log else self._length
        value = round(value, 3 - math.floor(math.log10(width))) if width > 0 else value
        return float(min(self.high, max(self.low, value)))

    def moved(self, value: Value, step: float) -> Value:
        """Another value, `step` away on the unit scale, reflected at the ends. Never the same; not for a choice.

        Whole numbers move by at least 1, powers of two by at least a factor of 2.
        """
        unit = self.unit(value)
        target = abs(unit + step) % 2.0
        new = self.at(target if target <= 1.0 else 2.0 - target)
        if new != value:
            return new
        least = 0.002
        while new == value:  # both directions, ever further: one of them leads somewhere
            new = self.at(unit + math.copysign(least, step))
            if new == value:
                new = self.at(unit - math.copysign(least, step))
            least *= 1.5
        return new

    def others(self, value: Value) -> list[Value]:
        """The other choices."""
        return [choice for choice in self.choices if choice != value]

    def _scale(self, value: float) -> float:
        if not self.log:
            return value
        return math.log2(value) if value > 0 else -math.inf


class Space:
    """The knobs of a run, fixed by the seed variant and what the YAML says about them.

    Attributes:
        names: the knobs' names: slots first, then in the order of files and lines.
        categorical: for each name, whether its knob's values have no order.
        slots: name -> file, for slots of texts.
        frames: file -> templates that put its slots together.
        inside: whether some knobs are numbers inside functions.
    """

    __slots__ = ("_knobs", "_places", "categorical", "frames", "inside", "names", "slots")

    def __init__(
        self,
        places: Mapping[tuple[str, str], Knob],
        slots: Mapping[str, str],
        frames: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._places = dict(places)
        self._knobs = {knob.name: knob for knob in places.values()}
        self.names = tuple(self._knobs)
        self.categorical = tuple(knob.categorical for knob in self._knobs.values())
        self.slots = dict(slots)
        self.frames = dict(frames or {})
        self.inside = any("#" in place for _, place in places)

    @staticmethod
    def of(files: Mapping[str, str], overrides: Mapping[str, object] | None = None) -> Space:
        """The space of a seed variant.

        Knobs are the constants with ALL_CAPS names, the leaves of data files, what has a `# knob:` comment, and what
        `overrides` names; if there is none of these, the numbers and booleans inside functions. Random seeds never
        are: a better seed is luck, not progress.

        Args:
            files: path -> text.
            overrides: knob name -> what `Range.of` reads; with a `file` and `choices` it is a slot of that text, with
                `templates` ways to put such slots together. The name of a tuple stands for all its elements.

        Raises:
            KnobError: if a comment or an override is wrong, or names no literal.
        """
        said = {name: Range.of(words, f"knob {name}") for name, words in (overrides or {}).items()}
        templates = {name: words for name, words in said.items() if words.templates is not None}
        said = {name: words for name, words in said.items() if name not in templates}
        for where, words in templates.items():
            own = [name for name, other in said.items() if other.file == words.file and not other.fixed]
            for template in words.templates or ():
                frames.check_names(where, str(words.file), template, own)
        places: dict[tuple[str, str], Knob] = {}
        slots: dict[str, str] = {}
        for name, words in said.items():
            if words.file is not None and not words.fixed:
                places[words.file, name] = _slot(files, name, words, templates.values())
                slots[name] = words.file
        sites = [(path, site) for path in sorted(files) for site in read(path, files[path])]
        sites.sort(key=lambda pair: (pair[0], pair[1].start))
        known: dict[str, int] = {}
        for _, site in sites:
            known[site.name] = known.get(site.name, 0) + 1
        for wanted in (True, False):
            for path, site in sites:
                name = site.name if known[site.name] == 1 else f"{path}:{site.name}"
                words_for = said.get(name) or said.get(name.split("[")[0])
                unasked = not site.comment and words_for is None
                if (unasked and (site.dull or site.named is not wanted)) or (path, site.name) in places:
                    continue
                knob = _knob(name, site, words_for, path)
                if knob is not None:
                    places[path, site.name] = knob
            if places:
                break
        _check_names(said, sites, known, slots)
        return Space(places, slots, _frames(templates, {name: places[slots[name], name] for name in slots}, slots))

    def at(self, path: str, place: str) -> Knob | None:
        """The knob of a place in a file, if it is one."""
        return self._places.get((path, place))

    def unit(self, values: Mapping[str, Value]) -> list[float]:
        """For each name its value on the unit scale, NaN where it is absent."""
        knobs = self._knobs
        return [knobs[name].unit(values[name]) if name in values else math.nan for name in self.names]

    def __getitem__(self, name: str) -> Knob:
        return self._knobs[name]

    def __contains__(self, name: object) -> bool:
        return name in self._knobs

    def __len__(self) -> int:
        return len(self.names)


def _alike(one: Value, other: Value) -> bool:
    return isinstance(one, bool) == isinstance(other, bool)


def _knob(name: str, site: Site, said: Range | None, path: str) -> Knob | None:
    where = f"{path}:{site.line}: {name}"
    range_ = Range.guess(site.value, site.power)
    if is_seed(site.name):
        if said is not None and not said.fixed:
            raise KnobError(f"{where} is a random seed and cannot be a knob: a better seed is luck, not progress")
        return None
    if site.comment:
        range_ = Range.parse(site.comment, where).over(range_)
    if said is not None:
        range_ = said.over(range_)
    return None if range_.fixed else define(name, site.value, range_, where)


def define(name: str, value: Value, said: Range, where: str) -> Knob:
    """The knob of a literal of this value.

    Raises:
        KnobError: if what is said contradicts itself or the value.
    """
    if said.choices is not None:
        choices = tuple(dict.fromkeys(_like(value, choice) for choice in said.choices))
        if len(choices) < 2 or value not in choices:
            raise KnobError(f"{where}: its value {value!r} must be one of at least two choices, not of {choices}")
        return Knob(name, "switch" if isinstance(value, bool) else "choice", choices=choices)
    if isinstance(value, bool | str) or said.low is None or said.high is None:
        raise KnobError(f"{where}: {value!r} is no number; list its choices (`one | two`)")
    low, high = said.low, said.high
    whole = isinstance(value, int) and low == int(low) and high == int(high)
    if said.power and whole and low > 0 < high:
        low, high = 2 ** math.ceil(math.log2(low)), 2 ** math.floor(math.log2(high))
    if low >= high:
        raise KnobError(f"{where}: the range {said.low:g} .. {said.high:g} must go from low to high")
    if not low <= value <= high:
        raise KnobError(f"{where}: its value {value!r} must lie in {said.low:g} .. {said.high:g}; widen the range")
    log = bool(said.log or said.power)
    if log and low <= 0:
        raise KnobError(f"{where}: a log range must begin above 0, not at {said.low:g}")
    return Knob(name, "int" if whole else "float", low, high, log, power=bool(said.power and whole))


def _like(value: Value, choice: Value) -> Value:
    """A choice from a comment (a string) as the type of the literal's value."""
    if isinstance(choice, str) and not isinstance(value, str):
        if choice in ("True", "False", "true", "false"):
            return choice.lower() == "true"
        number = read_number(choice)
        return choice if number is None else number[0]
    return choice


def _slot(files: Mapping[str, str], name: str, said: Range, templates: Iterable[Range]) -> Knob:
    path, choices = str(said.file), said.choices or ()
    if path not in files:
        raise KnobError(f"knob {name}: there is no editable file {path!r}; the files are {', '.join(sorted(files))}")
    if len(set(map(str, choices))) < 2:
        raise KnobError(f"knob {name}: a slot of {path} needs at least two different `choices`")
    found = slot(files[path], choices)
    if found is None and any(name in frames.slots(text) for words in templates for text in words.templates or ()):
        return Knob(name, "choice", choices=tuple(map(str, choices)))
    if found is None:
        raise KnobError(f"knob {name}: exactly one of its choices must stand in {path}, exactly once")
    start, end, _ = found
    for choice in choices:
        text = files[path][:start] + str(choice) + files[path][end:]
        again = slot(text, choices)
        if again is None or str(again[2]) != str(choice):
            raise KnobError(f"knob {name}: the choice {choice!r} could not be told from the text around it in {path}")
    return Knob(name, "choice", choices=tuple(str(choice) for choice in choices))


def _frames(
    said: Mapping[str, Range], knobs: Mapping[str, Knob], slots: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for where, words in said.items():
        path = str(words.file)
        own = {name: tuple(map(str, knob.choices)) for name, knob in knobs.items() if slots[name] == path}
        for template in words.templates or ():
            frames.check(where, template, own)
        found[path] = found.get(path, ()) + (words.templates or ())
    return found


FOUND = (
    "; ALL_CAPS constants of code and leaves of data files are found, in other files list what may stand in a place: "
    "{file: NAME, choices: [now, another]}"
)


def _check_names(
    said: Mapping[str, Range], sites: list[tuple[str, Site]], known: Mapping[str, int], slots: Mapping[str, str]
) -> None:
    names = {site.name if known[site.name] == 1 else f"{path}:{site.name}" for path, site in sites}
    names |= {name.split("[")[0] for name in names}
    for name in said:
        if name not in names and name not in slots:
            near = sorted(known for known in names if known.endswith(f":{name}"))  # the same name in several files
            near = near or difflib.get_close_matches(name, sorted(names), 1, 0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            hint = hint if names else FOUND
            raise KnobError(f"knob {name}: no file has such a literal{hint}")
