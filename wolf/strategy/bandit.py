"""A discounted bandit: shares of a limited good go to the arms that have paid lately."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

DISCOUNT = 0.97  # an outcome counts half after about 23 more
PRIOR_PULLS = 4.0  # every arm starts as if it had been pulled this often with its prior rate of pay
FLOOR = 0.04  # no arm is ever given up: what does not pay in one basin may pay in the next


class Bandit:
    """Arms with a running mean of pay per pull, both discounted (Kocsis & Szepesvari 2006)."""

    def __init__(self, prior: Mapping[str, float]) -> None:
        """`prior`: arm -> pay per pull expected before anything is known, > 0. Order breaks ties."""
        self._prior = dict(prior)
        self._tallies = {arm: [0.0, 0.0] for arm in prior}  # pulls and pay

    def told(self, arm: str, pay: float) -> None:
        """One pull of `arm` paid `pay`, in [0, 1]. Unknown arms are ignored."""
        if arm not in self._prior:
            return
        for tally in self._tallies.values():
            tally[0] *= DISCOUNT
            tally[1] *= DISCOUNT
        self._tallies[arm][0] += 1.0
        self._tallies[arm][1] += pay

    def rate(self, arm: str) -> float:
        """Expected pay per pull."""
        pulls, pay = self._tallies[arm]
        return (pay + PRIOR_PULLS * self._prior[arm]) / (pulls + PRIOR_PULLS)

    def shares(self, arms: Iterable[str] | None = None) -> dict[str, float]:
        """Shares of the arms (all, or those given): proportional to their rates, at least FLOOR each, summing to 1."""
        rates = {arm: self.rate(arm) for arm in (arms or self._prior)}
        total = sum(rates.values())
        raised = {arm: max(rate / total, FLOOR) for arm, rate in rates.items()}
        total = sum(raised.values())
        return {arm: share / total for arm, share in raised.items()}
