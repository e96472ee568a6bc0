from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from wolf.reading.records import Run, load_run
from wolf.reading.rows import Belief
from wolf.report import landscape, page, sides, story, texts, vain
from wolf.report.command import render
from wolf.report.descent import descent
from wolf.report.effects import effects
from wolf.report.ground import Ground, survey
from wolf.report.trust import trust
from wolf.store.events import Event

Story = Callable[..., list[Event]]
WriteRun = Callable[..., Path]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Run:
    from tests.wolf.conftest import make_steps
    from wolf.store.ledger import Ledger

    path = tmp_path_factory.mktemp("runs") / "demo"
    steps = make_steps(80)
    with Ledger.create(path, steps[0][0][0][1]) as ledger:
        ledger.append([], steps[0][1])
        for records, variants in steps[1:]:
            ledger.append(records, variants)
    return load_run(path)


@pytest.fixture(scope="module")
def ground(demo: Run) -> Ground:
    return survey(demo)


def test_the_map_keeps_what_is_near_near(demo: Run, ground: Ground) -> None:
    points, kept = landscape.embed(ground)
    everybody = np.arange(len(ground.index))
    far = ground.distances(everybody, everybody)
    shown = np.linalg.norm(points[:, None] - points[None, :], axis=2)
    upper = np.triu_indices(len(everybody), 1)
    assert np.corrcoef(far[upper], shown[upper])[0, 1] > 0.8
    assert 0.5 < kept <= 1


def test_landmarks_give_nearly_the_map_of_everybody(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = landscape.embed(ground)
    monkeypatch.setattr(landscape, "LANDMARKS", 30)
    some, _ = landscape.embed(ground)

    def between(points: landscape.Points) -> landscape.Points:
        return np.linalg.norm(points[:, None] - points[None, :], axis=2)[np.triu_indices(len(points), 1)]

    assert np.corrcoef(between(whole), between(some))[0, 1] > 0.9


def test_the_map_draws_everybody_once_and_the_champions_path(demo: Run, ground: Ground) -> None:
    drawn = landscape.chart(demo, ground)
    assert drawn is not None
    svg = str(drawn.svg)
    assert svg.count("h0") == len(demo.beliefs)
    assert 'class="trunk"' in svg and "champion</text>" in svg and "seed</text>" in svg
    assert all(0 <= x <= landscape.WIDTH and 0 <= y <= landscape.HEIGHT for x, y in drawn.places)
    assert list(drawn.shades) == sorted(drawn.shades)  # minimised: the best fifth has the lowest scores


def test_variants_that_nothing_tells_apart_have_no_map(demo: Run, ground: Ground) -> None:
    same = Ground(ground.space, ground.index, ground.values, ground.units * 0, ground.signatures * 0)
    assert landscape.chart(demo, same) is None


def test_effects_show_every_knob_the_most_telling_first(demo: Run, ground: Ground) -> None:
    shown = effects(demo, ground)
    assert sorted(effect.knob for effect in shown) == ["ACTIVATION", "DEPTH", "LR"]
    assert [effect.size for effect in shown] == sorted((effect.size for effect in shown), reverse=True)
    numbers = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", "".join(str(effect.svg) for effect in shown))
    assert numbers and "nan" not in "".join(str(effect.svg) for effect in shown)


def test_effects_need_some_scores(write_run: WriteRun, tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path / "short", evaluations=4, end="stopped"))
    assert effects(run, survey(run)) == []


def test_the_archive_gives_every_text_back(demo: Run) -> None:
    kept = texts.archive(demo)
    assert set(kept["variants"]) == set(demo.variants)
    for id in demo.variants:
        expected = {path: text.removesuffix("\n").split("\n") for path, text in demo.files(id).items()}
        assert texts.restored(kept, id) == expected


def test_the_archive_is_cut_to_size_and_keeps_the_most_interesting(demo: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "MOST_BYTES", 2500)
    kept = texts.archive(demo)["variants"]
    assert demo.header.seed_variant in kept and demo.champion in kept and len(kept) < len(demo.variants)


@given(
    st.lists(st.sampled_from(["a", "b", "", "c d"]), max_size=12),
    st.lists(st.sampled_from(["a", "b", "", "x"]), max_size=12),
)
def test_both_sides_can_be_read_off_the_rows(old: list[str], new: list[str]) -> None:
    before, after = {"f": "".join(t + "\n" for t in old)}, {"f": "".join(t + "\n" for t in new)}
    rows = sides.rows(before, after)
    assert bool(rows) == (before != after)
    for row in rows:
        left, right = "".join(row.left), "".join(row.right)
        if row.left_number:
            assert old[row.left_number - 1] == left
        if row.right_number:
            assert new[row.right_number - 1] == right
        assert row.kind != "same" or left == right
    assert [r.left_number for r in rows if r.left_number] == sorted(r.left_number for r in rows if r.left_number)
    cut = [k for k, _ in enumerate(old, 1) if k not in {r.left_number for r in rows}]
    added = [k for k, _ in enumerate(new, 1) if k not in {r.right_number for r in rows}]
    assert [old[k - 1] for k in cut] == [new[k - 1] for k in added]  # what is not shown is equal


def test_answers_say_what_is_asked_in_the_morning(demo: Run) -> None:
    said = dict(story.answers(demo))
    assert "5 seeds that the search never used" in said["Is it real?"]
    assert "LR 0.02 →" in said["What changed?"]
    assert "1 expedition set out: 1 found a new champion." in said["Where did it get stuck, and what got it out?"]
    assert "evaluations failed, most often" in said["What was tried in vain?"]
    cost = "80 evaluations in 3m 40s; 2 workers judged for 7m 48s in all."  # readings side by side: more than the time
    assert said["What did it cost?"].startswith(cost)


@pytest.mark.parametrize(
    ("better", "said"),
    [
        (-0.02, "is 0.020 behind."),
        (0.0, "is level with it."),
        (0.02, "is 0.020 ahead by its mean, but ± 0.090 against ± 0.015."),
    ],
)
def test_the_closest_miss_is_never_a_negative_number_behind(better: float, said: str) -> None:
    from tests.wolf.conftest import make_events

    run = Run.of(make_events())
    miss, champion = story.misses(run, 1)[0], run.champion or ""
    first = run.beliefs[champion]
    run.beliefs.clear()
    run.beliefs.update({champion: first, miss: Belief(first.mean - better, 0.09, 1)})
    assert f"The closest miss, {miss[:8]}, {said}" in dict(story.answers(run))["What was tried in vain?"]


@pytest.mark.parametrize(
    ("end", "said"),
    [("stopped", "Not confirmed yet: "), ("finished", "Not confirmed: ")],
)
def test_where_nothing_is_confirmed_the_scores_of_the_search_are_called_so(end: str, said: str) -> None:
    from tests.wolf.conftest import make_events

    *events, last = make_events(end=end)
    run = Run.of([*events, structs.replace(last, body={**last.body, "gain": None})])
    real = dict(story.answers(run))["Is it real?"]
    assert real.startswith(said) and "overestimated" not in real
    assert ("two fresh readings each" in real) == (end == "finished")
    (small,) = [small for label, _, small in page.PARTS["top"](run)["tiles"] if label == "gain"]
    assert small.endswith(", by search scores")


@pytest.mark.parametrize(
    ("outcome", "said"), [("niche", "found a new niche"), ("empty", "found nothing"), (None, "unfinished")]
)
def test_an_expedition_has_the_same_fate_in_words_table_and_picture(outcome: str | None, said: str) -> None:
    from tests.wolf.conftest import make_events

    run = Run.of(make_events())
    ((number, trip),) = run.expeditions.items()
    run.expeditions[number] = structs.replace(trip, outcome=outcome)
    html = render(run)
    assert f"1 {said}." in html and f": {said}</title>" in html and f"<td>{said}</td>" in html


def test_droughts_are_the_stretches_between_crowns(demo: Run) -> None:
    found = story.droughts(demo)
    assert len(found) == len(demo.crowned) + 1
    assert found[-1].way_out is None and found[-1].end == 80
    assert all(a.end == b.start for a, b in pairwise(found))


def test_misses_never_were_the_champion(demo: Run) -> None:
    crowned = {crown.variant for crown in demo.crowned}
    rows = vain.closest(demo)
    assert rows and not crowned & {row["id"] for row in rows}
    assert [row["gain"].mean for row in rows] == sorted(row["gain"].mean for row in rows)


def test_earnings_count_each_variant_once(demo: Run) -> None:
    tried = {told.variant for told in demo.searched}
    assert sum(row.tried for row in vain.operators(demo)) == len(tried)
    assert sum(row.crowned for row in vain.operators(demo)) == len(demo.crowned)
    assert all(row.tried <= len(tried) for row in vain.knobs(demo))


def test_the_tree_folds_and_counts_what_it_hides(demo: Run) -> None:
    html = str(descent(demo, 3))
    assert html.count("<details>") == html.count("</details>") > 0
    shown = re.findall(r"<code>(\w+)</code>", html)
    assert len(shown) == len(set(shown)) and demo.champion in shown
    hidden = sum(int(n) for n in re.findall(r"\(\+(\d+) not kept\)", html))
    assert len(shown) + hidden == len(demo.variants)


def test_trust_says_how_often_the_model_was_right_and_what_repetition_shows(demo: Run) -> None:
    said = dict(trust(demo, 3))
    assert re.match(r"\d+ of \d+ first readings", said["the surrogate"])
    assert "degrees of freedom" in said["replicates"] and said["sandbox"].startswith("bubblewrap")
    assert "audits" not in said  # this judge has none
