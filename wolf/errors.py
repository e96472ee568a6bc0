"""What can go wrong, and the exit code that says so.

    WolfError                something a person can put right; never printed with a traceback unless --debug
    ├── UsageError        2  the command line asks for something that is not there
    │   └── ConfigError   2  the YAML is wrong; one line per mistake, each with file, line, key and what to do
    └── SetupError        3  the machine or the installation does not allow it
        └── LedgerError   3  a ledger cannot be read or written
            ├── LedgerDamaged  3   its content is not what was written
            └── LedgerBusy    75   another process is writing to it (EX_TEMPFAIL: try again later)

A message is one sentence that says what was found, what was expected and what to do next. What a candidate does is
never an error: it is an `Evaluation` with a status. A judge's broken setup is a `judges.base.JudgeError`; the command
line treats it as a `SetupError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class WolfError(Exception):
    """Base of all errors that are meant for the person at the keyboard."""

    exit_code: ClassVar[int] = 1


class UsageError(WolfError):
    """The command line asks for something that is not there."""

    exit_code = 2


class ConfigError(UsageError):
    """The configuration is wrong.

    Attributes:
        problems: one text per mistake, in the order of the file: `file:line:col: key: sentence`, then the source line
            with a caret where there is one.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class SetupError(WolfError):
    """The machine or the installation does not allow what was asked."""

    exit_code = 3


class LedgerError(SetupError):
    """A ledger cannot be read or written."""


class LedgerDamaged(LedgerError):
    """The ledger's content is not what was written; `wolf.store.ledger.recover` keeps everything before the damage."""


class LedgerBusy(LedgerError):
    """Another process is writing to this ledger."""

    exit_code = 75
