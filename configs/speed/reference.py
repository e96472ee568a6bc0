"""Frozen: what `words.nearest` must answer, in the plainest way, and the words that it is asked about."""

from random import Random


def nearest(word, dictionary, count):
    return sorted((distance(word, other), other) for other in dictionary)[:count]


def distance(one, two):
    row = list(range(len(two) + 1))
    for i, letter in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(two, 1):
            diagonal, row[j] = row[j], min(diagonal + (letter != other), row[j - 1] + 1, row[j] + 1)
    return row[-1]


def invent(rng, count):
    """Different words that can be pronounced."""
    words = {}
    while len(words) < count:
        syllables = (
            rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") + rng.choice(["", "", "n", "r"]) for _ in "12345"
        )
        words["".join(list(syllables)[: rng.randint(2, 5)])] = None
    return list(words)


def misspell(rng, word):
    """The word with one or two letters dropped, doubled, changed or swapped."""
    for _ in range(rng.randint(1, 2)):
        at = rng.randrange(len(word))
        letter = rng.choice("abcdefghijklmnopqrstuvwxyz")
        word = rng.choice(
            [word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:], word[:at] + letter + word[at + 1 :]]
        )
        word = word or letter
    return word


def rng_of(seed):
    return Random(f"speed {seed}")
