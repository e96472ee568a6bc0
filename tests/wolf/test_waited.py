"""How much of a search was spent waiting for models while nothing was evaluated."""

from __future__ import annotations

from typing import Any

import pytest

from wolf.reading.proposals import waited
from wolf.store.events import Event

ASKED, TOLD = ("asked", {"purpose": "hunt"}), ("told", {})
SENT, BACK = ("call", {"state": "reserved"}), ("call", {"state": "answered"})


def events(*timed: tuple[float, tuple[str, dict[str, Any]]]) -> list[Event]:
    return [Event(n, at, kind, body) for n, (at, (kind, body)) in enumerate(timed, 1)]


@pytest.mark.parametrize(
    ("timed", "share"),
    [
        ([], 0.0),
        ([(0, ("run", {}))], 0.0),
        ([(0, ("run", {})), (0, SENT), (5, BACK), (5, ASKED), (10, TOLD)], 0.5),  # first asked, then evaluated
        ([(0, ("run", {})), (0, ASKED), (0, SENT), (5, BACK), (10, TOLD)], 0.0),  # beside one another
        ([(0, ("run", {})), (0, SENT), (0, SENT), (5, BACK), (10, BACK), (20, ("ended", {}))], 0.5),
        ([(0, ("run", {})), (5, TOLD), (5, SENT), (10, ("call", {"state": "failed"}))], 0.5),
        ([(0, ("run", {})), (10, ASKED), (10, SENT), (500, ("resumed", {})), (500, SENT), (510, BACK)], 10 / 20),
        ([(0, ("run", {})), (5, SENT), (10, ("asked", {"purpose": "confirm"})), (99, BACK)], 0.0),
    ],
)
def test_only_time_in_which_nothing_else_went_on_counts(timed: list[Any], share: float) -> None:
    assert waited(events(*timed)) == pytest.approx(share)
