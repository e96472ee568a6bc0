"""How large the report is, what it takes to write, and how it scrolls: runs of many variants of train_target.

python benchmarks/report.py 1000 10000
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from population.genome import Genome
from population.knobs import Space
from population.variant import Variant
from wolf.reading.records import load_run
from wolf.report import render
from wolf.settings.target import Target
from wolf.store.ledger import Ledger

EDITED = 0.3  # share of variants in which ten lines are new, as after an edit by a language model
FAILING = 0.1


def fill(path: Path, count: int) -> None:
    """A run of `count` variants, each of a few other knobs than one of the best before it."""
    from wolf.settings.config import load

    config = load("val_bpb_cpu", ())
    seed, rng = Target.of(config.target).seed(), random.Random(0)
    space = Space.of(seed.files, config.to_dict()["target"]["knobs"])
    header = {
        "format": 1, "version": "bench", "name": "bench", "strategy": "wolf", "seed": 0, "slots": 1, "judge": "command",
        "metric": "val_bpb", "goal": "minimize", "target": "", "seed_variant": seed.id, "noise": None,
        "sandbox": "none", "trust": "reported", "config": config.to_dict(),
    }  # fmt: skip
    best, score, elite = seed, 4.0, [seed]
    with Ledger.create(path, header, [seed]) as ledger:
        for n in range(count):
            parent = rng.choice(elite)
            made = parent if n == 0 else _child(parent, space, rng, n)
            failed = n > 0 and rng.random() < FAILING
            value = score + abs(rng.gauss(0, 0.2)) - 0.01
            asked = {"ordinal": n, "variant": made.id, "seed": n, "purpose": "hunt" if n else "baseline",
                     "expedition": None, "parents": list(made.parents), "origin": made.origin, "note": made.note,
                     "changes": {"LR": [0.1, 0.2]} if n else {}, "predicted": None}  # fmt: skip
            if n == 0 or (not failed and value < score):
                best, score = made, value
                elite = [*elite[-20:], made]
            champion = {"id": best.id, "mean": score, "sigma": 0.01, "n": 1}
            reading = {"status": "crashed" if failed else "ok", "score": None if failed else value, "metrics": {},
                       "feedback": "ValueError: no" if failed else "", "seconds": 11.0, "cost": 0.0, "seed": n,
                       "fidelity": 1.0}  # fmt: skip
            told = {"ordinal": n, "variant": made.id, "purpose": asked["purpose"], "evaluation": reading,
                    "admission": {"kind": "failed" if failed else "admitted", "reason": "in the pool", "evicted": None},
                    "estimate": None if failed else {"mean": value, "sigma": 0.01, "n": 1}, "champion": champion,
                    "evaluations": n + 1, "heat": 0.0, "noise": 0.01}  # fmt: skip
            ledger.append([("asked", asked), ("told", told)], [made])


def _child(parent: Variant, space: Space, rng: random.Random, n: int) -> Variant:
    genome = Genome.of(parent.files, space)
    names = rng.sample([*genome.values], min(3, len(genome.values)))
    made = genome.replace({name: space[name].at(rng.random()) for name in names}).files()
    if rng.random() < EDITED:
        lines = made["train.py"].split("\n")
        at = rng.randrange(len(lines) - 20)
        lines[at : at + 10] = [f"# edit {n}, line {k}: {rng.random()}" for k in range(10)]
        made = {**made, "train.py": "\n".join(lines)}
    return Variant(made, (parent.id,), rng.choice(["perturb:nudge", "llm:edit", "recombine:cross"]), f"LR 0.1 -> {n}")


def browse(page: Path) -> str:
    """Seconds to load, and the longest time between two frames while the table is scrolled to its end."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return "(no browser: pip install -e '.[browser]')"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1200, "height": 900})
        started = time.perf_counter()
        tab.goto(page.as_uri())
        loaded = time.perf_counter() - started
        frames = tab.evaluate("""async () => {
            const box = document.querySelector("#variants .tall"), times = [];
            box.scrollIntoView();
            for (let k = 0, last = performance.now(); k < 120; k++) {
                box.scrollTop = box.scrollHeight * k / 120;
                await new Promise(requestAnimationFrame);
                const now = performance.now(); times.push(now - last); last = now;
            }
            return times.slice(2).sort((a, b) => a - b);
        }""")
        browser.close()
    return f"loads in {loaded:.2f} s, scrolls at {frames[len(frames) // 2]:.0f} ms a frame, {frames[-1]:.0f} at worst"


def main(counts: list[int]) -> None:
    """One line for each number of variants."""
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="wolf-report-") as folder:
            fill(Path(folder) / "run", count)
            run = load_run(Path(folder) / "run")
            started = time.process_time()
            html = render(run)
            took = time.process_time() - started
            page = Path(folder) / "report.html"
            page.write_text(html, "utf-8")
            size = page.stat().st_size / 1e6
            print(f"{count} variants: {size:.2f} MB, {took:.1f} s of CPU to write, {browse(page)}", flush=True)


if __name__ == "__main__":
    main([int(count) for count in sys.argv[1:]] or [1000, 10_000])
