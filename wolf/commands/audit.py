"""`wolf audit`: score the champion of a finished run again, from nothing but its ledger, and say whether it holds."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from shlex import quote

import click

from population.evaluation import Evaluation
from population.variant import Variant
from wolf.commands.locking import choose_level, sandbox_options
from wolf.commands.which import run_argument
from wolf.errors import UsageError
from wolf.reading.records import Run, load_run
from wolf.reading.rows import Told
from wolf.reading.terminal import columns, json_line, line, number
from wolf.reading.verdict import verdict
from wolf.store.events import judged_by_models

Z99 = 2.576


@dataclass(frozen=True, slots=True)
class Check:
    """One reading of the champion, taken again on the same seed.

    Attributes:
        then: the recorded score.
        now: what it scores today.
    """

    then: Told
    now: Evaluation

    def holds(self, spread: float) -> bool:
        """Whether the two agree, given how far one reading varies."""
        if self.now.score is None or self.then.score is None:
            return False
        return abs(self.now.score - self.then.score) <= Z99 * math.sqrt(2) * spread + 1e-9


def readings(run: Run, count: int) -> list[Told]:
    """The champion's last `count` scored readings: on fresh seeds if there are any, else in the search.

    Raises:
        UsageError: if the run is not finished, its champion has no score, or language models gave it.
    """
    if run.final is None:
        typed = quote(str(run.path))
        more = (
            f"`wolf tell {typed} finish` ends its search now"
            if run.locked
            else f"`wolf resume {typed}` goes on with it"
        )
        raise UsageError(f"{run.path} is not finished; {more}")
    if judged_by_models(run.events):
        raise UsageError(
            f"{run.path} was judged by language models, which are asked once; `wolf finalists {quote(str(run.path))}` "
            "counts all of their ballots together"
        )
    scored = [told for told in run.told if told.variant == run.champion and told.score is not None]
    fresh = [told for told in run.confirmations(run.champion) if told.score is not None]
    if not scored:
        raise UsageError(f"the champion of {run.path} has no score to compare with")
    return (fresh or scored)[-count:]


@click.command("audit")
@run_argument
@click.option(
    "--readings", "count", type=click.IntRange(1), default=1, show_default=True, help="Number of readings to repeat."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@sandbox_options
@click.pass_context
def command(ctx: click.Context, run: str | None, count: int, as_json: bool, sandbox: str | None, unsafe: bool) -> None:
    """Score the champion of RUN again on the seeds of its last readings, with a full audit if the judge has one.

    The ledger's hash chain is checked on the way. Exit code 1 if a reading does not hold.
    """
    from wolf.settings.config import Config
    from wolf.settings.target import Target
    from wolf.workers.lease import Leases
    from wolf.workers.local import Job, LocalWorkers, Task
    from wolf.workers.slots import lease

    found = load_run(run)
    wanted = readings(found, count)
    champion = Variant(found.files(str(found.champion)))
    config = Config.from_dict(dict(found.header.config))
    root = Target.of(config.target).root
    task = Task(config.judge, root, choose_level(config, sandbox, unsafe, as_json), config.workers.threads)
    one = config.workers.model_copy(update={"slots": 1})
    checks = []

    def say(sentence: str) -> None:
        click.echo(sentence, err=True)

    with Leases(f"wolf audit {found.path}") as leases, LocalWorkers(task, lease(one, leases, say)) as workers:
        workers.prepare(say)
        for told in wanted:
            last = told.purpose == "confirm"
            checks.append(Check(told, workers.submit(Job(champion, told.seed, last)).result()))
    spread = found.noise or 0.0
    holds, warning = all(check.holds(spread) for check in checks), verdict(found).warning
    if as_json:
        rows = [{"seed": c.then.seed, "then": c.then.score, "now": c.now.score, "status": c.now.status.value,
                 "metrics": dict(c.now.metrics), "holds": c.holds(spread)} for c in checks]  # fmt: skip
        click.echo(json_line({"run": str(found.path), "champion": found.champion, "holds": holds, "readings": rows,
                              "warning": warning}))  # fmt: skip
    else:
        for check in checks:
            click.echo(_sentence(found, check, spread))
        click.echo("the champion holds" if holds else "the champion does NOT hold")
        if warning:
            click.echo(textwrap.fill(warning, columns()))
    ctx.exit(0 if holds else 1)


def _sentence(run: Run, check: Check, spread: float) -> str:
    then, now = check.then, check.now
    said = f"{run.champion} on seed {then.seed}: {run.header.metric} {number(then.score, 6)} then, "
    if now.score is None:
        return line(said + f"now {now.status.value}: {now.feedback}", 400)
    audited = int(now.metrics.get("audited", 0))
    how = f"{audited} rows audited, leak at most {now.metrics['leak']:.2g}" if audited else "believed, not audited"
    return said + f"{number(now.score, 6)} now ({how}); one reading varies by {number(spread, 6)}"
