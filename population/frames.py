"""Templates of a text: a person's ways to put its slots together, `{who} {deed}, And {outcome}.` or another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from population.ranges import KnobError
from population.readers import slot

_SLOT = re.compile(r"\{([^{}]*)\}")


def slots(template: str) -> list[str]:
    """The names of the slots in a template, in order."""
    return _SLOT.findall(template)


def filled(template: str, texts: Mapping[str, str]) -> str:
    """The text that a template makes of its slots' texts."""
    return _SLOT.sub(lambda match: texts[match[1]], template.rstrip("\n")) + "\n"


def read(text: str, choices: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Which choice of each slot stands in a text; slots of which none or several stand there are left out."""
    found = {name: slot(text, tuple(some)) for name, some in choices.items()}
    return {name: str(match[2]) for name, match in found.items() if match is not None}


def check_names(where: str, path: str, template: str, known: Sequence[str]) -> None:
    """Whether a template names slots that are `known`, each once; `where` is its own name in the YAML.

    Raises:
        KnobError: if not.
    """
    names = slots(template)
    if unknown := [name for name in names if name not in known]:
        raise KnobError(
            f"knob {where}: the template {template!r} names {{{unknown[0]}}}, which is no slot of {path}; its slots "
            f"are {', '.join(known) or 'none: give some under target.knobs with `file` and `choices`'}"
        )
    if not names or len(set(names)) < len(names):
        raise KnobError(f"knob {where}: the template {template!r} must name slots in braces, each once")


def check(where: str, template: str, known: Mapping[str, Sequence[str]]) -> None:
    """Whether a template can be filled, and read again.

    Args:
        where: the name under which it stands in the YAML.
        template: the template; its names are known.
        known: the choices of the slots of that file.

    Raises:
        KnobError: if not.
    """
    choices = {name: known[name] for name in slots(template)}
    for turn in range(max(map(len, choices.values()))):
        texts = {name: some[turn % len(some)] for name, some in choices.items()}
        if (again := read(filled(template, texts), choices)) != texts:
            lost = next(name for name in texts if again.get(name) != texts[name])
            raise KnobError(
                f"knob {where}: in the template {template!r} the choice {texts[lost]!r} of {lost} could not be told "
                "from the text around it"
            )
