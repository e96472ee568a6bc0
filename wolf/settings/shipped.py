"""What comes with Auto Wolf besides code: presets and example targets, in a wheel as in a checkout.

In a wheel the presets lie in `wolf/_configs`, in a checkout in `configs/`; `train_target` lies beside `wolf` in both.
`builtin:train_target` names the latter wherever it is, so that a configuration that uses it can be moved.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from shlex import quote

from wolf.errors import UsageError

BUILTIN = "builtin:"
HOUSE = Path(__file__).resolve().parents[2]
PACKED = HOUSE / "wolf" / "_configs"
CONFIGS = PACKED if PACKED.is_dir() else HOUSE / "configs"


def resolve(path: str) -> Path:
    """A path as a configuration may write it: `builtin:train_target/train.py`, `~/data`, or a plain one."""
    if not path.startswith(BUILTIN):
        return Path(path).expanduser()
    head, _, rest = path.removeprefix(BUILTIN).partition("/")
    return (CONFIGS if head == "configs" else HOUSE / head) / rest


def presets() -> list[str]:
    """The names of the presets."""
    return sorted(path.stem for path in CONFIGS.glob("*.yaml"))


def find(name: str, folder: Path | None = None) -> Path:
    """The YAML file that `name` means: a path (relative to `folder`), or the bare name of a preset.

    Raises:
        UsageError: if there is no such file.
    """
    folders = name not in presets() and Path(folder or "", name).is_dir()
    if folders or "/" in name or name.endswith((".yaml", ".yml")):
        path = Path(folder or "", Path(name).expanduser())
        if path.is_file():
            return path
        if (path / "ledger.db").is_file():
            typed = quote(str(path))
            raise UsageError(f"{path} is a run; `wolf resume {typed}` goes on with it, `wolf report {typed}` shows it")
        if path.is_dir():
            raise UsageError(f"{path} is a folder; name the file, such as {path / 'task.yaml'}")
        raise UsageError(f"there is no file {path}; `wolf init` makes a first configuration")
    path = CONFIGS / f"{name}.yaml"
    if path.is_file():
        return path
    if Path(folder or "", name).is_file():
        raise UsageError(
            f"{name} is no configuration: expected a YAML file, such as task.yaml, or the name of a preset"
        )
    near = get_close_matches(name, presets(), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"the presets are {', '.join(presets()) or 'missing'}."
    raise UsageError(f"there is no preset {name!r}: {hint} A file of your own needs its ending, such as ./{name}.yaml")
