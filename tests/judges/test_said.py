"""The end of what a candidate said: the last line says what went wrong, also where Python draws a tree."""

from __future__ import annotations

import traceback

import pytest

from judges.said import end


class Boom(ExceptionGroup[Exception]):
    """A group by another name."""


def raised(error: Exception, first: Exception | None = None) -> str:
    """The traceback of `error`, which was raised while `first` was handled."""
    try:
        if first is None:
            raise error
        try:
            raise first
        except Exception as caught:
            raise error from caught
    except Exception as found:
        return "".join(traceback.format_exception(found))


GROUP = ExceptionGroup("two things", [ValueError("a: b"), KeyError("c")])


@pytest.mark.parametrize(
    ("error", "first", "said"),
    [
        (GROUP, None, "ExceptionGroup: two things (2 sub-exceptions); the first: ValueError: a: b"),
        (
            ExceptionGroup("outer", [GROUP, OSError(2, "no")]),
            None,
            "ExceptionGroup: outer (2 sub-exceptions); the first: ExceptionGroup: two things (2 sub-exceptions)",
        ),
        (Boom("one", [OSError()]), None, "Boom: one (1 sub-exception); the first: OSError"),
        (
            Boom("new", [OSError(2, "x")]),
            GROUP,
            "Boom: new (1 sub-exception); the first: FileNotFoundError: ",
        ),
        (RuntimeError("all in all"), GROUP, "RuntimeError: all in all"),
        (ValueError("plain"), None, "ValueError: plain"),
    ],
)
def test_the_last_line_says_what_went_wrong(error: Exception, first: Exception | None, said: str) -> None:
    assert said in end(raised(error, first)).splitlines()[-1]


def test_a_group_is_named_where_its_head_was_cut_off() -> None:
    many = ExceptionGroup("many", [ValueError("x" * 200) for _ in range(15)])
    found = end(raised(many))
    assert "| ExceptionGroup: many" not in found and len(found) < 2400
    assert found.splitlines()[-1].startswith("ExceptionGroup: many (15 sub-exceptions); the first: ValueError: xxx")


@pytest.mark.parametrize(
    "text", ["", "\n", "hello\n+------------------------------------\n", "a | b (2 sub-exceptions)"]
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert end(text) == text.strip()
