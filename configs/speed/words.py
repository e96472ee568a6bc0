"""The words of a dictionary that are nearest to a misspelt one, by edit distance."""

# What to try before, and instead of, the whole table of an edit distance. All of it is off.
ORDER = "given"  # knob: given | length | letters
SKIP_BY_LENGTH = False
SKIP_BY_LETTERS = False
STRIP_ENDS = False
STAY_IN_BAND = False
GIVE_UP = False
PRUNE_AT = 1000  # knob: 1 .. 1000 log


def nearest(word, dictionary, count):
    """The `count` nearest words as (distance, word), nearest first, then by the alphabet."""
    found = []
    worst = 1000  # a word further away than this cannot be among the nearest
    compared = 0
    for other in ordered(word, dictionary):
        compared += 1
        if SKIP_BY_LENGTH and abs(len(word) - len(other)) > worst:
            continue
        if SKIP_BY_LETTERS and letters_apart(word, other) > worst:
            continue
        found.append((distance(word, other, worst), other))
        if len(found) >= PRUNE_AT + count:
            found = sorted(found)[:count]
            worst = found[-1][0]
    found = sorted(found)
    return found[:count]


def ordered(word, dictionary):
    """The dictionary, likely words first."""
    words = list(dictionary)
    if ORDER == "length":
        words.sort(key=lambda other: abs(len(word) - len(other)))
    if ORDER == "letters":
        letters = set(word)
        words.sort(key=lambda other: len(letters.symmetric_difference(other)))
    return words


def letters_apart(one, two):
    """The edit distance is at least this: letters of either word that the other does not have."""
    return max(len(set(one) - set(two)), len(set(two) - set(one)))


def distance(one, two, limit):
    """The edit distance of two words; anything above `limit` if it is above `limit`."""
    if STRIP_ENDS:
        while one and two and one[0] == two[0]:
            one, two = one[1:], two[1:]
        while one and two and one[-1] == two[-1]:
            one, two = one[:-1], two[:-1]
    table = []
    row = list(range(len(two) + 1))
    table.append(list(row))
    for i, letter in enumerate(one, 1):
        above = list(row)
        row = [i] * (len(two) + 1)
        first, last = 1, len(two)
        if STAY_IN_BAND and limit < len(two):
            first, last = max(1, i - limit), min(len(two), i + limit)
            row = [1000] * (len(two) + 1)
            row[0] = i
        for j in range(first, last + 1):
            change = above[j - 1] + (letter != two[j - 1])
            insert = row[j - 1] + 1
            delete = above[j] + 1
            row[j] = min(change, insert, delete)
        table.append(list(row))
        if GIVE_UP and min(row) > limit:
            return limit + 1
    return row[len(two)]
