"""Texts that differ from each other: a person who is asked wants alternatives, not one text in three spellings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from judges import features

LIKE = 0.8  # of the way from the original: what is nearer to a better text is much like it
LOOKED_AT = 200  # texts, best first


def different(text: Callable[[str], str], ranked: Sequence[str], original: str, most: int) -> dict[str, int]:
    """The best texts that differ: id -> how many others, further down, are much like it (nearer than `LIKE`).

    Args:
        text: what an id stands for.
        ranked: ids, best first; `LOOKED_AT` of them are looked at.
        original: the id of the text that all started from.
        most: so many are wanted; there may be fewer.
    """
    start, chosen, alike = features.plain(text(original)), dict[str, str](), dict[str, int]()
    for id in ranked[:LOOKED_AT]:
        own = features.plain(text(id))
        like = next(
            (
                known
                for known, other in chosen.items()
                if features.distance(own, other) < LIKE * features.distance(other, start)
            ),
            None,
        )
        if like is not None:
            alike[like] += 1
        elif len(chosen) < most:
            chosen[id], alike[id] = own, 0
    return alike
