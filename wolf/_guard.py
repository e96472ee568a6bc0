"""Our sister packages must be ours.

PyPI has other packages called `judges` and `population`. pip installs them into the same folder without a word, or
finds them first on the path; the failures that follow are baffling. One look before anything is imported is not.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from wolf.errors import SetupError

SISTERS = {"judges": "base.py", "population": "variant.py", "train_target": "train.py"}


def check_sisters() -> None:
    """Check that `judges`, `population` and `train_target` lie beside `wolf` and are whole.

    Raises:
        SetupError: if another package has the name of one of them.
    """
    house = Path(__file__).resolve().parent.parent
    for name, file in SISTERS.items():
        spec = find_spec(name)
        found = [Path(place).resolve() for place in (spec.submodule_search_locations or ())] if spec else []
        if found[:1] != [house / name] or not (house / name / file).is_file():
            where = f"the one in {found[0]}" if found else "none"
            raise SetupError(
                f"Auto Wolf's package {name!r} should lie in {house}, but Python finds {where}; another package of "
                "that name is in the way: install into an environment of its own (`uv tool install auto-wolf`)"
            )
