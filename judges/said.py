"""What is kept of what a candidate said: the end, where programs say what went wrong."""

from __future__ import annotations

import re

FEEDBACK_CHARACTERS = 2000
GROUP_CHARACTERS = 300
TREE = "+------------------------------------"  # the last line of a traceback of several exceptions
GROUP = re.compile(r"^ {2}\| (\S.* \(\d+ sub-exceptions?\))$", re.MULTILINE)
CAUSE = re.compile(r"^ {4,}\| ([A-Za-z_][\w.]*(?:: .*)?)$", re.MULTILINE)


def end(text: str) -> str:
    """The last characters of `text`; where it ends with the tree of an `ExceptionGroup`, its own line and first cause.

    They are a line of their own below the tree, which ends with a rule, and whose head may have been cut off.
    """
    said = text.strip()
    kept = said[-FEEDBACK_CHARACTERS:]
    if not said.endswith(TREE) or not (groups := [*GROUP.finditer(said)]):
        return kept
    cause = CAUSE.search(said, groups[-1].end())
    return f"{kept}\n{groups[-1][1]}{f'; the first: {cause[1]}' if cause else ''}"[: len(kept) + GROUP_CHARACTERS]
