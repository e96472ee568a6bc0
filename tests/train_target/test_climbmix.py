import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from train_target import climbmix, prepare

pa = pytest.importorskip("pyarrow")
pytest.importorskip("tokenizers")


def parquet(texts: list[str]) -> bytes:
    import pyarrow.parquet

    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(pa.table({"text": texts}), sink)
    return bytes(sink.getvalue())


def texts(start: int, count: int) -> list[str]:
    return [f"Document number {i} tells of größe and of the {i * i} hills.\n" * 4 for i in range(start, start + count)]


@pytest.fixture
def shards(httpserver: HTTPServer) -> Iterator[HTTPServer]:
    held = texts(1000, 40)
    for number, documents in ((0, texts(0, 50)), (1, [*texts(50, 50), held[0]]), (climbmix.PINNED, held)):
        httpserver.expect_request(f"/data/shard_{number:05d}.parquet").respond_with_data(parquet(documents))
    yield httpserver
    httpserver.clear()


def spec(server: HTTPServer, shards: int = 2) -> dict[str, object]:
    return {"kind": "climbmix", "url": server.url_for("/data"), "shards": shards, "vocab": 300}


def test_shards_become_a_corpus_whose_bytes_add_up(shards: HTTPServer, tmp_path: Path) -> None:
    folder = prepare.prepare(spec(shards), tmp_path)
    meta = json.loads((folder / "corpus.json").read_text())
    sizes = np.array(meta["token_bytes"])
    split = {name: np.fromfile(folder / f"{name}.bin", np.uint16) for name in ("val", "holdout")}
    train = np.fromfile(folder / "train" / "tokens.bin", np.uint16)
    held = sum(len(text.encode()) for text in texts(1000, 40))
    assert sum(int(sizes[tokens].sum()) for tokens in split.values()) == held
    assert min((tokens == 0).sum() for tokens in split.values()) > 5
    assert int(sizes[train].sum()) == sum(len(text.encode()) for text in texts(0, 100))  # the pinned one is left out
    assert meta["vocab"] == len(sizes) == 300


def test_what_was_fetched_is_not_fetched_again(shards: HTTPServer, tmp_path: Path) -> None:
    prepare.prepare(spec(shards), tmp_path)
    fetched = len(shards.log)
    assert fetched == 3
    prepare.prepare(spec(shards) | {"vocab": 280}, tmp_path)
    assert len(shards.log) == fetched


def test_a_missing_shard_is_one_sentence(
    shards: HTTPServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare.main([json.dumps(spec(shards, shards=3)), str(tmp_path)]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert "cannot fetch" in said and "shard_00002.parquet" in said and "check corpus.url" in said


def test_a_download_that_breaks_off_leaves_nothing(httpserver: HTTPServer, tmp_path: Path) -> None:
    broken = Response(iter([b"half"]), headers={"Content-Length": "8"})
    httpserver.expect_request("/data/shard_00000.parquet").respond_with_response(broken)
    with pytest.raises(OSError, match="cannot fetch"):
        climbmix.fetch(httpserver.url_for("/data"), 0, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
