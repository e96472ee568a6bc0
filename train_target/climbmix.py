"""autoresearch's data: parquet shards of web text, fetched once, with a BPE of our own learned on the training shards.

Shards are `URL/shard_00000.parquet` and so on, with a column `text`. The last shard is pinned for validation, as in
autoresearch; half of its documents, by hash, are the holdout. A training document that is also in the pinned shard is
left out. Needs pyarrow and tokenizers (`pip install 'auto-wolf[climbmix]'`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import urllib.request
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

PINNED = 6542  # the last of 6,543 shards
LEARN_CHARACTERS = 1_000_000_000  # that the tokenizer is learned on, and of each document:
DOCUMENT_CHARACTERS = 10_000
BATCH = 1000  # documents
TIMEOUT = 60.0  # seconds without an answer
BOS = "<|bos|>"
WORDS = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"


def fetch(url: str, number: int, folder: Path) -> Path:
    """A shard on disk, downloaded unless it is there; a download that was cut off leaves nothing behind.

    Raises:
        OSError: if it cannot be had; the message says from where.
    """
    name = f"shard_{number:05d}.parquet"
    path = folder / hashlib.sha256(url.encode()).hexdigest()[:8] / name
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    print(f"fetching {url}/{name}", file=sys.stderr, flush=True)
    part = path.with_suffix(".part")
    try:
        with urllib.request.urlopen(f"{url}/{name}", timeout=TIMEOUT) as answer, part.open("wb") as file:
            shutil.copyfileobj(answer, file)
            size = answer.headers.get("Content-Length")
        if size is not None and part.stat().st_size != int(size):
            raise OSError(f"it broke off after {part.stat().st_size} of {size} bytes")
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OSError(f"cannot fetch {url}/{name} ({error}): check corpus.url and the network") from None
    part.rename(path)
    return path


def texts(path: Path) -> Iterator[str]:
    """The documents of a shard."""
    import pyarrow.parquet

    for batch in pyarrow.parquet.ParquetFile(path).iter_batches(BATCH, columns=["text"]):
        yield from (text for text in batch.column("text").to_pylist() if text)


def learn(shards: list[Path], vocab: int) -> Any:
    """A byte-level BPE with `vocab` tokens; id 0 is BOS."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    def sample() -> Iterator[str]:
        left = LEARN_CHARACTERS
        for text in (text for shard in shards for text in texts(shard)):
            yield text[:DOCUMENT_CHARACTERS]
            left -= min(len(text), DOCUMENT_CHARACTERS)
            if left <= 0:
                return

    tokenizer = Tokenizer(models.BPE())
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(WORDS), "isolated"), bytes_])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        sample(),
        trainers.BpeTrainer(vocab_size=vocab, special_tokens=[BOS], initial_alphabet=alphabet, show_progress=False),
    )
    return tokenizer


def write(spec: dict[str, Any], downloads: Path, folder: Path) -> dict[str, int]:
    """Write the corpus into `folder`, as prepare.py describes it. Returns the number of tokens of each split.

    Raises:
        OSError: if a shard cannot be had.
    """
    pinned = fetch(spec["url"], PINNED, downloads)
    shards = [fetch(spec["url"], number, downloads) for number in range(spec["shards"])]
    print(f"learning {spec['vocab']} tokens on {len(shards)} shards", file=sys.stderr, flush=True)
    tokenizer = learn(shards, spec["vocab"])
    held = {digest: digest[-1] & 1 for digest in map(_digest, texts(pinned))}
    sizes = {
        "val": _encode((t for t in texts(pinned) if held[_digest(t)] == 0), tokenizer, folder / "val.bin"),
        "holdout": _encode((t for t in texts(pinned) if held[_digest(t)] == 1), tokenizer, folder / "holdout.bin"),
        "train": _encode(
            (t for shard in shards for t in texts(shard) if _digest(t) not in held), tokenizer, folder / "train.bin"
        ),
    }
    vocab = tokenizer.get_vocab_size()
    lengths = [0, *(len(tokenizer.id_to_token(token)) for token in range(1, vocab))]  # one character is one byte
    (folder / "corpus.json").write_text(json.dumps({"vocab": vocab, "bos": 0, "token_bytes": lengths, "tokens": sizes}))
    return sizes


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:16]


def _encode(documents: Iterator[str], tokenizer: Any, path: Path) -> int:
    """Write documents as uint16 tokens, each after a BOS. Returns how many tokens."""
    total = 0
    with path.open("wb") as file:
        while batch := list(islice(documents, BATCH)):
            for encoded in tokenizer.encode_batch_fast(batch, add_special_tokens=False):
                tokens = np.array([0, *encoded.ids], dtype=np.uint16)
                tokens.tofile(file)
                total += len(tokens)
    return total
