"""What is released is what is in the repository: no file more, none less, and every version is pinned."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PACKAGES = ("wolf", "judges", "population", "train_target")
pytestmark = pytest.mark.skipif(
    not (ROOT / ".git").exists() or not shutil.which("git"), reason="not a checkout: there is nothing to compare with"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and an sdist, built by the backend that pyproject.toml names."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", folder], cwd=ROOT, check=True, capture_output=True
    )
    return folder


@pytest.fixture(scope="module")
def ours() -> set[str]:
    """The files of the repository: those that git knows or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return {file for file in listed if (ROOT / file).is_file()}


def test_the_sdist_is_the_repository(built: Path, ours: set[str]) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
        assert not [member.name for member in archive if not member.isfile()]
        assert files - {"PKG-INFO"} == ours
        for member in archive:
            name = member.name.partition("/")[2]
            if name in ours:
                packed = archive.extractfile(member)
                assert packed is not None and packed.read() == (ROOT / name).read_bytes()


def test_the_wheel_is_the_packages_and_the_presets(built: Path, ours: set[str]) -> None:
    expected = {file for file in ours if file.startswith(tuple(f"{package}/" for package in PACKAGES))}
    expected |= {f"wolf/_{file}" for file in ours if file.startswith("configs/")}
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        files = {name for name in wheel.namelist() if ".dist-info/" not in name}
        assert files == expected
        assert not [name for name in files if name.endswith(".pth")]
        for name in files:
            assert wheel.read(name) == (ROOT / name.replace("wolf/_configs/", "configs/")).read_bytes()
    for package in PACKAGES:
        assert f"{package}/py.typed" in files


def test_the_lock_file_pins_all_that_development_needs_here() -> None:
    """Down to the last requirement of a requirement, at the version that is installed."""
    wanted, found = [Requirement("auto-wolf[dev]")], {}
    extras: dict[str, set[str]] = {}
    while wanted:
        wish = wanted.pop()
        name = plain(wish.name)
        new = ({""} | wish.extras) - extras.get(name, set())
        extras[name] = extras.get(name, set()) | new
        found[name] = metadata.version(name).partition("+")[0]
        lines = map(Requirement, metadata.requires(name) or ())
        wanted += [line for line in lines for extra in new if not line.marker or line.marker.evaluate({"extra": extra})]
    del found["auto-wolf"]
    assert found.items() <= pins().items(), "pip install -c constraints.txt -e '.[dev]', or pin what is new"


def test_the_extras_of_the_project_are_resolved_by_its_pins() -> None:
    """Every requirement of an extra admits the version that the lock file has, where it has one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert {"ray", "web", "embeddings", "trackers", "bench"} <= extras.keys()
    for line in [*project["dependencies"], *(line for extra in extras.values() for line in extra)]:
        wish = Requirement(line)
        assert plain(wish.name) not in pins() or wish.specifier.contains(pins()[plain(wish.name)]), line


def plain(name: str) -> str:
    """A project's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    """The lock file."""
    lines = re.findall(r"^([\w.-]+)==([\w.+]+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    return {plain(name): version for name, version in lines}
