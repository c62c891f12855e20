"""The store of kept answers: bounds, order, expiry. Times are passed in."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from baseload.gateway.caching.store import ENTRY_BYTES, ENTRY_SHARE, SWEPT_AT_ONCE, Kept, MemoryStore

ONE = Kept("shop", "default", "chat", "a", b"maker", False, b"", b"body", 7, 0.0, 60.0)
LARGE = 1 << 20


def found(store: MemoryStore, key: bytes, now_s: float = 0.0) -> Kept | None:
    """What the store has under a key; it calls back exactly once."""
    told: list[Kept | None] = []
    store.find(key, now_s, told.append)
    (kept,) = told
    return kept


def everything(store: MemoryStore) -> list[Kept]:
    """All that is kept."""
    seen: list[Kept] = []

    def wanted(kept: Kept) -> bool:
        seen.append(kept)
        return True

    store.retain(wanted)
    return seen


def test_an_answer_is_found_until_its_time_is_over() -> None:
    """To the last moment before its TTL, and never from then on; what expired is gone."""
    store = MemoryStore(LARGE, 10)
    store.keep(b"k", replace(ONE, made_s=100.0))
    assert found(store, b"k", 159.999) is not None
    assert found(store, b"k", 160.0) is None
    assert (len(store), store.held_bytes, store.evictions["expired"]) == (0, 0, 1)
    assert found(store, b"other", 100.0) is None


def test_what_expires_unasked_is_let_go_of() -> None:
    """A sweep drops expired answers of every TTL, so many at a time, and leaves the others."""
    store = MemoryStore(1 << 30, 10_000)
    for number in range(SWEPT_AT_ONCE + 5):
        store.keep(b"s%d" % number, replace(ONE, ttl_s=10.0))
    store.keep(b"long", replace(ONE, ttl_s=100.0))
    store.sweep(9.0)
    assert len(store) == SWEPT_AT_ONCE + 6
    store.sweep(10.0)
    assert len(store) == 6
    store.sweep(10.0)
    assert (len(store), found(store, b"long", 99.0) is not None) == (1, True)
    store.sweep(100.0)
    assert (len(store), store.held_bytes) == (0, 0)


def test_the_least_recently_used_makes_room() -> None:
    """By entries and by bytes; finding an answer counts as use."""
    store = MemoryStore(LARGE, 2)
    store.keep(b"a", ONE)
    store.keep(b"b", ONE)
    assert found(store, b"a") is not None
    store.keep(b"c", ONE)
    assert [found(store, key) is not None for key in (b"a", b"b", b"c")] == [True, False, True]
    assert store.evictions["room"] == 1
    store.resize(ONE.size, 2)
    assert (len(store), store.held_bytes) == (1, ONE.size)
    assert found(store, b"c") is not None


def test_an_answer_too_large_pushes_nobody_out() -> None:
    """One may take its share of the store and no more; it is counted instead of kept."""
    store = MemoryStore(ENTRY_SHARE * (ENTRY_BYTES + 100), 10)
    store.keep(b"fits", replace(ONE, body=bytes(100)))
    store.keep(b"large", replace(ONE, body=bytes(101)))
    assert (len(store), store.too_large) == (1, 1)
    assert found(store, b"fits") is not None


def test_a_newer_answer_takes_the_place_of_the_older() -> None:
    """Under one key there is one, with its own age, and no eviction is counted."""
    store = MemoryStore(LARGE, 10)
    store.keep(b"k", ONE)
    store.keep(b"k", replace(ONE, body=b"newer", made_s=50.0, ttl_s=30.0))
    kept = found(store, b"k", 79.0)
    assert kept is not None
    assert kept.body == b"newer"
    assert (len(store), store.held_bytes, sum(store.evictions.values())) == (1, kept.size, 0)
    assert found(store, b"k", 80.0) is None


def test_what_is_not_wanted_goes() -> None:
    """`retain` keeps what its question says, and counts the rest."""
    store = MemoryStore(LARGE, 10)
    store.keep(b"a", ONE)
    store.keep(b"b", replace(ONE, tenant="lab"))
    store.retain(lambda kept: kept.tenant == "lab")
    assert (found(store, b"a"), found(store, b"b") is not None) == (None, True)
    assert store.evictions == {"expired": 0, "room": 0, "reload": 1}


_STEP = st.one_of(
    st.tuples(st.just("keep"), st.integers(0, 9), st.integers(0, 3000), st.sampled_from([1.0, 5.0, 50.0])),
    st.tuples(st.just("find"), st.integers(0, 9), st.just(0), st.just(0.0)),
    st.tuples(st.just("sweep"), st.just(0), st.just(0), st.just(0.0)),
)


@given(st.lists(st.tuples(_STEP, st.floats(0, 3)), max_size=60), st.integers(1, 6))
def test_whatever_happens_bounds_and_books_hold(steps: list[Any], entries: int) -> None:
    """Never more bytes or entries than allowed, the books are right, nothing outlives its TTL."""
    size = 16 * ENTRY_BYTES
    store, now_s = MemoryStore(size, entries), 0.0
    for (what, key, length, ttl_s), passed_s in steps:
        now_s += passed_s
        name = b"%d" % key
        if what == "keep":
            store.keep(name, replace(ONE, body=bytes(length), made_s=now_s, ttl_s=ttl_s))
        elif what == "find":
            kept = found(store, name, now_s)
            assert kept is None or now_s - kept.made_s < kept.ttl_s
        else:
            store.sweep(now_s)
        seen = everything(store)
        assert len(store) == len(seen) <= entries
        assert store.held_bytes == sum(kept.size for kept in seen) <= size
