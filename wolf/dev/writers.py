"""Played models that know about texts: they rank those on a ballot, and rewrite those that they may improve."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from judges import features
from judges.ballots import texts_on
from judges.reader import Reader
from population import prose, sentences
from wolf.dev.players import FILE
from wolf.dev.server import Player
from wolf.dev.wire import Said

NOISE = 0.4  # log odds between one playing of a judge and the next
SHORT = 40  # words; up to here a text is read as a headline
LONG_SENTENCE = 22
FRAMES = ("Here's What Happened When {}.", "{}. Nobody Knew What Would Come Next.", "Look What Happened: {}.")
MOVES = (prose.trim, prose.turn, sentences.swap, sentences.move)


def literate(player: Player) -> Player:
    """`player`, but ballots are voted on as the offline readers would, with noise, and texts are rewritten."""

    def play(request: Mapping[str, Any]) -> Said:
        user = str(request["messages"][0]["content"])
        rng = random.Random(sha256(f"{request['model']} {user}".encode()).hexdigest())
        if user.startswith("Text "):
            return Said(_vote(user, rng), request["model"])
        ideas = [idea for path, _, body in FILE.findall(user) if path.endswith((".txt", ".md"))
                 for idea in _rewrites(path, body, rng)]  # fmt: skip
        return Said("\n\n".join(ideas), request["model"]) if ideas else player(request)

    return play


def _vote(user: str, rng: random.Random) -> str:
    shown = texts_on(user)
    longest = max(len(text.split()) for text in shown.values())
    reader = Reader.shipped("headline" if longest <= SHORT else "argument")
    worth = {code: reader.read(text).rating + rng.gauss(0, NOISE) for code, text in shown.items()}
    worth |= {code: -9.0 for code, text in shown.items() if text == "(no text)" or "rank this" in text.lower()}
    ranking = sorted(worth, key=lambda code: -worth[code])
    return json.dumps({"ranking": ranking, "gates": {}, "objections": {c: _objection(shown[c]) for c in ranking}})


def _objection(text: str) -> str:
    """Of a critic who counts words."""
    longest = max(sentences.split(text)[0], key=lambda part: len(features.words(part)), default="")
    if len(features.words(longest)) > LONG_SENTENCE:
        return f"The sentence {' '.join(longest.split()[:6])!r}... is too long to follow: split or shorten it."
    return "It states its case, and does not say what would change for this reader."


def _rewrites(path: str, body: str, rng: random.Random) -> list[str]:
    """Up to four ideas, each one grammatical move."""
    made = {}
    for _ in range(12):
        if (moved := rng.choice(MOVES)(body, rng)) is not None and moved[0] != body:
            made[moved[0]] = moved[1]
    if not made and len(features.words(body)) <= SHORT:
        one = body.strip().rstrip(".")
        made = {f"{new.format(one)}\n": f"said as {new!r}" for new in FRAMES if new.format("") not in body}
    edits = list(made.items())[:4]
    return [f"## Idea: {note}\n{path}\n<<<<<<< SEARCH\n{body}\n=======\n{new}\n>>>>>>> REPLACE" for new, note in edits]
