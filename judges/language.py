"""Which language a text is in, by its small words: enough to notice that a reader of English knows nothing about it."""

from __future__ import annotations

import re

ENGLISH, OTHER = "English", "a script that is not Latin"
LEAST_WORDS, LEAST_SHARE = 2, 0.15  # different small words that a text must have, and their share of it
_SMALL = {
    ENGLISH: "the a an of to and in is it its it's that this these those for on with as was were are be by at from or "
    "not but they he she you we i his her their your our my who what when where why how if then than have has had do "
    "does did will would can could should there here here's after before all just more most no so up out into over",
    "German": "der die das und ist nicht ein eine einen einem einer dem den mit sich auf für von zu zum zur wird wurde "
    "auch sie ich wir uns es im hat haben sind diese dieser dieses nach vor über oder aber wie dass bei alle",
    "French": "le la les un une et est dans des du que qui pour pas sur avec ce cette ces nous vous il elle ils sont a "
    "été plus mais ou où au aux se son sa ses leur devant",
    "Spanish": "el la los las y en que un una por con para su sus como más es del se no al lo este esta pero ha fue",
    "Italian": "il lo la gli le di che è e un una per con non sono della del dei alla nel si ha ma come più questo",
    "Portuguese": "o os a as e em que um uma por com para não é do da dos das se no na mais foi sua seu ao",
    "Dutch": "de het een en van voor niet met zijn dat op te in is er aan door bij ook maar om naar deze dit werd",
    "Polish": "i w na nie się z do jest że to przez dla o po jak od za ale są był",
}
_WORDS = {language: frozenset(words.split()) for language, words in _SMALL.items()}
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


def language(text: str) -> str:
    """The language of a plain text; English if there is too little to tell by."""
    words = [word.lower() for word in _WORD.findall(text)]
    letters = "".join(words)
    if sum(ord(letter) > 0x24F for letter in letters) > 0.5 * len(letters):
        return OTHER
    best = max(_WORDS, key=lambda name: len(_WORDS[name].intersection(words)))
    different, english = (len(_WORDS[name].intersection(words)) for name in (best, ENGLISH))
    share = sum(word in _WORDS[best] for word in words) / max(1, len(words))
    sure = different >= LEAST_WORDS and different > 2 * english and share >= LEAST_SHARE  # not La La Land And El Al
    return best if sure else ENGLISH
