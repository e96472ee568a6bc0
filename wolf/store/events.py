"""Events: everything that happens in a run, one line of JSON each.

The ledger stores them, the state of a run is a fold over them, and display, report and trackers observe them. An
observer cannot change the search: it gets frozen values and its return value is ignored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        seq: position in the ledger, from 1; 0 for an event that is shown but not stored.
        time: Unix seconds.
        kind: `run`, `variant`, `asked`, `told`, `crowned`, `noise`, `expedition`, `resumed`, `stopped`, `finished`
            (see docs/events.md for the fields of each).
        body: plain JSON data.
    """

    seq: int
    time: float
    kind: str
    body: Mapping[str, Any]

    def json(self) -> str:
        """One line: `{"event": kind, "seq": ..., "time": ..., **body}`."""
        return json.dumps({"event": self.kind, "seq": self.seq, "time": self.time, **self.body}, ensure_ascii=False)


Observer = Callable[[Event], None]
