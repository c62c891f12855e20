"""CSV, JSON Lines and Parquet with named columns: what goes in comes out, packed or not."""

from __future__ import annotations

import builtins
import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.errors import DataError, EnvironmentProblem
from baseload.traffic.read import read_traffic
from baseload.traffic.table import Traffic

START_MS = 1_700_000_000_000
COLUMNS = "arrival=t:ms,input=prompt,output=answer,cached=hit,model=m,tenant=who"
NAMES = ("t", "prompt", "answer", "hit", "m", "who")

Record = tuple[int, int, int, int, str, str]


def as_csv(records: Sequence[Record], delimiter: str = ",") -> bytes:
    """The records as Python's csv module writes them."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([NAMES, *records])
    return text.getvalue().encode()


def as_jsonl(records: Sequence[Record]) -> bytes:
    """The records as JSON Lines."""
    return "".join(json.dumps(dict(zip(NAMES, record, strict=True))) + "\n" for record in records).encode()


def as_parquet(records: Sequence[Record]) -> bytes:
    """The records as Parquet in row groups of three, names as dictionaries."""
    table = pa.table(dict(zip(NAMES, map(list, zip(*records, strict=True)), strict=True)))
    table = table.set_column(4, "m", table["m"].dictionary_encode())
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=3)
    return sink.getvalue()


WRITERS: dict[str, Callable[[Sequence[Record]], bytes]] = {
    "csv": as_csv,
    "csv with tabs": lambda records: as_csv(records, "\t"),
    "csv.gz": lambda records: gzip.compress(as_csv(records)),
    "jsonl": as_jsonl,
    "jsonl.zst": lambda records: zstandard.ZstdCompressor().compress(as_jsonl(records)),
    "parquet": as_parquet,
}
names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
records = st.lists(
    st.tuples(
        st.integers(START_MS, START_MS + 10**9),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
        names,
        names,
    ).map(lambda r: (r[0], max(r[1], r[3]), r[2], min(r[1], r[3]), r[4], r[5])),
    min_size=1,
    max_size=12,
)


def rows_of(traffic: Traffic) -> list[Record]:
    """The table's rows as they were written."""
    start_ns = traffic.start_ns
    assert start_ns is not None
    return [
        (
            round((start_ns + second * 1e9) / 1e6),
            int(traffic.input_tokens[i]),
            int(traffic.output_tokens[i]),
            int(traffic.cached_tokens[i]),
            traffic.models[traffic.model[i]],
            traffic.tenants[traffic.tenant[i]],
        )
        for i, second in enumerate(traffic.arrival_s.tolist())
    ]


@pytest.mark.parametrize("writer", WRITERS)
@settings(deadline=None, max_examples=40)
@given(records=records)
def test_what_is_written_is_read_back(
    writer: str, records: list[Record], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any requests, in any order, in any of the formats: the same rows in stable order of arrival."""
    path = tmp_path_factory.getbasetemp() / "log"
    path.write_bytes(WRITERS[writer](records))
    assert rows_of(read_traffic(path, columns=COLUMNS)) == sorted(records, key=lambda record: record[0])


@settings(deadline=None, max_examples=50)
@given(
    wrong=st.lists(st.sampled_from(["x,1,1", "1700000000000,1", "1700000000000,-1,1", ",,"]), max_size=8),
    good=st.integers(1, 600),
)
def test_bad_rows_are_counted_or_refuse_the_file(
    wrong: list[str], good: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Up to 1% bad rows are left out and counted, one more refuses the file, whatever is wrong with them."""
    path = tmp_path_factory.getbasetemp() / "bad.csv"
    path.write_text("\n".join(["timestamp,input,output", *wrong, *["1700000000000,5,1"] * good]) + "\n")
    if len(wrong) > 0.01 * (len(wrong) + good):
        with pytest.raises(DataError, match=f"{len(wrong)} of {len(wrong) + good:,} rows"):
            read_traffic(path)
        return
    traffic = read_traffic(path)
    assert (len(traffic), traffic.bad_rows) == (good, len(wrong))
    assert [bad.line for bad in traffic.first_bad] == list(range(2, 2 + min(5, len(wrong))))


def test_a_stray_quote_spoils_all_it_swallows(tmp_path: Path) -> None:
    """Lines lost to a quote that never closes count as bad, each one, so that they cannot hide below 1%."""
    path = tmp_path / "log"
    row = "1700000000000,5,1\n"
    path.write_text("ts,input,output\n" + row * 300 + '"' + row * 20)
    with pytest.raises(DataError, match="20 of 320 rows cannot be read") as caught:
        read_traffic(path)
    assert "line 302: 1 fields" in caught.value.message


def read_text(folder: Path, text: str, columns: str | None = None) -> Traffic:
    """A file with this text, read."""
    path = folder / "log"
    path.write_text(text)
    return read_traffic(path, columns=columns)


def test_relative_seconds_have_no_wall_clock(tmp_path: Path) -> None:
    """Small numbers count from some start; the first request is 0."""
    traffic = read_text(tmp_path, "arrival_s,input_tokens,output_tokens\n5.5,1,1\n7,1,1\n")
    assert (traffic.arrival_s.tolist(), traffic.start_ns) == ([0.0, 1.5], None)


def test_dates_have_a_wall_clock(tmp_path: Path) -> None:
    """ISO 8601 in any CSV; semicolons and quotes as spreadsheets write them."""
    traffic = read_text(
        tmp_path, 'time;"prompt tokens";Output\n"2024-05-10T02:00:00+02:00";1;1\n2024-05-10 00:00:01;2;2\n'
    )
    assert traffic.arrival_s.tolist() == [0.0, 1.0]
    assert traffic.start_ns == 1_715_299_200 * 10**9


def test_nested_json_is_reached_by_its_path(tmp_path: Path) -> None:
    """`usage.prompt_tokens` is a key in a key; missing cached tokens are none."""
    lines = [
        {"created": 1_700_000_000, "usage": {"prompt_tokens": 10, "completion_tokens": 2}, "model": "a"},
        {"created": 1_700_000_001, "usage": {"prompt_tokens": 20, "completion_tokens": 4, "hit": 5}},
    ]
    traffic = read_text(
        tmp_path,
        "\n".join(map(json.dumps, lines)),
        "input=usage.prompt_tokens,output=usage.completion_tokens,cached=usage.hit",
    )
    assert traffic.input_tokens.tolist() == [10, 20]
    assert traffic.cached_tokens.tolist() == [0, 5]
    assert [traffic.models[code] for code in traffic.model] == ["a", ""]


def test_json_with_other_kinds_is_bad(tmp_path: Path) -> None:
    """A path that ends in nothing, or lists and text where numbers belong, makes a bad row, not a crash."""
    good = '{"ts": 1, "input": 1, "output": 1}\n'
    wrong = '{"ts": 1, "input": {"a": 1}, "output": 1}\n{"ts": 1, "input": [1], "output": 1}\n[]\n{"ts": 1}\n'
    traffic = read_text(tmp_path, good + wrong + good * 500)
    assert [bad.line for bad in traffic.first_bad] == [2, 3, 4, 5]
    assert "input is [1]" in traffic.first_bad[1].reason


def test_an_empty_json_file_is_refused(tmp_path: Path) -> None:
    """Nothing but broken lines: refused with the reason, since no columns can be found."""
    path = tmp_path / "log"
    path.write_text("[1]\n")
    with pytest.raises(DataError, match="1 of 1 rows cannot be read"):
        read_traffic(path, "jsonl")


def parquet(folder: Path, columns: dict[str, Any]) -> Path:
    """A Parquet file with these columns."""
    path = folder / "log.parquet"
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_parquet_timestamps_of_every_unit_and_zone(unit: str, zone: str | None, tmp_path: Path) -> None:
    """Timestamp columns are read exactly; without a zone they are UTC."""
    moments = pa.array([datetime(2024, 5, 10, tzinfo=UTC), datetime(2024, 5, 10, 0, 0, 1, tzinfo=UTC)])
    moments = moments.cast(pa.timestamp(unit, "UTC")).cast(pa.timestamp(unit, zone))
    traffic = read_traffic(parquet(tmp_path, {"timestamp": moments, "input": [1, 2], "output": [1.0, 2.0]}))
    assert (traffic.start_ns, traffic.arrival_s.tolist()) == (1_715_299_200 * 10**9, [0.0, 1.0])


def test_parquet_nulls_are_bad_rows(tmp_path: Path) -> None:
    """A missing value is told by its row, counted from 1."""
    path = parquet(tmp_path, {"ts": [1, 2] + [3] * 300, "input": [1, None] + [1] * 300, "output": [1] * 302})
    traffic = read_traffic(path)
    assert [(bad.line, bad.reason) for bad in traffic.first_bad] == [(2, "input is empty")]


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the optional package the error says how to install it."""
    path = parquet(tmp_path, {"ts": [1], "input": [1], "output": [1]})
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(EnvironmentProblem, match="needs pyarrow") as caught:
        read_traffic(path)
    assert caught.value.hint == "pip install 'baseload[parquet]'"


def test_a_cut_parquet_file_is_refused(tmp_path: Path) -> None:
    """A file that begins like Parquet and is not is told by name."""
    path = parquet(tmp_path, {"ts": [1], "input": [1], "output": [1]})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"log\.parquet: cannot be read as Parquet"):
        read_traffic(path)
