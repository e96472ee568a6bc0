"""What text a model is trained and scored on: the keys under `corpus:`, and how they become files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from judges.base import JudgeError, LocalPath

HOUSE = Path(__file__).resolve().parent.parent
PATH = {"PYTHONPATH": str(HOUSE)}


VOCAB = "vocabulary of the BPE tokenizer, which is learned on the training split"


class Section(BaseModel):
    """Base of the sections below: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Stdlib(Section):
    """The source of Python's own standard library. It is on every machine, so there is nothing to download."""

    kind: Literal["stdlib"] = "stdlib"
    vocab: int = Field(default=1024, ge=256, le=16384, description=VOCAB)


class Files(Section):
    """Any UTF-8 text."""

    kind: Literal["files"]
    globs: tuple[LocalPath, ...] = Field(min_length=1, description="which files; `**` matches any folders")
    vocab: int = Field(default=1024, ge=256, le=16384, description=VOCAB)


class Climbmix(Section):
    """autoresearch's data: parquet shards, downloaded once; needs the extra `climbmix`."""

    kind: Literal["climbmix"]
    url: str = Field(
        default="https://huggingface.co/datasets/karpathy/climbmix-400b-shuffle/resolve/main",
        description="the folder that has the shards, by http(s)",
    )
    shards: int = Field(default=10, ge=1, le=6542, description="number of training shards, of about 100 MB each")
    vocab: int = Field(default=8192, ge=512, le=65536, description=VOCAB)


Corpus = Annotated[Stdlib | Files | Climbmix, Field(discriminator="kind")]


def made(corpus: Corpus, cache: Path | None, say: Callable[[str], None]) -> Path:
    """The folder of a prepared corpus (see train_target/prepare.py); made now unless it is in the cache.

    Args:
        corpus: which one.
        cache: where prepared corpora are kept; None: `$XDG_CACHE_HOME/auto-wolf` or `~/.cache/auto-wolf`.
        say: is told what goes on.

    Raises:
        JudgeError: if it cannot be made.
    """
    cache = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "auto-wolf")
    command = program("train_target.prepare", corpus.model_dump_json(), str(cache))
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=os.environ | PATH, stdout=pipe, stderr=pipe, text=True) as running:
        assert running.stdout and running.stderr
        said = "preparing the corpus failed"
        for line in running.stderr:
            say(said := line.rstrip())
        folder = running.stdout.read().strip()
    if running.returncode:
        raise JudgeError(said)
    return Path(folder)


def program(name: str, *arguments: str) -> list[str]:
    """The command that runs one of our modules; it imports nothing from its folder or from its home."""
    return [sys.executable, "-sP", "-m", name, *arguments]
