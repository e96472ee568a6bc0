"""Templates: what a person wrote puts slots together, and the search reads them again."""

from __future__ import annotations

import random
from itertools import product

import pytest

from population import frames, statements
from population.genome import Genome
from population.knobs import Space
from population.ranges import KnobError
from wolf.settings.config import load
from wolf.settings.target import Target

SAID = {
    "frame": {"file": "h.txt", "templates": ["{who} {deed}.", "{who} {deed}, And {end}.", "{end} When {who} {deed}."]},
    "who": {"file": "h.txt", "choices": ["A City", "One City"]},
    "deed": {"file": "h.txt", "choices": ["Closed A Street", "Opened A Park"]},
    "end": {"file": "h.txt", "choices": ["The Air Got Better", "Nobody Complained"]},
}
SEED = {"h.txt": "A City Closed A Street.\n"}


def test_a_slot_that_only_a_template_has_is_a_knob_all_the_same() -> None:
    space = Space.of(SEED, SAID)
    assert space.names == ("who", "deed", "end") and space.frames == {"h.txt": tuple(SAID["frame"]["templates"])}
    assert Genome.of(SEED, space).values == {"who": "A City", "deed": "Closed A Street"}


def test_every_template_is_reached_and_keeps_the_phrases_that_it_shares() -> None:
    space, seen = Space.of(SEED, SAID), set()
    for seed in range(60):
        edit = statements.reframe(Genome.of(SEED, space), space, random.Random(seed))
        if edit is None:
            continue
        text = edit.files["h.txt"]
        seen.add(text)
        values = Genome.of(edit.files, space).values
        assert values["who"] == "A City" and values["deed"] == "Closed A Street" and text != SEED["h.txt"]
    assert seen == {
        text
        for end in SAID["end"]["choices"]
        for text in (f"A City Closed A Street, And {end}.\n", f"{end} When A City Closed A Street.\n")
    }


def test_without_templates_there_is_nothing_to_do() -> None:
    space = Space.of(SEED, {name: said for name, said in SAID.items() if name in ("who", "deed")})
    assert statements.reframe(Genome.of(SEED, space), space, random.Random(0)) is None


@pytest.mark.parametrize(
    ("templates", "sentence"),
    [
        (["{who} {did}."], "names {did}, which is no slot of h.txt"),
        (["Nothing."], "must name slots in braces, each once"),
        (["{who} {who}."], "each once"),
        (["{who} And One City {deed}."], "the choice 'A City' of who could not be told from the text around it"),
    ],
)
def test_a_template_that_cannot_be_read_again_is_one_sentence(templates: list[str], sentence: str) -> None:
    said = {**SAID, "frame": {"file": "h.txt", "templates": templates}}
    said = said if "{end}" in str(templates) else {name: it for name, it in said.items() if name != "end"}
    with pytest.raises(KnobError) as caught:
        Space.of(SEED, said)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_templates_stand_with_a_file_and_nothing_else() -> None:
    with pytest.raises(KnobError, match="stands with `file`, and with nothing else"):
        Space.of(SEED, {"frame": {"templates": ["{who}."]}})


def test_every_headline_of_the_preset_can_be_read_again() -> None:
    config = load("headline")
    space = Space.of(Target.of(config.target).seed().files, config.target.knobs)
    made = set()
    for template in space.frames["headline.txt"]:
        choices = {name: [str(choice) for choice in space[name].choices] for name in frames.slots(template)}
        for phrases in product(*choices.values()):
            texts = dict(zip(choices, phrases, strict=True))
            text = frames.filled(template, texts)
            assert Genome.of({"headline.txt": text}, space).values == texts
            made.add(text)
    assert len(made) > 2000
