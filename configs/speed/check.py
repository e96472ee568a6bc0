"""Frozen: the gate. Exits with 1 if `words.nearest` answers anything else than the reference, on random questions."""

import os
import sys

import reference
import words

rng = reference.rng_of(f"check {os.environ.get('WOLF_SEED', '0')}")
for size in [1, 2, 5] + [10] * 20 + [100] * 6:
    dictionary = reference.invent(rng, size)
    if rng.random() < 0.3:
        dictionary.append("")
    before = list(dictionary)
    count = rng.choice([1, 2, 3, 5, 10])
    for word in (reference.misspell(rng, rng.choice(dictionary) or "x"), rng.choice(dictionary), "", "zzzzzzzzzzzz"):
        expected, answer = reference.nearest(word, dictionary, count), words.nearest(word, dictionary, count)
        if answer != expected:
            sys.exit(f"nearest({word!r}, {size} words, {count}) is {answer}, expected {expected}")
        if dictionary != before:
            sys.exit("nearest() must leave the dictionary as it is")
print("all answers are right")
