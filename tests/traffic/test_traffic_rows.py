"""Rows: bad ones are counted and shown, too many refuse the file, good ones become a sorted table."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.errors import DataError
from baseload.traffic.rows import BadRows, Origin, Row, Rows, observed_s


def test_one_bad_row_in_a_hundred_is_let_through_and_one_more_is_not() -> None:
    """The limit is 1% of all rows: at it the file is read, above it refused with count, lines and reasons."""
    bad = BadRows("t.csv")
    bad.add(7, "no number")
    bad.settle(99)
    bad.add(9, "no date")
    with pytest.raises(DataError, match="2 of 101 rows cannot be read") as caught:
        bad.settle(99)
    assert "t.csv" in caught.value.message
    assert "line 7: no number\n  line 9: no date" in caught.value.message


def test_only_the_first_five_bad_rows_are_kept() -> None:
    """All are counted, five are shown: memory does not grow with a broken file."""
    bad = BadRows("t.csv", unit="row")
    for line in range(100):
        bad.add(line, "x")
    assert (bad.count, [row.line for row in bad.first]) == (100, [0, 1, 2, 3, 4])
    with pytest.raises(DataError, match="row 4: x"):
        bad.settle(0)


def test_no_rows_at_all_is_an_error() -> None:
    """A file with a header and nothing else is no traffic."""
    with pytest.raises(DataError, match="holds no requests"):
        BadRows("t.csv").settle(0)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 100)), min_size=1, max_size=30))
def test_rows_come_out_sorted_and_counted_from_the_first(rows: list[tuple[int, int]]) -> None:
    """The table is the rows in stable order of time, with names and wall clock."""
    table = Rows()
    for time_ns, tokens in rows:
        table.add(Row(time_ns, tokens, tokens + 1, model=f"m{tokens % 3}"))
    traffic = table.traffic(Origin("made", True, BadRows("made")))
    expected = sorted(rows, key=lambda row: row[0])
    start_ns = expected[0][0]
    assert traffic.start_ns == start_ns
    assert traffic.arrival_s.tolist() == [(time_ns - start_ns) / 1e9 for time_ns, _ in expected]
    assert traffic.input_tokens.tolist() == [tokens for _, tokens in expected]
    assert traffic.output_tokens.tolist() == [tokens + 1 for _, tokens in expected]
    assert [traffic.models[code] for code in traffic.model] == [f"m{tokens % 3}" for _, tokens in expected]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (Row(0, -1, 1), "-1 input tokens"),
        (Row(0, 1, 2_000_000_000), "2000000000 output tokens"),
        (Row(0, 10, 1, cached_tokens=11), "11 cached of 10 input"),
        (Row(0, 10, 1, blocks=[1, 2**70]), "no 64-bit integer"),
    ],
)
def test_a_row_that_cannot_be_leaves_no_trace(row: Row, reason: str) -> None:
    """A refused row gives its reason and changes nothing, so that columns stay equally long."""
    table = Rows()
    table.add(Row(5, 1, 1, blocks=[9]))
    with pytest.raises(ValueError, match=reason):
        table.add(row)
    assert len(table) == 1
    traffic = table.traffic(Origin("made", False, BadRows("made")), block_tokens=16)
    assert traffic.prefix is not None
    assert (traffic.prefix.hashes.tolist(), traffic.start_ns) == ([9], None)


def test_the_observation_lasts_one_mean_gap_longer() -> None:
    """Eleven requests 10 s apart were seen for 11 s: one a second; all at once count as 1 s."""
    assert observed_s(11, 10.0) == 11.0
    assert observed_s(1, 0.0) == 1.0
    assert observed_s(5, 0.0) == 1.0
