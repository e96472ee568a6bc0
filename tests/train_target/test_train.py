import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from population.genome import Genome
from population.knobs import Space
from train_target.prepare import Data

torch = pytest.importorskip("torch")
SEED = Path(__file__).parents[2] / "train_target" / "train.py"
FILES = {"train.py": SEED.read_text()}
SPACE = Space.of(FILES)
SMALL = {"DEPTH": 2, "ASPECT": 16, "HEAD_DIM": 16, "BATCH_TOKENS": 256, "SEQUENCE": 32}
VOCAB, CONTEXT = 64, 32

SWITCHES = [
    {},
    {"ACTIVATION": "swiglu", "NORM": "peri", "QK_NORM": False},
    {"ACTIVATION": "gelu", "VALUE_EMBEDDINGS": False, "TIE_EMBEDDINGS": True, "DECAY_SCHEDULE": "constant"},
    {"WINDOW": "SL", "SHORT_WINDOW": 0.1, "SMEAR": True, "BACKOUT": True, "DECAY_SCHEDULE": "cosine"},
    {"MATRIX_OPTIMIZER": "adamw", "WARMUP": 0.1, "MOMENTUM_WARMUP": 0.0},
    {"DEPTH": 1, "MUON_STEPS": 7, "FINAL_LR": 0.1},
]


def variant(changes: dict[str, object]) -> ModuleType:
    """train.py with other constants, as the search would write it."""
    module = ModuleType("train")
    genome = Genome.of(FILES, SPACE).replace({**SMALL, **changes})
    exec(compile(genome.files()["train.py"], SEED, "exec"), module.__dict__)
    return module


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "corpus.json").write_text(f'{{"vocab": {VOCAB}, "bos": 0}}')
    (np.arange(20_000) * 7 % VOCAB).astype(np.uint16).tofile(folder / "tokens.bin")  # each token gives the next
    return folder


def train(module: ModuleType, folder: Path, out: Path, tokens: int = 8192, seed: int = 0) -> dict[str, float]:
    torch.set_num_threads(1)
    data = Data(folder, CONTEXT, seed)
    return module.train(data, out, seed, lambda: data.drawn / tokens)


def test_it_has_the_knobs_that_published_gains_came_from() -> None:
    assert 35 <= len(SPACE) <= 45
    wanted = {"BATCH_TOKENS", "DEPTH", "ASPECT", "MATRIX_LR", "EMBEDDING_LR", "ADAM_BETA1", "WARMDOWN", "INIT_SCALE"}
    wanted |= {"ROPE_BASE", "QK_SCALE", "WINDOW", "VALUE_EMBEDDINGS", "SOFTCAP", "ACTIVATION", "NORM", "TIE_EMBEDDINGS"}
    assert wanted <= set(SPACE.names)


@pytest.mark.parametrize("changes", SWITCHES, ids=str)
def test_every_switch_trains_saves_and_predicts(changes: dict[str, object], data_folder: Path, tmp_path: Path) -> None:
    module = variant(changes)
    claims = train(module, data_folder, tmp_path)
    assert claims["steps"] == 8192 / 256
    predict = module.load(tmp_path)
    tokens = (np.arange(2 * CONTEXT) * 7 % VOCAB).astype(np.int32).reshape(2, CONTEXT)
    logits = predict(tokens).numpy()
    assert logits.shape == (2, CONTEXT, VOCAB)
    assert logits.dtype == np.float32
    chances = torch.from_numpy(logits[:, :-1]).log_softmax(-1).numpy()
    loss = -np.take_along_axis(chances, tokens[:, 1:, None].astype(np.int64), -1).mean()
    assert loss < 0.9 * math.log(VOCAB)


@pytest.mark.parametrize("changes", SWITCHES, ids=str)
def test_no_logit_depends_on_a_later_token(changes: dict[str, object]) -> None:
    torch.manual_seed(0)
    module = variant(changes)
    model = module.GPT(VOCAB, CONTEXT)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.1)  # the zeros of a fresh model would hide a leak
    tokens = torch.randint(0, VOCAB, (2, CONTEXT))
    changed = tokens.clone()
    changed[:, 20:] = (changed[:, 20:] + 1) % VOCAB
    before, after = model(tokens), model(changed)
    assert torch.allclose(before[:, :20], after[:, :20], atol=1e-5)
    assert not torch.allclose(before[:, 20:], after[:, 20:], atol=1e-3)


def test_the_same_seed_gives_the_same_model(data_folder: Path, tmp_path: Path) -> None:
    module, answers = variant({}), []
    tokens = np.arange(CONTEXT, dtype=np.int32)[None]
    for run, seed in enumerate((0, 0, 1)):
        (tmp_path / str(run)).mkdir()
        train(module, data_folder, tmp_path / str(run), tokens=1024, seed=seed)
        answers.append(module.load(tmp_path / str(run))(tokens))
    assert (answers[0] == answers[1]).all()
    assert (answers[0] != answers[2]).any()


def test_a_diverging_run_ends_itself(data_folder: Path, tmp_path: Path) -> None:
    module = variant({})
    module.EMBEDDING_LR = math.nan
    with pytest.raises(FloatingPointError, match="the loss is nan"):
        train(module, data_folder, tmp_path)


def test_muon_makes_singular_values_about_one() -> None:
    module = variant({"MUON_STEPS": 7})
    values = torch.linalg.svdvals(module.Muon.polar(torch.randn(3, 16, 48)))
    assert values.min() > 0.7 and values.max() < 1.3


def test_the_learning_rate_warms_up_and_down() -> None:
    module = variant({"WARMUP": 0.2, "WARMDOWN": 0.5, "FINAL_LR": 0.1})
    rates = [module.rate(progress) for progress in (0.1, 0.2, 0.5, 0.75, 1.0)]
    assert rates == pytest.approx([0.5, 1.0, 1.0, 0.55, 0.1])
