"""The other end of `judges/function.py`: call one function, print its numbers, `name: value`.

A script, not a module to import: `python -I runner.py CALL METRIC`, in the folder to score.
What the function prints goes to stderr, so that only its numbers are on stdout.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

BOOLS = ("bool", "bool_")  # Python's, and numpy's by either of its names


def main(call: str, metric: str) -> None:
    """Call it; an exception ends the process with a traceback. Without a `metric` nothing is printed.

    Raises:
        TypeError: if the function does not return a number, or a dict of numbers with the metric in it. True and False
            are no scores: whoever returns one compared two numbers and lost by how much. Beside the metric they
            count 1 and 0.
    """
    answer = os.dup(1)
    os.dup2(2, 1)
    place, _, name = call.partition(":")
    folder = Path.cwd()
    if place.endswith(".py"):
        sys.path.insert(0, str((folder / place).parent))
        place = Path(place).stem
    else:
        sys.path.insert(0, str(folder))
    result = getattr(import_module(place), name)(folder, int(os.environ["WOLF_SEED"]))
    numbers = {} if not metric else result if isinstance(result, dict) else {metric: result}
    wanted = f"{call} must return a number, or a dict of numbers with {metric!r} in it"
    if metric and metric not in numbers:
        raise TypeError(f"{wanted}; the one that it returned has {', '.join(map(repr, numbers)) or 'nothing'}"[:600])
    if metric and type(numbers[metric]).__name__ in BOOLS:
        raise TypeError(f"{wanted}, not {result!r:.200}: true or false says nothing of how good it is")
    try:
        lines = [f"{key}: {float(value)!r}\n" for key, value in numbers.items()]
    except (TypeError, ValueError):
        raise TypeError(f"{wanted}, not {result!r:.200}") from None
    os.write(answer, "".join(lines).encode())
    sys.stderr.flush()
    os._exit(0)  # taking the interpreter apart takes milliseconds, and threads of the candidate could hold it up


if __name__ == "__main__":
    main(*sys.argv[1:])
