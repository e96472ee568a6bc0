"""What a person's own tests teach a reader: accuracy on unseen stories after 25 to 800 of them.

python benchmarks/reader_curve.py [FOLDER]

Needs the data folder that the project's people share (see `train_readers.py`). From nothing, and on top of a reader
that was trained on other stories, as `wolf train-reader` does it; means of three draws. About four minutes on one core.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from train_readers import headlines

from judges.fitting import Held, Recipe, fit
from wolf.commands.train_reader import RIDGE

SIZES, DRAWS, TESTED = (25, 100, 400, 800), 3, 500
SHOWN = ("all pairs", "p < .05", "p < .001")


def main(folder: Path) -> None:
    """Print a table, a line per number of stories."""
    table, slices, _ = headlines(folder)
    recipe = Recipe("own", "headline", ("style", "char"), RIDGE)
    print(f"| stories | from nothing: {', '.join(SHOWN)} | on top of a reader of other stories |\n|---|---|---|")
    for size in SIZES:
        found = []
        for draw in range(DRAWS):
            place = np.random.default_rng(draw).permutation(len(table.groups))[table.group]
            own, test, others = place < size, (place >= size) & (place < size + TESTED), place >= size + TESTED
            row = []
            for start in (None, fit(table, recipe, others)):
                utilities = fit(table, recipe, own, start)
                held = Held(table, np.zeros(0), np.zeros(0)).of(utilities)
                row += [held.accuracy(test & slices[name])[0] for name in SHOWN]
            found.append(row)
        means = [f"{value:.3f}" for value in np.mean(found, axis=0)]
        print(f"| {size} | {' '.join(means[:3])} | {' '.join(means[3:])} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data"))
