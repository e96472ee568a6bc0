"""A small byte-level BPE in pure Python: learns a thousand tokens from megabytes of text in about a second.

Ids 0 to 255 are the bytes, the rest are merges in the order they were learned. Id 0 marks the start of a document; the
byte 0 does not occur in text. Good for small vocabularies; `climbmix.py` uses a compiled tokenizer.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise

BOS = 0
WORDS = re.compile(r" ?[^\W\d]+| ?\d{1,3}|\n[ \t]*| +| ?[^\w\s]+|\s")
VOTERS = 6000  # only the most frequent words decide on merges: three times as fast, one per cent more tokens

Merge = tuple[int, int]


def learn(texts: Sequence[str], vocab: int) -> list[Merge]:
    """The `vocab - 256` most frequent merges, most frequent first; fewer if the text has no more."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(WORDS.findall(text))
    common = [(list(word.encode()), n) for word, n in counts.most_common(VOTERS)]
    pairs: Counter[Merge] = Counter()
    where: defaultdict[Merge, set[int]] = defaultdict(set)
    for i, (word, n) in enumerate(common):
        for pair in pairwise(word):
            pairs[pair] += n
            where[pair].add(i)
    merges: list[Merge] = []
    while len(merges) < vocab - 256 and pairs:
        best = max(pairs, key=pairs.__getitem__)
        if pairs[best] < 2:
            break
        for i in sorted(where.pop(best)):
            word, n = common[i]
            for pair in pairwise(word):
                pairs[pair] -= n
            word = merged(word, best, 256 + len(merges))
            for pair in pairwise(word):
                pairs[pair] += n
                where[pair].add(i)
            common[i] = word, n
        del pairs[best]
        merges.append(best)
    return merges


def merged(word: list[int], pair: Merge, token: int) -> list[int]:
    """`word` with every occurrence of `pair` replaced by `token`, from the left."""
    out, i = [], 0
    while i < len(word):
        if i + 1 < len(word) and word[i] == pair[0] and word[i + 1] == pair[1]:
            out.append(token)
            i += 2
        else:
            out.append(word[i])
            i += 1
    return out


def encoder(merges: Sequence[Merge]) -> Callable[[str], list[int]]:
    """A function from text to tokens; it remembers the words it has seen."""
    rank = {pair: i for i, pair in enumerate(merges)}
    seen: dict[str, list[int]] = {}

    def encode_word(text: str) -> list[int]:
        word = list(text.encode())
        while len(word) > 1:
            best = min([rank.get(pair, len(rank)) for pair in pairwise(word)])
            if best == len(rank):
                break
            word = merged(word, merges[best], 256 + best)
        return word

    def encode(text: str) -> list[int]:
        tokens: list[int] = []
        for word in WORDS.findall(text):
            if word not in seen:
                seen[word] = encode_word(word)
            tokens += seen[word]
        return tokens

    return encode


def token_bytes(merges: Sequence[Merge]) -> list[int]:
    """UTF-8 bytes of source text behind each token; none behind BOS."""
    sizes = [1] * 256
    for left, right in merges:
        sizes.append(sizes[left] + sizes[right])
    sizes[BOS] = 0
    return sizes
