"""`wolf doctor`: what works on this machine, what does not, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import click

from wolf import _guard
from wolf.errors import WolfError

GIB = 2**30
NETWORK = {"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "lustre", "ceph", "glusterfs"}


class Health(StrEnum):
    """How good a finding is."""

    OK = "ok"
    LIMITED = "limited"  # works, with less than there could be
    BROKEN = "broken"  # `wolf run` cannot work


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and a sentence about it."""

    what: str
    health: Health
    text: str


def examine(runs: Path) -> Iterator[Finding]:
    """Look at the installation, the machine and the place where runs go, one after the other."""
    for look in (_python, _packages, _sandbox, _processor, _memory, _gpu, _git):
        yield look()
    yield from (_disk(runs), _ledger(runs))


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", Health.OK, f"{version} in {sys.prefix}")


def _packages() -> Finding:
    try:
        _guard.check_sisters()
        versions = [f"{name} {importlib.metadata.version(name)}" for name in ("torch", "numpy", "scipy", "deap")]
    except WolfError as error:
        return Finding("packages", Health.BROKEN, str(error))
    except importlib.metadata.PackageNotFoundError as error:
        return Finding("packages", Health.BROKEN, f"{error.name} is not installed: pip install {error.name}")
    return Finding("packages", Health.OK, ", ".join(versions))


def _sandbox() -> Finding:
    """Attack what candidates would be locked into."""
    from judges import cage, sandbox

    verdict = sandbox.strongest()
    lacks = [*verdict.missing, *filter(None, [sandbox.unlimited(verdict.level)])]
    missing = "".join(f"; {sentence}" for sentence in lacks)
    if verdict.level is cage.Level.NONE:
        return Finding("sandbox", Health.BROKEN, f"none holds, so runs need {sandbox.FLAG}{missing}")
    health = Health.LIMITED if missing else Health.OK
    return Finding("sandbox", health, f"{verdict.level} holds: every attack from inside failed{missing}")


def _processor() -> Finding:
    from wolf.machines.here import cores

    count, load = len(cores()), os.getloadavg()[0]
    if load > count:
        return Finding("processor", Health.LIMITED, f"{count} cores, but the load is {load:.1f}: timings will be poor")
    return Finding("processor", Health.OK, f"{count} cores, load {load:.1f}")


def _memory() -> Finding:
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
    health = Health.OK if free > 1 else Health.LIMITED
    return Finding("memory", health, f"{free:.1f} GiB free" + ("" if free > 1 else ": use few worker slots"))


def _gpu() -> Finding:
    """Ask the driver, not torch: importing torch takes seconds."""
    from wolf.machines import gpus

    there = gpus.found()
    if not there:
        return Finding("gpu", Health.LIMITED, "none found: training runs on the CPU (preset val_bpb_cpu)")
    kinds = Counter(f"{gpu.kind} ({gpu.megabytes / 1024:.0f} GiB)" for gpu in there)
    said = ", ".join(f"{count} x {kind}" for kind, count in kinds.items())
    mixed = "; a run uses those of one kind" if len({gpu.kind for gpu in there}) > 1 else ""
    return Finding("gpu", Health.OK, f"{said}, one evaluation each with workers: {{slots: auto}}{mixed}")


def _git() -> Finding:
    if shutil.which("git"):
        return Finding("git", Health.OK, "found: targets in a checkout are copied without what git ignores")
    return Finding("git", Health.LIMITED, "not found: targets are copied whole; list big folders in judge.exclude")


def _disk(runs: Path) -> Finding:
    place = _existing(runs)
    free = shutil.disk_usage(place).free / GIB
    if not os.access(place, os.W_OK):
        return Finding("disk", Health.BROKEN, f"{place} cannot be written; set runs: to a folder of yours")
    health = Health.OK if free > 1 else Health.LIMITED
    return Finding("disk", health, f"{free:.1f} GiB free for {runs}")


def _ledger(runs: Path) -> Finding:
    """Write one where runs go: a file system without locks or a shared memory map cannot hold it."""
    from wolf.store.ledger import Ledger

    place = _existing(runs)
    if (kind := _file_system(place)) in NETWORK:
        return Finding("ledger", Health.LIMITED, f"{place} is on {kind}: locks may not hold; set runs: to a local disk")
    try:
        with tempfile.TemporaryDirectory(dir=place, prefix=".wolf-doctor-") as folder:
            Ledger.create(Path(folder), {}).close()
    except (OSError, WolfError) as error:
        return Finding("ledger", Health.BROKEN, str(error))
    return Finding("ledger", Health.OK, f"SQLite {sqlite3.sqlite_version}, durable on {kind or 'this disk'}")


def _existing(path: Path) -> Path:
    return next(place for place in (path.absolute(), *path.absolute().parents) if place.is_dir())


def _file_system(place: Path) -> str:
    """The type of the file system of `place`, from the longest mount point above it; empty where /proc is not."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text("utf-8", "replace").splitlines()]
    except OSError:
        return ""
    above = [(len(mount[1]), mount[2]) for mount in mounts if place.resolve().is_relative_to(mount[1])]
    return max(above, default=(0, ""))[1]


@click.command()
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), help="Folder for runs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(ctx: click.Context, runs: Path, as_json: bool) -> None:
    """Say what works on this machine, what does not, and how to fix it. Exit code 3 if `wolf run` cannot work."""
    findings = []
    for finding in examine(runs):
        findings.append(finding)
        if not as_json:
            color = {Health.OK: "green", Health.LIMITED: "yellow", Health.BROKEN: "red"}[finding.health]
            click.echo(f"  {click.style(f'{finding.health:<8}', fg=color)} {finding.what:<10} {finding.text}")
    broken = any(finding.health is Health.BROKEN for finding in findings)
    if as_json:
        click.echo(json.dumps({"ok": not broken, "findings": [asdict(finding) for finding in findings]}))
    ctx.exit(3 if broken else 0)
