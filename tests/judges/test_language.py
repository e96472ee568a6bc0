from __future__ import annotations

import pytest

from judges.language import ENGLISH, OTHER, language


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Die Stadt hat eine Straße für Autos gesperrt, und die Luft wurde besser.", "German"),
        ("Mehr Sport für alle Kinder", "German"),
        ("La ville a fermé une rue aux voitures et l'air est devenu bien meilleur.", "French"),
        ("La ciudad cerró una calle a los coches y el aire mejoró mucho.", "Spanish"),
        ("La città ha chiuso una strada alle auto e l'aria è migliorata molto", "Italian"),
        ("De stad sloot een straat af voor auto's en de lucht werd veel beter.", "Dutch"),
        ("新しい大臣についての短い記事です", OTHER),
        ("Новый министр", OTHER),
        ("A City Closed One Street To Cars. Researchers Then Measured The Air.", ENGLISH),
        ("European Central Bank Holds Rates Steady Amid Inflation Worries In Frankfurt", ENGLISH),
        ("La La Land And El Niño", ENGLISH),
        ("Vincent van Gogh", ENGLISH),
        ("", ENGLISH),
        ("42", ENGLISH),
    ],
)
def test_a_language_is_told_by_its_small_words_and_what_is_too_short_is_english(text: str, spoken: str) -> None:
    assert language(text) == spoken
