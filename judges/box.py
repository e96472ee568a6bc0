"""The style box: hard limits that a text must keep before anybody judges it.

A box does more for the truth of a result than any number of judges (docs/judges.md): it keeps evolution from finding
what a judge overrates outside the texts that the judge knows.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from judges import features

LONGEST = 100_000  # characters; no text that a person would send to a panel is longer

_AGAIN = re.compile(r"\b((?:[\w']+\W+){3,20}?[\w']+)\W+\1\b")  # four words or more, and at once again
_SENTENCE = re.compile(r"[.!?]+\s+|\n+")
_SPACE = re.compile(r"\s+")

Count = Annotated[int, Field(ge=0, strict=True)]


class Box(BaseModel):
    """Limits on a text. In any case, no text may contain a sentence of four words or more twice.

    Attributes:
        words: smallest and largest number of words.
        characters: smallest and largest number of characters.
        exclamations: largest number of exclamation marks.
        questions: largest number of question marks.
        capitals: largest share of words in capitals.
        must: phrases that must occur; upper and lower case are the same, and so are spaces and line breaks. A number at
            an end of one is whole: `5 hours` is not in `15 hours`.
        must_not: phrases that must not occur.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: tuple[Count, Count] | None = None
    characters: tuple[Count, Count] | None = None
    exclamations: Count | None = None
    questions: Count | None = None
    capitals: float | None = Field(default=None, ge=0, le=1)
    must: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for name, limits in (("words", self.words), ("characters", self.characters)):
            if limits and limits[0] > limits[1]:
                raise ValueError(f"{name}: at least {limits[0]} and at most {limits[1]} leaves nothing")
        for phrase in self.must:
            banned = next((other for other in self.must_not if _read(other) in _read(phrase)), None)
            if banned is not None:
                raise ValueError(f"must asks for {phrase!r}, must_not forbids {banned!r}: no text can do both")
        needed = max((len(phrase.split()) for phrase in self.must), default=0)
        if self.words and needed > self.words[1]:
            raise ValueError(f"must asks for {needed} words, words allows {self.words[1]}: no text can do both")
        return self

    def complaints(self, text: str) -> list[str]:
        """What a text does that it may not, a short sentence each; [] if it keeps within the box."""
        if len(text) > LONGEST:
            return [f"the text has {len(text)} characters; more than {LONGEST} are not judged"]
        text = features.plain(text)
        found = features.words(text)
        if not found:
            return ["the text is empty"]
        capitals = sum(token.isupper() and len(token) > 1 for token in text.split()) / len(text.split())
        counts = (
            ("words", len(found), self.words),
            ("characters", len(text), self.characters),
            ("exclamation marks", text.count("!"), None if self.exclamations is None else (0, self.exclamations)),
            ("question marks", text.count("?"), None if self.questions is None else (0, self.questions)),
            ("% of words in capitals", round(100 * capitals), self.capitals and (0, round(100 * self.capitals))),
        )
        said = [
            f"{count} {what}, not {limits[0]} to {limits[1]}"
            for what, count, limits in counts
            if limits and not limits[0] <= count <= limits[1]
        ]
        sentences = Counter(part.strip(" .!?\n").lower() for part in _SENTENCE.split(text) if len(part.split()) > 3)
        lower = text.lower()
        twice = [sentence for sentence, count in sentences.items() if count > 1]
        twice += [match[1] for match in _AGAIN.finditer(lower)] if not twice else []
        said += [f"says twice: {sentence!r}" for sentence in dict.fromkeys(twice)]
        flat = _flat(text)
        said += [f"does not contain {phrase!r}" for phrase in self.must if not _holds(flat, _read(phrase))]
        return said + [f"contains {phrase!r}" for phrase in self.must_not if _read(phrase) in flat]


def _read(phrase: str) -> str:
    """A phrase as a text is read, with straight quotation marks, and with the spaces at its ends."""
    left, right = (len(phrase) - len(stripped) for stripped in (phrase.lstrip(), phrase.rstrip()))
    return _flat(" " * bool(left) + (features.plain(phrase) or phrase) + " " * bool(right))


def _holds(text: str, phrase: str) -> bool:
    """Whether a phrase occurs, and not as the end or the beginning of a longer number: 15 hours are not 5 hours."""
    before = r"(?<!\d)(?<!\d[.,])" if phrase[:1].isdigit() else ""
    after = r"(?!\d|[.,]\d)" if phrase[-1:].isdigit() else ""
    return re.search(before + re.escape(phrase) + after, text) is not None


def _flat(text: str) -> str:
    """In lower case, and with line breaks as spaces: a phrase may be broken over two lines of the text."""
    return _SPACE.sub(" ", text.lower())
