"""What is charged, and the worst case that is reserved before: to the token."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from judges.llm import Prompt, Usage
from wolf.llm.prices import FRAMING, FREE, Price, shipped

PLAIN = Price(input=2, output=10)
TIERED = Price(input=2, output=10, long={"over": 1000, "input": 4, "output": 20})


def test_cache_prices_follow_the_price_of_what_is_sent_unless_they_are_given() -> None:
    assert (PLAIN.cache_write, PLAIN.cache_write_hour, PLAIN.cache_read) == pytest.approx((2.5, 4.0, 0.2))
    given = Price(input=2, output=10, cache_write=7, cache_read=0)
    assert (given.cache_write, given.cache_write_hour, given.cache_read) == (7, 4.0, 0)
    assert Price.model_validate(PLAIN) is PLAIN


def test_each_kind_of_token_has_its_price() -> None:
    assert PLAIN.cost(Usage(1_000_000, 0)) == pytest.approx(2)
    assert PLAIN.cost(Usage(0, 1_000_000)) == pytest.approx(10)
    assert PLAIN.cost(Usage(0, 0, cache_write=1_000_000)) == pytest.approx(2.5)
    assert PLAIN.cost(Usage(0, 0, cache_write_hour=1_000_000)) == pytest.approx(4)
    assert PLAIN.cost(Usage(0, 0, cache_read=1_000_000)) == pytest.approx(0.2)
    used = Usage(1, 2, cache_write=3, cache_write_hour=4, cache_read=5)
    assert PLAIN.cost(used) == pytest.approx((1 * 2 + 2 * 10 + 3 * 2.5 + 4 * 4 + 5 * 0.2) / 1e6)
    assert FREE.cost(Usage(10**9, 10**9)) == 0


@pytest.mark.parametrize(
    "usage",
    [
        Usage(1001, 1),
        Usage(0, 1, cache_write=1001),
        Usage(0, 1, cache_write_hour=1001),
        Usage(0, 1, cache_read=1001),
        Usage(500, 1, cache_write=501),
    ],
)
def test_a_long_prompt_has_its_own_prices_whatever_it_is_made_of(usage: Usage) -> None:
    long = Price(input=4, output=20)
    assert TIERED.cost(usage) == pytest.approx(long.cost(usage))
    short = Usage(1000, 10**6)  # what is answered makes no prompt long
    assert TIERED.cost(short) == pytest.approx(PLAIN.cost(short))


@pytest.mark.parametrize("long", [{"input": 1, "output": 20}, {"input": 4, "output": 9}, {"input": 1, "output": 9}])
def test_a_long_price_must_not_be_cheaper(long: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="must not be cheaper than the usual price"):
        Price(input=2, output=10, long={"over": 5, **long})
    Price(input=2, output=10, long={"over": 0, "input": 2, "output": 10})  # as dear is not cheaper


@pytest.mark.parametrize("bad", [{"input": -1}, {"input": float("inf")}, {"input": "x"}, {"colour": 1}])
def test_a_price_is_a_number_of_dollars(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Price.model_validate({"input": 1, "output": 1} | bad)
    with pytest.raises(ValidationError):
        Price(input=2, output=10, long={"over": -1, "input": 2, "output": 10})
    with pytest.raises(ValidationError):
        Price.model_validate("2 dollars")
    with pytest.raises(ValidationError, match="frozen"):
        PLAIN.input = 3  # type: ignore[misc]


def test_the_worst_case_counts_every_byte_as_a_token_that_is_written_to_the_cache() -> None:
    prompt = Prompt("p", "é", "abc", 100)  # two bytes and three
    size = 5 + FRAMING
    assert PLAIN.worst(prompt) == pytest.approx((size * 2.5 + 100 * 10) / 1e6)
    dear = Price(input=9, output=10, cache_write=2, cache_read=3)
    assert dear.worst(prompt) == pytest.approx((size * 9 + 100 * 10) / 1e6)
    asked = Prompt("p", "", "\udc80", 0, {"a": 1})  # a lone surrogate has bytes too
    assert PLAIN.worst(asked) == pytest.approx((3 + len(str({"a": 1})) + FRAMING) * 2.5 / 1e6)


@pytest.mark.parametrize(("beyond", "rate"), [(0, (2.5, 10)), (1, (5, 20))])
def test_the_worst_case_of_what_may_be_long_is_dear(beyond: int, rate: tuple[float, float]) -> None:
    prompt = Prompt("p", "", "x" * (1000 - FRAMING + beyond), 7)
    assert TIERED.worst(prompt) == pytest.approx(((1000 + beyond) * rate[0] + 7 * rate[1]) / 1e6)


def test_the_shipped_table_has_no_free_model() -> None:
    assert len(shipped()) > 3
    assert all(price.input > 0 and price.output > 0 for price in shipped().values())


def test_the_schema_promises_no_default_for_a_price_that_follows_from_another() -> None:
    fields = Price.model_json_schema()["properties"]
    assert not any("default" in fields[name] for name in ("cache_write", "cache_write_hour", "cache_read"))
