"""A long night in two hours: a run in which everything goes wrong at once, and what it left behind.

    python benchmarks/soak.py [--evaluations 2000] [--sleep 10] [--kills 0.05] [--keep]
    python benchmarks/soak.py --samples FOLDER      what a soak that was kept says of memory, once more

Each kind of fault strikes 5 % of the evaluations (the candidate crashes, is killed, hangs and ignores SIGTERM, leaves a
daemon, runs out of memory, prints garbage, prints NaN, prints nothing, fills its disk), or of the requests to a played
model (429, 529, connection reset, half an answer, an error in the stream, a byte now and then, an answer cut at its
length, HTML), or the search itself: it is killed with SIGKILL (one time in five stopped with SIGTERM or a double
SIGINT) once for every 20 evaluations, and resumed. All those kills come in the first part, so that the second is one
process that lives long enough for its memory to have a slope; near the end one more kill tells what a fresh process
needs.

The slope is one per hour, and a search knows half a kilobyte more with each evaluation: it is steeper at a higher pace
(`--sleep 5` takes an hour).

How fast memory grows is the median of the slopes between all pairs of looks (Theil and Sen): now and then a look falls
into a moment in which the search's model needs megabytes, and a few of them decide a line of least squares, which is
printed beside it.

Exits with 1 if anything that must hold does not, and then keeps its folder: the run, and all samples of its process.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import linear_regression

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of the replay, for which small matrices are many
REPOSITORY = Path(__file__).parent.parent
SAMPLE_SECONDS = 5.0
RAMP_SECONDS = 20.0  # a session that is to be killed lives up to this
WARM_SECONDS = 300.0  # of a process before its memory is taken for settled
LAST_KILL = 0.97  # of the evaluations
STEEPEST = 1.0  # MB per hour, in the second half of what is settled
SDK = "jiter"  # a library of its own, found in a process's maps
WIRE = ("429-after-2", "529", "reset", "half", "stream-error", "drip", "max_tokens", "200-html")

JUDGE = """
import hashlib, math, os, random, resource, signal, sys, time

text, seed = open("params.py").read(), os.environ["WOLF_SEED"]
rng = random.Random(hashlib.sha256((text + seed).encode()).hexdigest())
fault = int(rng.random() * 20) if text != open("params.seed").read() else 99
time.sleep(float(os.environ["SOAK_SLEEP"]) * rng.uniform(0.7, 1.0))
if fault == 0:
    raise RuntimeError("no such luck")
if fault == 1:
    os.kill(os.getpid(), signal.SIGKILL)
if fault == 2:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(10_000)
if fault == 3 and os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(10_000)
    os._exit(0)
if fault == 4:
    resource.setrlimit(resource.RLIMIT_AS, (400_000_000, 400_000_000))
    hoard = bytearray(10**10)
if fault == 5:
    sys.stdout.buffer.write(random.Random(seed).randbytes(2_000_000))
    sys.exit(0)
if fault == 6:
    print("loss: nan")
    sys.exit(0)
if fault == 7:
    sys.exit(0)
if fault == 8:
    open("junk", "wb").write(bytes(20_000_000))
space = {}
exec(text, space)
best = {"A": 3.0, "B": 0.02, "C": 40.0, "D": 1.0, "E": 0.5, "F": 7.0, "G": 200.0, "H": 0.001}
off = [math.log10(space[name] / value) for name, value in best.items()]
loss = sum(x * x for x in off) + 0.5 * sum(abs(a * b) for a, b in zip(off, off[1:])) + (0.3 if space["SLOW"] else 0.0)
print("loss:", loss + rng.gauss(0.0, 0.02))
"""
PARAMS = "".join(f"{name} = 1.0  # knob: 1e-4 .. 1e4 log\n" for name in "ABCDEFGH") + "SLOW = True\n"
CONFIG = """
name: soak
target: {{root: soak, files: [params.py]}}
judge:
  kind: command
  run: python judge.py
  metric: loss
  seconds: {limit}
  env: {{SOAK_SLEEP: "{sleep}"}}
search: {{surrogate: "on"}}
budget: {{evaluations: {evaluations}, usd: 10000}}
workers: {{slots: 4}}
llm: {{models: [claude-sonnet-5-5, claude-haiku-4-5], base_url: "{url}", seconds: 15}}
"""


@dataclass
class Sample:
    """One look at the process of the search."""

    at: float
    rss: float  # MB
    own: float  # MB of it that belong to no file, which nobody can take back
    descriptors: int
    threads: int
    told: int  # evaluations, in all sessions
    sdk: bool  # whether it has loaded the models' SDK, which it does with its first request


@dataclass
class Soak:
    """What happened."""

    folder: Path
    rng: random.Random = field(default_factory=lambda: random.Random(8))
    sessions: list[list[Sample]] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    survivors: list[float] = field(default_factory=list)
    zombies: Counter[int] = field(default_factory=Counter)
    process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> None:
        """Start a session of the run."""
        env = os.environ | {"PYTHONPATH": str(REPOSITORY), "TMPDIR": str(self.folder / "tmp"), "ANTHROPIC_API_KEY": "x"}
        with (self.folder / "errors.txt").open("ab") as errors, (self.folder / "events.jsonl").open("ab") as out:
            command = [sys.executable, "-m", "wolf", *arguments, "--json"]
            self.process = subprocess.Popen(command, cwd=self.folder, env=env, stdout=out, stderr=errors)
        self.sessions.append([])

    def told(self) -> int:
        """Evaluations told so far, by what the run has said."""
        said = self.folder / "events.jsonl"
        return said.read_bytes().count(b'"event": "told"') if said.is_file() else 0

    def watch(self, seconds: float, upto: int) -> bool:
        """Look at the process until it has lived so long, has told so many or is gone; whether it lives."""
        assert self.process is not None
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and self.told() < upto:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(min(SAMPLE_SECONDS, max(0.0, ends - time.monotonic())))
                return False
            self.look()
        return True

    def look(self) -> None:
        """Take a sample of the process, and of children that have ended and that nobody waits for."""
        assert self.process is not None
        pid = self.process.pid
        with suppress(OSError):
            status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            rss, own = (int(status[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon"))
            count, sdk = len(os.listdir(f"/proc/{pid}/fd")), SDK in Path(f"/proc/{pid}/maps").read_text()
            sample = Sample(time.monotonic(), rss, own, count, int(status["Threads"]), self.told(), sdk)
            self.sessions[-1].append(sample)
        for child in processes():
            with suppress(OSError, IndexError):
                state, parent = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[:2]
                if state == "Z" and int(parent) == pid:
                    self.zombies[child] += 1

    def strike(self) -> None:
        """End the session from outside, and see whether anything is left a moment later."""
        assert self.process is not None
        how = self.rng.choice(["SIGKILL"] * 8 + ["SIGTERM", "SIGINT twice"])
        if how == "SIGKILL":
            self.process.kill()
        else:
            self.process.send_signal(signal.SIGTERM if how == "SIGTERM" else signal.SIGINT)
            if how == "SIGINT twice":
                time.sleep(0.5)
                self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            how += ", in vain"
            self.process.kill()
            self.process.wait()
        self.ends[how] += 1
        self.codes[f"{how}: {self.process.returncode}"] += 1
        gone = time.monotonic()
        while self.left() and time.monotonic() - gone < 30:
            time.sleep(0.1)
        self.survivors.append(time.monotonic() - gone)

    def left(self) -> list[int]:
        """Processes of candidates: their temporary files lie in our folder."""
        mark, found = f"TMPDIR={self.folder}/tmp/".encode(), []
        for pid in processes():
            with suppress(OSError):
                if mark in Path(f"/proc/{pid}/environ").read_bytes():
                    found.append(pid)
        return found


def processes() -> list[int]:
    """Of this machine."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def slope(
    samples: list[Sample], of: Callable[[Sample], float], along: Callable[[Sample], float]
) -> tuple[float, float]:
    """MB per unit of `along`: the median of the slopes between pairs, and by least squares; NaN of few samples."""
    from scipy.stats import theilslopes

    if len(samples) < 10:
        return float("nan"), float("nan")
    x, y = [along(sample) for sample in samples], [of(sample) for sample in samples]
    return float(theilslopes(y, x).slope), linear_regression(x, y).slope


def main() -> int:
    """Run it and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", type=int, default=2000)
    parser.add_argument("--sleep", type=float, default=10.0, help="seconds that an evaluation sleeps at most")
    parser.add_argument("--kills", type=float, default=0.05, help="of the search, per evaluation")
    parser.add_argument("--keep", action="store_true", help="do not remove the folder when all is well")
    parser.add_argument("--samples", type=Path, metavar="FOLDER", help="print what a soak kept there says of memory")
    arguments = parser.parse_args()
    if arguments.samples:
        looks = json.loads((arguments.samples / "samples.json").read_text())
        memory([[Sample(**look) for look in part] for part in looks])
        return 0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so its children
    folder = Path(tempfile.mkdtemp(prefix="wolf-soak-"))
    print(folder, flush=True)
    soak, begun = Soak(folder), time.monotonic()
    names = [word for name in WIRE for word in ("--fault", name)]
    played = subprocess.Popen(
        [sys.executable, "-m", "wolf", "dev", "fake-llm", "--play", "sloppy", "--port", "0", *names, "--share",
         str(0.05 * len(WIRE)), "--latency", "1", "--log", str(folder / "requests.jsonl")],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert played.stdout is not None
    try:
        (folder / "tmp").mkdir()
        (folder / "soak").mkdir()
        (folder / "soak" / "judge.py").write_text(JUDGE)
        (folder / "soak" / "params.py").write_text(PARAMS)
        (folder / "soak" / "params.seed").write_text(PARAMS)
        url = played.stdout.readline().split(" at ")[1].split(";")[0]
        (folder / "soak.yaml").write_text(CONFIG.format(url=url, limit=arguments.sleep + 6, **vars(arguments)))
        drive(soak, arguments.evaluations, round(arguments.kills * arguments.evaluations))
    finally:
        if soak.process is not None and soak.process.poll() is None:
            soak.process.kill()
        played.kill()
        played.wait()
    good = report(soak, arguments.evaluations, time.monotonic() - begun)
    if not arguments.keep and good:
        shutil.rmtree(folder)
    return 0 if good else 1


def drive(soak: Soak, evaluations: int, kills: int) -> None:
    """The sessions: short ones that are struck down, a long one, and a last one."""
    soak.start("run", "soak.yaml")
    while not list(soak.folder.glob("runs/*/ledger.db")):
        time.sleep(0.1)
    time.sleep(1)
    for n in range(kills):
        if soak.watch(soak.rng.uniform(0, RAMP_SECONDS), evaluations // 2):
            soak.strike()
        if n % 10 == 9:
            print(f"{n + 1} strikes, {soak.told()} told", flush=True)
        soak.start("resume")
    if soak.watch(10 * 3600, round(LAST_KILL * evaluations)):
        soak.strike()
        soak.start("resume")
        soak.watch(10 * 3600, 10 * evaluations)


def report(soak: Soak, evaluations: int, seconds: float) -> bool:
    """Print what was measured; whether all that must hold does."""
    sys.path.insert(0, str(REPOSITORY))
    from wolf.dev.replay import replay
    from wolf.reading.finding import find_run
    from wolf.reading.records import load_run

    where = find_run(soak.folder / "runs")
    run = load_run(where)
    kinds = Counter(event.kind for event in run.events)
    statuses = Counter(told.failure.partition("\n")[0][:40] if not told.ok else "ok" for told in run.told)
    requests = Counter(json.loads(line)["fault"] for line in (soak.folder / "requests.jsonl").read_text().splitlines())
    flights, repeated = flight(run.events)
    spent = sum(e.body.get("cost", 0.0) for e in run.events if e.kind == "call")
    (soak.folder / "samples.json").write_text(
        json.dumps([[asdict(sample) for sample in part] for part in soak.sessions])
    )
    warm, late = settled(soak.sessions)
    fresh = [sample for sample in soak.sessions[-1] if sample.at - soak.sessions[-1][0].at >= 30]
    errors = (soak.folder / "errors.txt").read_text()
    zombies = [pid for pid, seen in soak.zombies.items() if seen > 1]
    print(f"\nwall {seconds / 60:.1f} min, {run.evaluations} evaluations, {len(run.told)} told, events {dict(kinds)}")
    print(f"status {run.status}; outcomes {dict(statuses.most_common(12))}")
    print(f"requests {sum(requests.values())}: {dict(requests)}; ${spent:.2f} on the books")
    print(f"strikes {dict(soak.ends)}, exit codes {dict(soak.codes)}")
    print(f"in flight at a strike and repeated: at most {flights} of 4 slots, {repeated} in all")
    print(f"candidates outlived the search by at most {max(soak.survivors, default=0):.2f} s; zombies {len(zombies)}")
    memory(soak.sessions)
    if fresh:
        loaded = "with" if fresh[-1].sdk else "without"
        print(f"a fresh process that resumes the same history, {loaded} the models' SDK: {fresh[-1].rss:.1f} MB")
    fds = [sample.descriptors for sample in warm]
    quarter = max(1, len(fds) // 4)
    first, last = (sum(part) / max(1, len(part)) for part in (fds[:quarter], fds[-quarter:]))
    threads = max((sample.threads for sample in warm), default=0)
    print(f"descriptors {min(fds, default=0)} to {max(fds, default=0)}, on average {first:.1f} in the first quarter "
          f"and {last:.1f} in the last; threads at most {threads}")  # fmt: skip
    steep, _ = slope(late, lambda sample: sample.rss, lambda sample: sample.at / 3600)
    wrong = replay(where)
    print(f"replay: {len(wrong)} differences {wrong[:3]}")
    checks = {
        "finished": run.status == "finished" and run.evaluations == evaluations,
        "no traceback": "Traceback" not in errors,
        "every signal ended it": not any("in vain" in how for how in soak.ends),
        "no survivor after 1 s": max(soak.survivors, default=0) <= 1.0,
        "no zombie": not zombies,
        "at most what was in flight repeated": flights <= 4,
        "descriptors flat": last <= first + 2,  # each evaluation under way has three
        f"memory grows by at most {STEEPEST:g} MB/h": not steep > STEEPEST,  # NaN where the soak was too short to tell
        "replay identical": not wrong,
        "scratch folders gone": len(os.listdir(soak.folder / "tmp")) <= 4 * sum(soak.ends.values()),
    }
    print("\n".join(f"{'ok  ' if good else 'FAIL'} {name}" for name, good in checks.items()), flush=True)
    print(f"left in the folder for temporary files: {len(os.listdir(soak.folder / 'tmp'))}")
    return all(checks.values())


def settled(sessions: list[list[Sample]]) -> tuple[list[Sample], list[Sample]]:
    """The looks at the longest session once its memory has settled, and the second half of them."""
    longest = max(sessions, key=len)
    warm = [sample for sample in longest if sample.at - longest[0].at >= WARM_SECONDS]
    return warm, warm[len(warm) // 2 :]


def memory(sessions: list[list[Sample]]) -> None:
    """Print how the memory of the longest session grew."""
    longest, (warm, late) = max(sessions, key=len), settled(sessions)
    took = (longest[-1].at - longest[0].at) / 60
    print(f"longest session {took:.1f} min: RSS {longest[0].rss:.1f} -> {longest[-1].rss:.1f} MB, settled at "
          f"{warm[0].rss if warm else 0:.1f}; its own {longest[0].own:.1f} -> {longest[-1].own:.1f}")  # fmt: skip
    for name, part in (("from there on", warm), ("in the second half of that", late)):
        for what, of in (("resident", lambda sample: sample.rss), ("its own", lambda sample: sample.own)):
            each, _ = slope(part, of, lambda sample: sample.told)
            hourly, least = slope(part, of, lambda sample: sample.at / 3600)
            print(f"{name}, {what}: {hourly:.2f} MB/h (by least squares {least:.2f}), {1000 * each:.2f} kB per "
                  f"evaluation, which at a night's 100 to 200 evaluations per hour is {100 * each:.2f} to "
                  f"{200 * each:.2f} MB/h")  # fmt: skip


def flight(events: list) -> tuple[int, int]:  # type: ignore[type-arg]  # imported late
    """The most evaluations that were under way when a session ended, and their sum."""
    under_way: set[int] = set()
    lost = [0]
    for event in events:
        if event.kind == "asked" and event.body["purpose"] != "confirm":  # those are all asked at once, and wait
            under_way.add(event.body["ordinal"])
        elif event.kind in ("told", "evaluated"):
            under_way.discard(event.body["ordinal"])
        elif event.kind == "resumed":
            lost.append(len(under_way))
    return max(lost), sum(lost)


if __name__ == "__main__":
    sys.exit(main())
