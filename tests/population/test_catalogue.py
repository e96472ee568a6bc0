from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from population import catalogue
from population.catalogue import Catalogue


def test_a_name_keeps_its_first_number_however_many_come_after(monkeypatch):
    monkeypatch.setattr(catalogue, "FRESH", 3)
    book, size = Catalogue(), 200
    for n in range(size):
        assert f"v{n}" not in book
        assert book.setdefault(f"v{n}", n) == n
        assert book.setdefault(f"v{n}", -1) == n
    assert len(book) == size
    assert [book.get(f"v{n}") for n in range(size)] == [*range(size)]
    assert book.get("v200") is None


@given(st.lists(st.tuples(st.one_of(st.text(max_size=3), st.binary(max_size=3)), st.integers(0, 2**48 - 1))))
def test_it_is_a_dict_that_never_changes_its_mind(pairs):
    book, known = Catalogue(), {}
    for name, number in pairs:
        key = name if isinstance(name, bytes) else name.encode()
        assert book.setdefault(name, number) == known.setdefault(key, number)
        book._sort()
    assert len(book) == len(known)


def test_a_name_costs_sixteen_bytes_and_what_is_not_in_order_yet_is_few():
    book = Catalogue()
    for n in range(20_000):
        book.setdefault(n.to_bytes(4, "big"), n)
    assert book._names.nbytes + book._numbers.nbytes <= 16 * len(book)
    assert len(book._fresh) <= catalogue.FRESH + len(book) // 16
