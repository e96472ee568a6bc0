"""A judge that asks reader models: no network, no key, a few milliseconds.

Selection sees the mean of two readers that know different things (style; words), each without credit beyond the real
texts that it knows. That mean is sceptical: what only one of them likes counts half. A text scores what surely remains
of it: one standard error of its distance from the original is taken off, so that a change must be worth its own doubt
and the original keeps ties. A third reader, with other features again (letters), reads along. Its rating stands in the
metrics, and it is the score when the engine asks for a hold-out reading: a gain that it does not see is none. Nobody
selects by it, so it has no limit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Literal

from judges import features
from judges.base import Context, JudgeConfig, JudgeError, LocalPath
from judges.box import Box
from judges.language import ENGLISH, language
from judges.reader import LEAST_KNOWN, Reader, Reading, Task
from population.evaluation import Evaluation, Goal, Status
from population.variant import Variant, joined

SEEN, HIDDEN = ("style", "words"), "letters"  # kinds of readers, `headline-style`
ENOUGH_WORDS = 5  # for that share to mean anything
CAUTION = 1.0  # standard errors that a text must be worth; chosen on texts that no reader had seen (docs/judges.md)


class ReaderJudge(JudgeConfig):
    """Rates the text of a variant as the readers of real experiments would.

    Attributes:
        task: what the text is: `headline`, `argument` (length does not count), or `argument-plain` (longer is better,
            as it was for those readers; not for evolution).
        file: the file that is read; None: all files of the variant, in the order of their names.
        reader: a reader of your own, made by `wolf train-reader`, instead of the shipped one.
        embeddings: folder of the sentence-embedding model, if this reader was trained with one.
        box: limits on the text.
    """

    kind: Literal["reader"] = "reader"
    task: Literal["headline", "argument", "argument-plain"]
    file: str | None = None
    reader: LocalPath | None = None
    embeddings: LocalPath | None = None
    box: Box = Box()

    @property
    def name(self) -> str:
        """`rating`: log odds of being chosen over the median real text, less what is doubtful about the change."""
        return "rating"

    @property
    def goal(self) -> Goal:
        """Higher is better."""
        return Goal.MAXIMIZE

    @property
    def seconds_expected(self) -> float:
        """A few milliseconds; more where a network reads along."""
        return 0.02 if self.embeddings else 0.002

    @property
    def varies(self) -> bool:
        """Never: a reader is a formula."""
        return False

    @property
    def wanted(self) -> str:
        """Who reads."""
        readers = "click on a headline" if self.task == "headline" else "find an argument convincing"
        return (
            f"A text that English-speaking readers on the web {readers}, by a model of what such people chose before."
        )

    def prepare(self, root: Path, say: Callable[[str], None]) -> None:
        """Say what is judging, and check the setup."""
        self.check(root)
        seen, holdout = self.readers()
        names = " and ".join(reader.name for reader in seen)
        say(f"judged offline by {names}, trained on what people chose; {holdout.name} confirms; no model is asked")

    def check(self, root: Path) -> None:
        """Whether the readers are there and the text to start from keeps within the box.

        Raises:
            JudgeError: if not.
        """
        self.readers()
        if self.file is None:
            return
        try:
            text = (root / self.file).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise JudgeError(f"judge.file: {root / self.file} cannot be read as text: {error}") from error
        if said := self.box.complaints(text):
            raise JudgeError(
                f"{self.file} cannot be judged from the start: {'; '.join(said)}; correct it, or judge.box"
            )
        if (spoken := language(features.plain(text))) != ENGLISH:
            raise JudgeError(
                f"{self.file} is in {spoken}, and the readers know English only; let a panel of models judge it "
                "(kind: panel, without prior)"
            )

    def readers(self) -> tuple[tuple[Reader, ...], Reader]:
        """The readers that selection sees, and the hold-out; they share no features."""
        task: Task = "headline" if self.task == "headline" else "argument"
        if self.embeddings and self.reader is None:
            raise JudgeError("judge.embeddings: the shipped readers use no embeddings; name your own in judge.reader")
        if self.reader is None and self.task == task:
            return tuple(Reader.shipped(f"{task}-{kind}") for kind in SEEN), Reader.shipped(f"{task}-{HIDDEN}")
        reader = Reader.shipped(self.task) if self.reader is None else Reader.load(self.reader, self.embeddings)
        if reader.task != task:
            raise JudgeError(f"judge.reader: {self.reader} reads {reader.task}s, judge.task says {self.task}")
        if self.embeddings and reader.encoder is None:
            raise JudgeError(f"judge.embeddings: {self.reader} was trained without embeddings; leave the key out")
        return (reader,), Reader.shipped(f"{task}-words")

    def caution(self, text: str, original: str) -> float:
        """What is taken off the rating of a text: `CAUTION` standard errors of its difference from the original."""
        seen, _ = self.readers()
        return CAUTION * math.hypot(*(one.error_between(text, original) for one in seen)) / len(seen)

    def glance(self, files: Mapping[str, str], root: Path) -> str:
        """What the box has against a text; empty if nothing."""
        text = self._text(files)
        return f"there is no file {self.file}" if text is None else "; ".join(self.box.complaints(text))

    def evaluate(self, variant: Variant, context: Context) -> Evaluation:
        """Read the text once; the same text always gets the same rating."""
        started = time.perf_counter()
        status, score, metrics, feedback = self._judge(variant, context)
        seconds = time.perf_counter() - started
        return Evaluation(variant.id, self.name, status, score, metrics, feedback, seconds, seed=context.seed)

    def _judge(self, variant: Variant, context: Context) -> tuple[Status, float | None, dict[str, float], str]:
        text, said = self._text(variant.files), self.glance(variant.files, context.root)
        if text is None or said:
            return Status.INVALID, None, {}, said
        if (spoken := language(features.plain(text))) != ENGLISH:
            return Status.REFUSED, None, {}, f"it is in {spoken}, and the readers know English only"
        seen, holdout = self.readers()
        readings, hidden = [reader.read(text) for reader in seen], holdout.read(text)
        known = min(reading.known for reading in readings)
        if known < LEAST_KNOWN and len(text.split()) >= ENOUGH_WORDS:
            share = f"{known:.0%} of its words occur in the English texts that the reader was trained on"
            return Status.REFUSED, None, {}, f"only {share}; it cannot judge this one"
        first = self._original(variant, context.root)
        caution = self.caution(text, first)
        metrics = {
            "percentile": fmean(reading.percentile for reading in readings),
            "raw": fmean(reading.raw for reading in readings),
            "error": caution / CAUTION,
            "caution": caution,
            "holdout": hidden.raw,
            "holdout_percentile": hidden.percentile,
            "holdout_error": holdout.error_between(text, first),
            "known": known,
        }
        score = hidden.raw if context.holdout else fmean(reading.rating for reading in readings) - caution
        return Status.OK, score, metrics, _words(seen, readings)

    def _text(self, files: Mapping[str, str]) -> str | None:
        if self.file is not None:
            return files.get(self.file)
        return joined(files)

    def _original(self, variant: Variant, root: Path) -> str:
        """The text to start from, as far as it is there."""
        paths = [root / path for path in (sorted(variant.files) if self.file is None else [self.file])]
        return "\n\n".join(path.read_text("utf-8") for path in paths if path.is_file())


def _words(seen: Sequence[Reader], readings: Sequence[Reading]) -> str:
    """For whoever writes the next version, so nothing of the hold-out."""
    said = [
        f"{reader.name}: beats {reading.percentile:.0f} % of real texts"
        + (", beyond what it knows, so without credit" if reading.raw > reading.rating else "")
        for reader, reading in zip(seen, readings, strict=True)
    ]
    return "; ".join(said)
