"""Events: everything that happens in a run, one line of JSON each.

The ledger stores them, the state of a run is a fold over them, and display, report and trackers observe them. An
observer cannot change the search: it gets frozen values and its return value is ignored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import DecodeError, Struct
from msgspec.json import Decoder


class Named(Struct):
    """Of the body of a `variant` event, whose it is."""

    id: str


class Event(Struct, frozen=True):
    """One thing that happened.

    Attributes:
        seq: position in the ledger, from 1; 0 for an event that is shown but not stored.
        time: Unix seconds.
        kind: what happened: `asked`, `told`, `crowned`, ...; docs/events.md has them all, and the fields of each.
        body: plain JSON data.
    """

    seq: int
    time: float
    kind: str
    body: Mapping[str, Any]


_decode = Decoder().decode
_decode_name = Decoder(Named).decode


def parsed(body: str) -> Any:
    """What an event's body says, in a third of the time that `json` takes, to the last digit of any number."""
    try:
        return _decode(body)
    except DecodeError:  # half of a surrogate pair, which a candidate may print, is no JSON to everybody
        return json.loads(body)


def named(body: str) -> str:
    """The id in the body of a `variant` event."""
    try:
        return _decode_name(body).id
    except DecodeError:
        return str(parsed(body)["id"])


Observer = Callable[[Event], None]


def judged_by_models(events: Iterable[Event]) -> bool:
    """Whether language models were asked for what the run's scores are made of."""
    return any(event.kind == "call" and str(event.body.get("purpose", "")).startswith("judge:") for event in events)
