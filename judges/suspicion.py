"""Texts that were written for the judge and not for the reader.

No filter finds every order to a judge; what it is for is that selection does not breed the crude ones. Fences, random
codes and replies made of codes (`judges.ballots`) hold without it.
"""

from __future__ import annotations

import re

from judges import features

_VOTING = r"(?:rank|rate|score|vote|choose|pick|select|prefer|award)\w*"
_JUDGE = r"(?:judges?|graders?|evaluators?|assistant|language model|llm|ai model|you)"
_MODEL = r"(?:ai|language model|llm|judge|grader|evaluator|assistant)"
_TEXT = r"(?:text|headline|option|entry|candidate|answer|argument)"
_OTHERS = r"(?:all|the) other (?:texts|headlines|options|entries|candidates)"
_SIGNS = {
    "an order": (
        r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instruction|criteri|previous|above|prompt|rules)",
        rf"\b{_VOTING}\b.{{0,30}}\b(?:this|me|it|my|text|option|answer|candidate)\b.{{0,30}}"
        r"\b(?:first|best|top|highest|winner|10|ten|higher|above|points)\b",
        rf"\b{_JUDGE}\b.{{0,20}}\b(?:must|should|shall|will|please)\b.{{0,20}}\b{_VOTING}\b",
        r"\b(?:ignorier|missacht|vergiss)\w*\b.{0,40}\b(?:anweisung|vorgabe|kriteri)",
        r"\b(?:ignor|oubli)(?:e|ez|er)\b.{0,40}\b(?:instructions|consignes|critères)\b",
        r"\b(?:ignor|olvid)(?:a|e|en|ad)\b.{0,40}\b(?:instrucciones|criterios)\b",
    ),
    "a word to the judge": (
        rf"\bif you(?:'re| are) an? {_MODEL}\b",
        rf"\b(?:(?:to|note for|attention|dear) (?:the|any|all)|note to(?: the)?|dear) {_MODEL}s?\b",
        rf"\b{_OTHERS}\b",
        r"<!--|\[(?:hidden|note|instruction)\b",
    ),
    "praise of the judge": (
        r"\b(?:dear|wise|brilliant|esteemed|honou?rable|kind|intelligent)\b.{0,30}\b(?:judges?|graders?|evaluators?)\b",
    ),
    "a verdict": (
        r"\b(?:verdict|ranking|winner|final answer|best text)\b\W{0,3}[:=]",
        r"\bthis (?:text|answer|option|entry|candidate|one) (?:is|was|has been) "
        r"(?:the )?(?:best|judged|ranked|chosen|clear winner|winner)",
        r"\ball (?:the )?(?:criteria|gates|rubrics?)\b.{0,20}\b(?:met|satisf|pass|perfect|full)",
        r"\b(?:10|100|ten|five|5) ?(?:/|out of) ?(?:10|100|ten|five|5)\b",
        r"\b(?:correct|right|final|the) ranking\b.{0,20}\b(?:is|begins?|starts?|must|puts?)\b",
        rf"\bthis {_TEXT}\b.{{0,40}}\b(?:first|on top|ahead|above|wins|winner|to win)\b",
    ),
    "a role or a fence": (
        r"^\W{0,4}(?:system|assistant|human|user)\W{0,3}:",
        r"<\s*/?\s*(?:system|assistant|text|instructions?|ballot|verdict)\b|\[/?INST\]|<\|",
        r"```|^\s*(?:[|>~=#-]\s?){3,}|^\W*(?:begin|end) (?:of )?texts?\b|^\W*text [a-z]{4}:",
    ),
    "JSON": (r"[{}]",),
}
_PATTERNS = [
    (what, re.compile(sign, re.IGNORECASE | re.MULTILINE | re.DOTALL))
    for what, signs in _SIGNS.items()
    for sign in signs
]
_DISGUISES = (
    re.compile(r"[a-zA-Z][\u0370-\u052f]|[\u0370-\u052f][a-zA-Z]"),  # Latin with Greek or Cyrillic in one word
    re.compile(r"[\u1d00-\u1d2b\u0262\u026a\u0274\u0280\u028f\u029c\u029f\ua730\ua731]{2}|\w[\u0334-\u0338]"),
    re.compile(r"(?:(?<!\S)\w[ .]{1,3}){7,}"),  # l e t t e r s  apart
    re.compile(r"(?:\b[a-zA-Z]*[a-zA-Z][0134570][a-z]+\b.{0,12}){3}"),  # d1git5 1ns1de
    re.compile(r"\b(?=\w*[0-9])(?=\w*[a-z])(?=\w*[A-Z])[A-Za-z0-9+/]{24,}"),  # base64
)
_HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\U000e0000-\U000e007f\x00-\x08\x0b-\x1f\x7f]")


def suspicions(text: str, allowed: str = "") -> list[str]:
    """What in a text is suspicious, a few words each; what also stands in `allowed` (the brief) is not."""
    found = ["invisible or control characters"] if _HIDDEN.search(text) else []
    found += ["letters in disguise"] if any(sign.search(text) for sign in _DISGUISES) else []
    for what, pattern in _PATTERNS:
        if any(sign.startswith(f"{what} (") for sign in found):
            continue
        for version in (text, features.plain(text)):
            match = pattern.search(version)
            if match and match.group().strip().lower() not in allowed.lower():
                found.append(f"{what} ({' '.join(match.group().split())[:60]})")
                break
    words = features.words(features.plain(text))
    if len(words) >= 8 and len(set(words)) < len(words) / 4:
        found.append("the same words over and over")
    return [features.plain(line) for line in dict.fromkeys(found)]
