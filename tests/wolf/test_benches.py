"""The benches in small: what they claim at length has to hold here too, and their parts do what they say."""

from __future__ import annotations

import json
import random
import re
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from types import ModuleType

import numpy as np
import pytest

BENCHES = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def bench() -> Iterator[dict[str, ModuleType]]:
    """The benches' modules by name; they import each other as scripts do."""
    sys.path.insert(0, str(BENCHES))
    import calibration
    import engines
    import factorial
    import landscapes
    import remembered
    import stuck
    import truth

    yield {
        module.__name__: module for module in (calibration, engines, factorial, landscapes, remembered, stuck, truth)
    }
    sys.path.remove(str(BENCHES))


def test_wolf_beats_greedy_where_knobs_interact(bench: dict[str, ModuleType]) -> None:
    run = bench["landscapes"].run
    wolf, greedy = ([run("knobs", name, seed, 50)[0] for seed in range(3)] for name in ("wolf", "greedy"))
    assert fmean(wolf) < 0.75 * fmean(greedy) and sum(a < b for a, b in zip(wolf, greedy, strict=True)) >= 2


def test_the_forecast_is_the_starters_and_noise_is_a_share_of_what_its_start_loses(
    bench: dict[str, ModuleType],
) -> None:
    landscapes = bench["landscapes"]
    place = landscapes.forecast(3)
    files = {"target.py": place.text}
    start = landscapes.Genome.of(files, landscapes.Space.of(files)).values
    judge = landscapes.runpy.run_path(str(landscapes.STARTER / "judge.py"))
    assert place.loss(start) == pytest.approx(judge["score"](landscapes.STARTER, 3) - landscapes.FLOOR)
    assert landscapes.noisier(place, 0.25).noise == pytest.approx(place.loss(start) / 4)
    assert place.loss({**start, "LAST_WEEK": 1.0, "LEVEL": 0.1}) == pytest.approx(
        place.loss({**start, "LAST_WEEK": 1.0})
    )


def test_luck_is_neither_crowned_nor_confirmed(bench: dict[str, ModuleType]) -> None:
    search, null = bench["truth"].search, bench["truth"].null
    crowned, claimed, confirmed = {}, {}, {}
    for name in ("wolf-screening", "greedy"):
        rows = [search(null(seed), name, seed, 100) for seed in range(5)]
        crowned[name], _, _, _, _, claimed[name], _, confirmed[name] = map(sum, zip(*rows, strict=True))
    assert crowned["wolf-screening"] <= 1 < crowned["greedy"]
    assert claimed["greedy"] == 5, "single readings that were picked as the best of a hundred"
    assert confirmed["wolf-screening"] <= 1 and confirmed["greedy"] <= 1


@pytest.mark.parametrize("noise", ["gaussian", "heavy", "uneven"])
def test_what_is_said_of_a_gain_is_as_sure_as_it_says(bench: dict[str, ModuleType], noise: str) -> None:
    calibration, rng = bench["calibration"], np.random.default_rng(0)
    seed, champion = calibration.NOISES[noise](rng, (1000, 5))
    held, luck, *found = calibration.confirmation(seed, champion)
    assert held > 0.93 and luck < 0.045 and found == sorted(found)
    held, luck, _, said, right, *_ = calibration.comparison(seed - champion, rng.standard_normal(1000))
    assert held > 0.93 and luck < 0.075 and said > 0.95 and right > 0.8


def test_the_searchs_own_probabilities_hold_where_their_assumptions_do(bench: dict[str, ModuleType]) -> None:
    calibration, rng = bench["calibration"], np.random.default_rng(0)
    assert calibration.bound(rng.standard_normal((2000, 4)))[0] == pytest.approx(0.75, abs=0.04)
    said, right = calibration.challengers(rng, 20_000, 0.4)
    assert said == pytest.approx(right, abs=0.02)


def test_a_stuck_state_is_where_greedy_stopped_and_a_watch_ends_with_a_true_gain(bench: dict[str, ModuleType]) -> None:
    stuck, landscapes = bench["stuck"], bench["landscapes"]
    place, greedy, _ = stuck.state("traps", 0, 30, 20)
    assert greedy.champion == landscapes.Variant({"target.py": place.text}).id
    search = landscapes.strategy("greedy", place, 5, 200)
    freed = stuck.watch(place, search, landscapes.play(place, search, 5, 200), 200)
    values = search.population.genome(search.champion).values
    start = landscapes.Genome.of({"target.py": place.text}, search.population.space).values
    assert freed.after <= 200 and freed.by == "step" and place.loss(start) - place.loss(values) > 2 * place.noise


def test_what_freed_a_search_is_the_farthest_departure_of_its_line(bench: dict[str, ModuleType]) -> None:
    parents = {"d": ["c"], "c": ["b"], "b": ["a"]}
    kinds = {"a": "baseline", "b": "departure", "c": "kick", "d": "hunt"}
    farthest = bench["stuck"].farthest
    assert farthest("d", kinds, lambda id: parents.get(id, [])) == "kick"
    assert farthest("b", kinds, lambda id: parents.get(id, [])) == "departure"


def test_every_engine_is_made_the_same_proposals(bench: dict[str, ModuleType]) -> None:
    engines = bench["engines"]
    program = engines.PROGRAM.read_text()
    ours = f"# The variant\n\nparams.py\n```python\n{program}\n```\n"
    theirs = f"Example:\n```python\nx = 1\n```\n# Current Program\n```python\n{program}\n```\n# Task"
    answers = []
    for text in (ours, theirs):
        with engines.FakeServer(engines.scripted(3)) as server:
            said = {"model": "m", "messages": [{"role": "system", "content": "Do"}, {"role": "user", "content": text}]}
            request = urllib.request.Request(
                f"{server.url}/v1/chat/completions", json.dumps(said).encode(), {"content-type": "application/json"}
            )
            with urllib.request.urlopen(request) as answer:
                answers.append(json.loads(answer.read())["choices"][0]["message"]["content"])
    blocks = [re.findall(r"SEARCH\n(.*?)\n=======\n(.*?)\n>>>>>>>", answer) for answer in answers]
    assert blocks[0] == blocks[1] != [] and all(old in program for old, _ in blocks[0])
    assert "params.py\n" in answers[0] and "params.py" not in answers[1]


def test_proposals_stay_in_their_ranges(bench: dict[str, ModuleType]) -> None:
    engines, program = bench["engines"], bench["engines"].PROGRAM.read_text()
    for n in range(300):
        for old, new in engines.propose(program, random.Random(n)):
            program = program.replace(old, new)
    knobs: dict[str, object] = {}
    exec(program, knobs)
    assert 1e-5 <= float(str(knobs["LEARNING_RATE"])) <= 1 and knobs["OPTIMIZER"] in ("sgd", "adam", "lion")
    assert isinstance(knobs["DEPTH"], int) and 1 <= knobs["DEPTH"] <= 24 and isinstance(knobs["NORM"], bool)


def test_a_real_search_is_free_when_it_believes_a_gain_that_fresh_seeds_confirm(bench: dict[str, ModuleType]) -> None:
    def step(variant: str, champion: str, score: float | None, **more: object) -> dict[str, object]:
        return {"variant": variant, "champion": champion, "score": score, "purpose": "hunt", "expedition": None} | more

    trip = step("b", "a", None, expedition=0, launch="kick", parents=["a"], purpose="expedition")
    steps = [step("a", "a", 3.0), step("a", "a", 3.02), trip, step("c", "c", 2.5, expedition=0, parents=["b"])]
    ends = {
        "wolf": [*steps, {"fresh": [2.6, 2.61], "start": [3.1, 3.12]}],
        "lucky": [*steps, {"fresh": [3.08, 3.1], "start": [3.1, 3.12]}],
        "continued": [*steps[:2], *steps, {"fresh": [2.6, 2.61], "start": [3.5, 3.5]}],
    }
    freed = bench["stuck"].confirmed(ends, 3)
    assert (freed["wolf"].after, freed["wolf"].by) == (4, "kick")
    assert (freed["lucky"].after, freed["lucky"].by) == (float("inf"), "")
    assert freed["continued"].after == 3


def test_every_mechanism_is_off_in_half_of_the_searches_whatever_the_others_are(bench: dict[str, ModuleType]) -> None:
    factorial = bench["factorial"]
    for seed in range(2):
        rows = factorial.design(seed)
        assert (rows.T @ rows == 12 * np.eye(11)).all() and (rows.sum(axis=0) == 0).all()
    assert (factorial.design(0) == -factorial.design(1)).all()
    names = [factorial.arm(row) for row in factorial.design(0)]
    assert "wolf-" + "-".join(factorial.FACTORS) in names and sum("escape" in name for name in names) == 6
    place = bench["landscapes"].nk(0)
    with pytest.raises(SystemExit, match="no mechanism is called escap; there are screening, climb"):
        bench["landscapes"].strategy("wolf-novelty-escap", place, 0, 100)


def test_what_is_remembered_is_counted_once(bench: dict[str, ModuleType]) -> None:
    shared, seen = ["x" * 1000], set()  # type: ignore[var-annotated]
    size, count = bench["remembered"].deep({"a": shared, "b": [shared]}, seen)
    assert 1000 < size < 2000 and count == 6  # the dict, two names, two lists, a text
    assert bench["remembered"].deep([shared, len], seen)[1] == 1
