import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train_target import bpe, prepare
from train_target.prepare import Data, PrepareError


def corpus(folder: Path, documents: int = 60) -> dict[str, object]:
    folder.mkdir()
    for i in range(documents):
        (folder / f"{i}.txt").write_text(f"document {i} says hello to the world, again and again and again\n" * 5)
    return {"kind": "files", "globs": [str(folder / "*.txt")], "vocab": 300}


def meta(folder: Path) -> dict[str, list[int]]:
    return json.loads((folder / "corpus.json").read_text())


@given(st.text(), st.lists(st.text(min_size=1), min_size=1))
def test_tokens_stand_for_exactly_the_bytes_of_their_text(text: str, training: list[str]) -> None:
    merges = bpe.learn(training * 2, 300)
    sizes = bpe.token_bytes(merges)
    tokens = bpe.encoder(merges)(text.replace("\0", ""))
    assert sum(sizes[token] for token in tokens) == len(text.replace("\0", "").encode())


def test_frequent_pairs_become_tokens() -> None:
    merges = bpe.learn(["hello\n" * 8], 260)
    assert len(bpe.encoder(merges)("hello")) < len("hello")


def test_the_splits_share_no_document_and_bytes_add_up(tmp_path: Path) -> None:
    spec = corpus(tmp_path / "text")
    (tmp_path / "text" / "copy.txt").write_bytes((tmp_path / "text" / "0.txt").read_bytes())
    folder = prepare.prepare(spec, tmp_path / "cache")
    sizes = np.array(meta(folder)["token_bytes"])
    paths = [folder / "train" / "tokens.bin", folder / "val.bin", folder / "holdout.bin"]
    splits = [np.fromfile(path, np.uint16) for path in paths]
    documents = [set(bytes(split.astype(">u2")).split(b"\0\0")[1:]) for split in splits]
    assert sum(map(len, documents)) == len(set.union(*documents)) == 60
    texts = {path.read_text() for path in (tmp_path / "text").iterdir()}
    assert sum(int(sizes[split].sum()) for split in splits) == sum(len(text.encode()) for text in texts)


def test_training_is_shown_the_training_split_only(tmp_path: Path) -> None:
    folder = prepare.prepare(corpus(tmp_path / "text"), tmp_path / "cache")
    assert {path.name for path in (folder / "train").iterdir()} == {"corpus.json", "tokens.bin"}
    assert set(meta(folder / "train")) == {"vocab", "bos"}


def test_a_prepared_corpus_is_found_again_and_a_changed_one_is_another(tmp_path: Path) -> None:
    spec = corpus(tmp_path / "text")
    first = prepare.prepare(spec, tmp_path / "cache")
    before = (first / "val.bin").stat().st_mtime_ns
    assert prepare.prepare(spec, tmp_path / "cache") == first
    assert (first / "val.bin").stat().st_mtime_ns == before
    (tmp_path / "text" / "0.txt").write_text("something else")
    assert prepare.prepare(spec, tmp_path / "cache") != first


def test_what_is_not_text_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xff\xfe")
    (tmp_path / "b").write_bytes(b"a\0b")
    (tmp_path / "c").write_text(" \n")
    (tmp_path / "d").write_text("text")
    assert list(prepare.read_documents(sorted(tmp_path.iterdir())).values()) == ["text"]


def test_no_text_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PrepareError, match=r"no text in .*nothing.*check corpus.globs"):
        prepare.prepare({"kind": "files", "globs": [str(tmp_path / "nothing*")], "vocab": 256}, tmp_path)
    spec = json.dumps(corpus(tmp_path / "text", documents=1))
    command = [sys.executable, "-m", "train_target.prepare", spec, str(tmp_path / "cache")]
    finished = subprocess.run(command, capture_output=True, text=True, cwd=Path(prepare.__file__).parent.parent)
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1].endswith("add files")
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_standard_library_is_here_without_its_tests_and_tables() -> None:
    names = [path.as_posix() for path in prepare.stdlib_files()]
    assert len(names) > 200
    assert not [name for name in names if "/test/" in name or "/encodings/" in name or "/site-packages/" in name]


def test_batches_are_the_text_shifted_by_one_and_follow_the_seed(tmp_path: Path) -> None:
    folder = prepare.prepare(corpus(tmp_path / "text"), tmp_path / "cache") / "train"
    data = Data(folder, context=16, seed=1)
    inputs, targets = data.batch(3, 8)
    assert inputs.shape == targets.shape == (3, 8)
    assert (inputs[:, 1:] == targets[:, :-1]).all()
    assert data.drawn == 24
    assert (Data(folder, 16, seed=1).batch(3, 8)[0] == inputs).all()
    assert (Data(folder, 16, seed=2).batch(3, 8)[0] != inputs).any()
