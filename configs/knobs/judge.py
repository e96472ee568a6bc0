"""The loss of the imaginary training run: a formula with two valleys.

The old recipe (sgd, constant, no norm) is a wide valley whose floor is 1.55, at about LEARNING_RATE 0.1, DEPTH 4. The
new recipe (adam, cosine, norm) is a valley whose floor is 1.0, but at LEARNING_RATE 0.002, DEPTH 12. Half of a recipe
is worse than none of it, and the whole new recipe at the learning rate and depth of the old one is worse as well: no
change of one or two knobs leads from one floor to the other. The best there is, loss 1.0 exactly:

    LEARNING_RATE 0.002  MOMENTUM 0.9  WEIGHT_DECAY 0.01  DROPOUT 0.1  BATCH 128  DEPTH 12  WIDTH 256
    WARMUP 20  CLIP 1.0  NORM True  OPTIMIZER "adam"  SCHEDULE "cosine"

Knobs interact as real ones do: the best learning rate grows with the square root of the batch, depth trades against
width, warm-up matters the more the higher the learning rate, and clipping the higher the momentum.
"""

from math import log2, log10

TRAP = (0.55, 0.75, 0.9, 0.0)  # what having 0, 1, 2 or 3 parts of the new recipe costs


def score(folder, seed):
    """The loss of the knobs in `params.py`. Lower is better; the seed changes nothing."""
    knobs = {}
    exec((folder / "params.py").read_text(), knobs)
    return loss(knobs)


def loss(knobs):
    """The formula."""
    parts = knobs["NORM"] is True, knobs["OPTIMIZER"] == "adam", knobs["SCHEDULE"] == "cosine"
    new = all(parts)
    batch = log2(knobs["BATCH"] / 128)
    rate = log10(knobs["LEARNING_RATE"] / (0.002 if new else 0.1)) - batch * log10(2) / 2
    depth = (knobs["DEPTH"] - (12 if new else 4)) / 8
    size = log2(knobs["WIDTH"] / 256) + depth  # deeper is as good as wider, up to a point
    warmup = (knobs["WARMUP"] - 20) / 50
    return (
        1.0
        + TRAP[sum(parts)]
        + 0.16 * rate**2
        + 0.25 * depth**2
        + 0.04 * size**2
        + 0.03 * batch**2
        + 0.30 * (knobs["MOMENTUM"] - 0.9) ** 2
        + 0.03 * log10(knobs["WEIGHT_DECAY"] / 0.01) ** 2
        + 0.40 * (knobs["DROPOUT"] - 0.1) ** 2
        + 0.10 * warmup**2 * (1 + max(0.0, rate))
        + 0.08 * log10(knobs["CLIP"]) ** 2 * knobs["MOMENTUM"]
        + 0.10 * (knobs["OPTIMIZER"] == "lion")
    )
