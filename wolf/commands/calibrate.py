"""`wolf calibrate`: a configuration's judges against what people chose."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wolf.errors import UsageError

if TYPE_CHECKING:
    from judges.calibrate import Choose
    from judges.llm import Prompt, Reply
    from wolf.llm.client import Model
    from wolf.llm.prices import Price
    from wolf.settings.config import Config


@click.command()
@click.argument("config")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--pairs", required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="CSV: won,lost or a,b,impressions_a,clicks_a,impressions_b,clicks_b; optionally group.")  # fmt: skip
@click.option(
    "--most", type=click.IntRange(1), default=1000, show_default=True, help="Largest number of pairs to ask about."
)
@click.option("--judge", "only", multiple=True, help="Measure only this judge; repeatable.")
def command(config: str, overrides: tuple[str, ...], pairs: Path, most: int, only: tuple[str, ...]) -> None:
    """Measure the judges of CONFIG (with OVERRIDES, `a.b=value`) on pairs of texts of which people chose one.

    Prints how often each judge is right, how often the order of the texts decides, and how many independent votes the
    panel is worth. A model gets about 1.05 requests per pair; readers cost nothing.
    """
    from judges.calibrate import judges_of, measure, report
    from judges.pairs import PairsError, read_pairs
    from judges.panel import PanelJudge
    from wolf.settings.config import load

    loaded = load(config, overrides)
    try:
        found = read_pairs(pairs)
    except PairsError as error:
        raise UsageError(str(error)) from error
    if len(found) > most:
        click.echo(f"{most} of {len(found)} pairs, drawn at random")
        found = random.Random(0).sample(found, most)
    with _models(loaded) as models:
        judges = judges_of(loaded.judge, models)
        measured = [measure(name, choose, found) for name, choose in _chosen(judges, only, config).items()]
        lines = report(measured, weights=isinstance(loaded.judge, PanelJudge))
        dollars = {name: model.dollars for name, model in models.items() if model.dollars}
    for line in lines[:-1]:
        click.echo(line)
    if dollars:
        click.echo("cost: " + ", ".join(f"{name} ${spent:.4f}" for name, spent in dollars.items()))
    click.echo(lines[-1])


def _chosen(judges: Mapping[str, Choose], only: tuple[str, ...], config: str) -> Mapping[str, Choose]:
    if not judges:
        raise UsageError(f"the judge of {config} does not compare texts; calibrate knows judge kinds reader and panel")
    if unknown := set(only) - judges.keys():
        raise UsageError(f"{config} has no judge {sorted(unknown)[0]!r}; its judges are {', '.join(judges)}")
    return {name: choose for name, choose in judges.items() if not only or name in only}


class _Asked:
    """A model as an `LLM`: one attempt per prompt, and what goes wrong is no answer."""

    def __init__(self, model: Model, price: Price | None) -> None:
        self._model = model
        self._price = price
        self.dollars = 0.0

    def ask(self, prompt: Prompt) -> Future[Reply]:
        """See `judges.llm.LLM`."""
        from judges.llm import Unanswered
        from wolf.llm.client import Fault, Kind

        future: Future[Reply] = Future()
        try:
            reply = self._model.send(prompt).result()
            self.dollars += self._price.cost(reply.usage) if self._price else 0.0
            future.set_result(reply)
        except Fault as fault:
            if fault.kind is Kind.FATAL:
                raise UsageError(f"the model cannot be asked: {fault}") from fault
            future.set_exception(Unanswered(str(fault)))
        return future


@contextmanager
def _models(config: Config) -> Iterator[Mapping[str, _Asked]]:
    """The models that the configuration's judges ask."""
    if config.llm is None:
        yield {}
        return
    from wolf.llm.models import build

    models = build(config.llm)[0]
    try:
        yield {name: _Asked(model, config.llm.price(name)) for name, model in models.items()}
    finally:
        for model in models.values():
            model.close()
