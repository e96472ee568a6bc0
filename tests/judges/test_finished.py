"""What a supervisor's report and a candidate's last words are taken to mean."""

from __future__ import annotations

import pytest

from judges import process
from judges.process import Limits


@pytest.mark.parametrize(
    ("report", "wrapped", "returncode", "reason"),
    [
        ("ended 0 1 1", True, 0, "exited with code 0"),
        ("ended 128 1 1", True, 128, "exited with code 128"),
        ("ended 129 1 1", True, -1, "killed by signal 1 (Hangup)"),
        ("ended 137 1 1", True, -9, "killed by signal 9 (Killed)"),
        ("ended 137 1 1", False, 137, "exited with code 137"),
        ("ended -15 1 1", False, -15, "killed by signal 15 (Terminated)"),
        ("deadline 0 1 1", False, -9, "killed after 600 s"),
        ("deadline 3 1 1", False, 3, "killed after 600 s"),
        ("cpu -9 1 1", False, -9, "killed after 0 s of CPU time"),
        ("memory -9 1 1", False, -9, "killed at 0 MB of memory"),
        ("processes -9 1 1", False, -9, "killed for starting too many processes"),
        ("disk -9 1 1", False, -9, "killed for writing too much to disk"),
        ("stopped -9 1 1", False, -9, "stopped"),
        ("", False, -9, "killed together with its supervisor"),
        ("ended 0", False, -9, "killed together with its supervisor"),
    ],
)
def test_what_a_report_means(report: str, wrapped: bool, returncode: int, reason: str) -> None:
    """A supervisor's line; wrapped: bubblewrap tells of a signal as a shell does."""
    finished = process._finished(report, Limits(600.0), "out", "err", wrapped)
    assert (finished.returncode, finished.reason) == (returncode, reason)
    assert finished.timed_out is (report[:3] in ("dea", "cpu"))
    assert finished.out_of_memory is report.startswith("memory")
    assert finished.seconds == finished.cpu_seconds == (1.0 if report.count(" ") == 3 else 0.0)
    assert (finished.stdout, finished.stderr, finished.ok) == ("out", "err", returncode == 0)


@pytest.mark.parametrize("sign", process.NO_MEMORY)
def test_last_words_about_memory_are_believed_of_one_that_failed(sign: str) -> None:
    def memory(code: int, stdout: str = "", stderr: str = "") -> bool:
        return process._finished(f"ended {code} 1 1", Limits(1), stdout, stderr, False).out_of_memory

    assert memory(1, stderr=f"Traceback\n{sign}: 5 GB") and memory(-6, stdout=sign)
    assert not memory(0, stderr=sign), "it did without"
    assert not memory(1, stderr=f"{sign}{'x' * process.LAST_WORDS}"), "that was long ago"
    assert memory(1, stderr=f"{sign}{'x' * (process.LAST_WORDS - len(sign))}")
    assert not process._finished("deadline -9 1 1", Limits(1), sign, sign, False).out_of_memory


def test_where_the_system_does_not_say_there_are_no_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(process.os, "sched_getaffinity")
    assert process._cores() == []
