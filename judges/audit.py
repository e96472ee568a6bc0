"""The suffix-scramble audit: does what a model says about a token depend on the past alone?

A second replica, which shares nothing with the first but the sealed artefact, is asked about rows whose tokens after a
cut were replaced by other real text, in another order. Up to the cut its answers must be the first replica's. What
looks ahead, remembers the questions, learns from them or reads its neighbours answers differently, and what it gained
by the token after the cut, the leak, is measured and charged.

A few rows are repeated unchanged: they say how far two replicas differ by arithmetic alone (bf16, other kernels). That
noise sets the tolerance, up to a cap, so that nobody buys tolerance with noise. All quantities are in bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NAT = 1 / math.log(2)
CAP, FLOOR = 0.05 * NAT, 1e-3 * NAT  # of the tolerance
LEAK = 1e-3  # mean bits per audited token that are overlooked
REPEATED = 8  # one row in so many is repeated unchanged


@dataclass(frozen=True, slots=True)
class Plan:
    """What the second replica is asked.

    Attributes:
        inputs: rows of tokens [rows, length].
        source: the row of the reading that each was made of.
        cuts: the last place whose token is as it was; the last place of all for a repeated row.
    """

    inputs: NDArray[np.int32]
    source: NDArray[np.int64]
    cuts: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        leak: mean bits that the token after the cut was worth to the first replica.
        charge: upper 95 % bound of that mean; at least 0.
        worst: largest difference up to a cut.
        why: what is wrong, as a sentence; empty if nothing is.
    """

    leak: float = 0.0
    charge: float = 0.0
    worst: float = 0.0
    why: str = ""


def plan(rows: NDArray[np.int32], bits: NDArray[np.float64], count: int, seed: int) -> Plan:
    """Choose rows and cuts: half of them anywhere, half where the first replica knew a rare token suspiciously well.

    Args:
        rows: tokens [rows, length + 1], of which the first replica was asked all but the last column.
        bits: what it paid [rows, length].
        count: how many rows to cut; no more than there are.
        seed: of the choice.
    """
    rng = np.random.default_rng(seed)
    inputs, targets = rows[:, :-1].copy(), rows[:, 1:]
    total, length = inputs.shape
    order = rng.permutation(total)
    repeated = min(max(1, total // REPEATED), 64) if total > 1 else 0
    chosen, same = order[repeated : repeated + count], order[:repeated]
    surprise = -np.log2(np.bincount(targets.ravel(), minlength=int(rows.max()) + 1) / targets.size)[targets] - bits
    cuts = np.full(total, length - 1)
    for i, row in enumerate(chosen):
        weights = np.exp2(np.clip(surprise[row, :-1], -20, 20) / 2) if i % 2 else np.ones(length - 1)
        cut = int(rng.choice(length - 1, p=weights / weights.sum()))
        inputs[row, cut + 1 :] = _other_text(rows, row, cut + 1, rng)
        cuts[row] = cut
    asked = rng.permutation(np.concatenate([chosen, same]))
    return Plan(inputs[asked], asked, cuts[asked])


def compare(plan: Plan, first: NDArray[np.float64], second: NDArray[np.float64]) -> Outcome:
    """The verdict.

    Args:
        plan: what the second replica was asked.
        first: what the first replica paid for every row of the reading.
        second: what the second paid for the same, original targets, given the planned inputs.
    """
    first = first[plan.source]
    difference = second - first
    length = first.shape[1]
    upto = np.arange(length) <= plan.cuts[:, None]
    worst = np.where(upto, np.abs(difference), 0.0).max(1)
    repeated = plan.cuts == length - 1
    noise = float(worst[repeated].max(initial=0.0))
    if noise > CAP:
        return Outcome(worst=noise, why=f"asked the same twice, its answers differ by {noise / NAT:.3g} nats")
    leaks = difference[np.arange(len(first)), plan.cuts][~repeated]
    leak, error = float(leaks.mean()), float(leaks.std(ddof=1) / math.sqrt(len(leaks))) if len(leaks) > 1 else 0.0
    charge = max(0.0, leak + 1.645 * error)
    broken = worst[~repeated] > max(FLOOR, min(CAP, 3 * noise))
    top = float(worst.max())
    if broken.any():
        told = f"in {broken.sum()} of {len(broken)} rows, by up to {top / NAT:.3g} nats"
        return Outcome(leak, charge, top, f"its answers depend on what comes later or on other rows ({told})")
    if leak > max(LEAK, 3 * error):
        return Outcome(leak, charge, top, f"it knows {leak:.3g} bits of the next token before it is shown")
    return Outcome(leak, charge, top)


def _other_text(rows: NDArray[np.int32], row: int, start: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Real text to put in from `start` on, whose first token is another one."""
    for _ in range(20):
        donor = rows[rng.integers(len(rows)), start:-1]
        if donor[0] != rows[row, start]:
            return donor.copy()
    text = rows[row, start:-1].copy()
    text[0] = next(token for token in rows.ravel() if token != text[0]) if (rows != text[0]).any() else text[0] ^ 1
    return text
