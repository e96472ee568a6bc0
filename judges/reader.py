"""Reader models: offline judges trained on what real readers chose, a dot product each.

A reader gives a text a rating in log odds (a text 1 above another wins 73 % of readers' choices), 0 for the median of
the real texts it was trained on. It gives no credit beyond the 97.5th percentile of them: there is nothing out there
that it knows. What each shipped reader was trained on, how good it is, and what it does not know: `readers/*.md`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from judges import features
from judges.base import JudgeError
from judges.embedding import DIGITS, EMBEDDING, Encoder
from judges.features import Floats, Grams

Task = Literal["headline", "argument"]
GRAMS: tuple[Grams, ...] = get_args(Grams)
SHIPPED = Path(__file__).with_name("readers")
CREDIT = 0.975  # quantile of real texts beyond which a rating does not rise
KNOWN_BITS = 18
LEAST_KNOWN = 0.25  # share of words that the reader has met; German and French have about 0.1, English news 0.4


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader says of a text.

    Attributes:
        rating: log odds against the median real text, not above that of the 97.5th percentile.
        raw: the same without that limit.
        percentile: of real texts that it beats, in [0, 100].
        known: share of its words that occur in the texts that the reader was trained on.
    """

    rating: float
    raw: float
    percentile: float
    known: float


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """A linear model of texts.

    Attributes:
        name: `headline`, `argument-words`; a person's own has its file's name.
        task: what it reads.
        weights: by kind of features: `style`, kinds of n-grams, `embedding`.
        length_price: utility taken off per log word.
        slope: log odds per utility.
        error: standard error of the difference between two texts, in log odds per `features.distance`; 0 if unknown.
        quantiles: utilities of real texts at evenly spaced quantiles, from 0 to 1.
        known: which hashed words occurred in training, as bits.
        encoder: what the weights of `embedding` were trained with, if there are any.
    """

    name: str
    task: Task
    weights: Mapping[str, Floats]
    length_price: float = 0.0
    slope: float = 1.0
    error: float = 0.0
    quantiles: Floats = field(default_factory=lambda: np.zeros(2))
    known: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    encoder: Encoder | None = None

    @staticmethod
    def names() -> list[str]:
        """Those of ours."""
        return sorted(path.stem for path in SHIPPED.glob("*.npz"))

    @staticmethod
    def shipped(name: str) -> Reader:
        """One of ours, by name."""
        return _load(SHIPPED / f"{name}.npz")

    @staticmethod
    def load(path: Path, embeddings: Path | None = None) -> Reader:
        """A reader from a file that `save` wrote, with the folder of its sentence-embedding model if it has one.

        Raises:
            JudgeError: if there is none, it is of another version, or that is not the model it was trained with.
        """
        return _load(path, embeddings)

    def save(self, path: Path) -> None:
        """Write it to an .npz file; weights are kept in half precision."""
        numbers = (self.length_price, self.slope, self.error)
        about = np.array([str(features.VERSION), self.task, *map(repr, map(float, numbers))])
        weights: dict[str, Any] = {f"weights_{kind}": array.astype(np.float16) for kind, array in self.weights.items()}
        if self.encoder:
            weights["encoder"] = np.array([self.encoder.name, self.encoder.digest])
        np.savez_compressed(path, about=about, quantiles=self.quantiles, known=self.known, **weights)

    def utility(self, text: str) -> float:
        """The raw model: what it makes of a plain text, in units of its own."""
        value = 0.0
        for kind, weights in self.weights.items():
            if kind == "style":
                value += float(features.style(text) @ weights)
            elif kind in GRAMS:
                places, sizes = features.grams(text, kind)
                value += float(weights[places] @ sizes)
            elif kind == EMBEDDING and self.encoder:
                value += float(self.encoder([text])[0] @ weights)
        return value - self.length_price * math.log(max(1, len(features.words(text))))

    def read(self, text: str) -> Reading:
        """Rate any text; an empty one is below all others."""
        text = features.plain(text)
        found = features.words(text)
        if not found:
            return Reading(-10.0, -10.0, 0.0, 0.0)
        utility = self.utility(text)
        scale = np.linspace(0.0, 1.0, len(self.quantiles))
        median, limit = np.interp([0.5, CREDIT], scale, self.quantiles)
        return Reading(
            rating=self.slope * (min(utility, float(limit)) - float(median)),
            raw=self.slope * (utility - float(median)),
            percentile=100.0 * float(np.interp(utility, self.quantiles, scale)),
            known=float(np.mean([self._knows(word) for word in found])) if len(self.known) else 1.0,
        )

    def error_between(self, one: str, other: str) -> float:
        """Standard error of the difference of two texts' ratings: what the reader would say after other experiments."""
        return self.error * features.distance(features.plain(one), features.plain(other))

    def _knows(self, word: str) -> bool:
        byte, bit = divmod(_word_place(word), 8)
        return bool(self.known[byte] >> bit & 1)


def known_words(texts: Iterable[str]) -> NDArray[np.uint8]:
    """The words of plain texts, as the bits of `Reader.known`."""
    bits = np.zeros(1 << KNOWN_BITS, dtype=bool)
    bits[[_word_place(word) for text in texts for word in features.words(text)]] = True
    return np.packbits(bits, bitorder="little")


def _word_place(word: str) -> int:
    return zlib.crc32(word.encode()) & ((1 << KNOWN_BITS) - 1)


@cache
def _load(path: Path, embeddings: Path | None = None) -> Reader:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            version, task, length_price, slope, error = (str(item) for item in data["about"])
            if int(version) != features.VERSION or task not in get_args(Task):
                raise JudgeError(f"the reader {path} is of another version; train it again with `wolf train-reader`")
            return Reader(
                path.stem,
                "headline" if task == "headline" else "argument",
                {key[8:]: data[key].astype(float) for key in data.files if key.startswith("weights_")},
                float(length_price),
                float(slope),
                float(error),
                data["quantiles"],
                data["known"],
                _encoder(path, data["encoder"].tolist(), embeddings) if "encoder" in data else None,
            )
    except (OSError, ValueError, KeyError, zlib.error, BadZipFile) as error:
        raise JudgeError(f"{path} is not a reader ({error}); make one with `wolf train-reader`") from error


def _encoder(path: Path, model: tuple[str, str], folder: Path | None) -> Encoder:
    name, digest = model
    trained = f"the reader {path} was trained with the sentence-embedding model {name} ({digest[:DIGITS]})"
    if folder is None:
        raise JudgeError(f"{trained}; name its folder in judge.embeddings")
    encoder = Encoder(folder)
    if encoder.digest != digest:
        raise JudgeError(f"{trained}; the folder {folder} holds another, {encoder}")
    return encoder
