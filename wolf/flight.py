"""What is in flight: asked and not told, be it not begun, being judged, or back before its turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait

from msgspec.structs import replace

from population.evaluation import Evaluation
from wolf.strategy.asks import Ask

Submit = Callable[[Ask], "Future[Evaluation]"]


class Flight:
    """Asks by their ordinals, in the order of asking."""

    def __init__(self, submit: Submit, in_turn: bool) -> None:
        """Nothing yet; `submit` has an ask judged. With `in_turn` they are told in the order of asking."""
        self._submit = submit
        self._in_turn = in_turn
        self._asks: dict[int, Ask] = {}
        self._running: dict[Future[Evaluation], int] = {}
        self._early: dict[int, Evaluation] = {}  # those that are back before their turn

    def __len__(self) -> int:
        """How many were asked and not told."""
        return len(self._asks)

    def __getitem__(self, ordinal: int) -> Ask:
        return self._asks[ordinal]

    @property
    def running(self) -> bool:
        """Whether this session has any of them judged."""
        return bool(self._running)

    def asked(self, ask: Ask) -> None:
        """One more, which is not begun yet."""
        self._asks[ask.ordinal] = ask

    def start(self, ordinal: int) -> None:
        """Have it judged."""
        self._running[self._submit(self._asks[ordinal])] = ordinal

    def restart(self) -> None:
        """Have judged again what the session before had no answer to; a worker needs the files of a variant at hand."""
        self._asks = {
            ordinal: replace(ask, variant=ask.variant.whole(), genome=None) for ordinal, ask in self._asks.items()
        }
        for ordinal in self._asks:
            if ordinal not in self._early:
                self.start(ordinal)

    def cancel(self) -> None:
        """Give up on those that no worker has begun; they stay in flight, for a later session."""
        self._running = {future: ordinal for future, ordinal in self._running.items() if not future.cancel()}

    def landed(self, seconds: float) -> Iterator[tuple[int, Future[Evaluation]]]:
        """What is back, in the order of asking; waits so long for the first. It may be one that was cancelled."""
        done, _ = wait(self._running, timeout=seconds, return_when=FIRST_COMPLETED)
        for future in sorted(done, key=self._running.__getitem__):
            yield self._running.pop(future), future

    def turn(self, ordinal: int) -> bool:
        """Whether it may be told now."""
        return not self._in_turn or ordinal == min(self._asks)

    def early(self, ordinal: int, evaluation: Evaluation) -> None:
        """It is back, and waits for its turn."""
        self._early[ordinal] = evaluation

    def due(self) -> Iterator[tuple[int, Evaluation]]:
        """Those back early whose turn has come, each as soon as the one before is told."""
        while self._early and (first := min(self._asks)) in self._early:
            yield first, self._early.pop(first)

    def told(self, ordinal: int) -> Ask:
        """It is no longer in flight."""
        self._early.pop(ordinal, None)
        return self._asks.pop(ordinal)
