"""Azure traces: the block parser reads what a plain CSV reader reads, and explains the rest."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.errors import DataError
from baseload.traffic import azure
from baseload.traffic.read import read_traffic
from baseload.traffic.rows import BadRows
from baseload.traffic.table import Traffic
from baseload.traffic.timestamps import iso_ns

HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens\n"


def seconds_of_day(text: str) -> Decimal:
    """The time of day of an Azure timestamp, exactly."""
    hours, minutes, seconds = text.split(" ")[1].split(":")
    return 3600 * int(hours) + 60 * int(minutes) + Decimal(seconds)


@pytest.mark.parametrize(("name", "count"), [("code", 8_819), ("conv", 19_366)])
def test_the_traces_of_2023_equal_a_plain_reading(name: str, count: int, shared: Path) -> None:
    """Every row, time and token of both traces is what Python's csv module and decimals make of it."""
    path = shared / "data" / "traces" / "azure2023" / f"AzureLLMInferenceTrace_{name}.csv"
    traffic = read_traffic(path)
    with path.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    start = seconds_of_day(rows[0][0])
    assert len(traffic) == count
    assert traffic.input_tokens.tolist() == [int(row[1]) for row in rows]
    assert traffic.output_tokens.tolist() == [int(row[2]) for row in rows]
    assert traffic.arrival_s.tolist() == [float(seconds_of_day(row[0]) - start) for row in rows]
    assert traffic.start_ns == iso_ns(rows[0][0])
    assert (traffic.bad_rows, int(traffic.cached_tokens.sum())) == (0, 0)


def read(folder: Path, text: str | bytes) -> Traffic:
    """A trace with these bytes, read."""
    path = folder / "trace.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_traffic(path, "azure")


def test_the_format_of_2024(tmp_path: Path) -> None:
    """Time zones, six-digit fractions and seconds without any are read, in any order of rows."""
    traffic = read(
        tmp_path,
        HEADER + "2024-05-10 00:00:01+00:00,7,1\n"
        "2024-05-10 00:00:00.009930+00:00,2162,5\n"
        "2024-05-10 00:00:00.017335+00:00,2399,6\n"
        "2024-05-10 02:00:02.5+02:00,9,2\n",
    )
    assert traffic.arrival_s.tolist() == [0.0, 0.007405, 0.99007, 2.49007]
    assert traffic.input_tokens.tolist() == [2162, 2399, 7, 9]
    assert traffic.start_ns == 1_715_299_200_009_930_000


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "\n", "\n\n\n"])
def test_line_ends(end: str, last: str, tmp_path: Path) -> None:
    """Unix and Windows line ends, with or without one at the end, and blank lines anywhere."""
    rows = ["2023-11-16 18:15:46.6805900,374,44", "", "2023-11-16 18:15:50.9951690,396,109"]
    traffic = read(tmp_path, (HEADER.strip() + "\n" + "\n".join(rows) + last).replace("\n", end))
    assert (traffic.input_tokens.tolist(), traffic.bad_rows) == ([374, 396], 0)


BAD = {
    "2023-11-16 18:15:50.9,396": "2 fields where 3 are expected",
    "2023-11-16 18:15:50.9,396,1,2": "4 fields",
    "2023-02-30 18:15:50.9951690,396,109": "on no calendar",
    "2023-11-16 18:75:50.9951690,396,109": "on no calendar",
    "2023-11-16 18:15:70.9951690,396,109": "no such second",
    "2023-11-16 18:15:50.99x1690,396,109": "no date and time",
    "2023-11-16 18:15:50.9951690,-396,109": "ContextTokens -396 is not within",
    "2023-11-16 18:15:50.9951690,396,1_9": "GeneratedTokens is '1_9'",
    "2023-11-16 18:15:50.9951690,,109": "ContextTokens is empty",
    "2023-11-16 18:15:50.9951690,99999999999,109": "is not within 0 and 1,000,000,000",
    "\x00\xff\x00": "1 fields",
}


@pytest.mark.parametrize("line", BAD)
def test_a_bad_row_is_counted_with_line_and_reason(line: str, tmp_path: Path) -> None:
    """Whatever is wrong, the row is left out, and its line and the reason are kept."""
    good = "2023-11-16 18:15:46.6805900,374,44\n"
    text = HEADER + good * 149 + line + "\n" + good * 50
    traffic = read(tmp_path, text.encode("latin-1"))
    assert (len(traffic), traffic.bad_rows) == (199, 1)
    assert traffic.first_bad[0].line == 151
    assert BAD[line] in traffic.first_bad[0].reason


def test_more_than_one_bad_row_in_a_hundred_refuses_the_file(tmp_path: Path) -> None:
    """The error names the file, how many, and the first lines with their reasons."""
    good = "2023-11-16 18:15:46.6805900,374,44\n"
    with pytest.raises(DataError, match=r"trace\.csv: 3 of 103 rows cannot be read, more than 1%") as caught:
        read(tmp_path, HEADER + "x\n" * 3 + good * 100)
    assert "line 2: 1 fields" in caught.value.message


@pytest.mark.parametrize(
    "row",
    [
        '"2023-11-16 18:15:46.6805900","374","44"',
        " 2023-11-16 18:15:46.6805900 , 374, 44.0",
        "2023-11-16T18:15:46.6805900Z,374,44",
    ],
)
def test_other_spellings_of_a_row_are_read_too(row: str, tmp_path: Path) -> None:
    """Quotes, spaces, a T and a Z: slower, but right."""
    traffic = read(tmp_path, HEADER + "2023-11-16 18:15:45.6805900,1,1\n" + row + "\n")
    assert traffic.arrival_s.tolist() == [0.0, 1.0]
    assert (traffic.input_tokens.tolist(), traffic.output_tokens.tolist()) == ([1, 374], [1, 44])


def test_another_header_is_refused_with_what_it_is(tmp_path: Path) -> None:
    """Named as Azure but with other columns: told the header and how to read it."""
    with pytest.raises(DataError, match="header is 'time,in,out'"):
        read(tmp_path, "time,in,out\n1,2,3\n")


def test_only_a_header_is_no_traffic(tmp_path: Path) -> None:
    """An empty trace is an error, not an empty table."""
    with pytest.raises(DataError, match="holds no requests"):
        read(tmp_path, HEADER)


def test_a_line_that_never_ends_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded for a file without line ends."""
    monkeypatch.setattr(azure, "_BLOCK_BYTES", 64)
    with pytest.raises(DataError, match="longer than"):
        read(tmp_path, HEADER + "9" * 1000)


times = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat(" ")),
    st.datetimes().map(lambda moment: moment.strftime("2023-11-16 18:15:%S.%f0")),
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat(" ")),
    st.text(max_size=30),
)
counts = st.one_of(st.integers(0, 10**10).map(str), st.text("0123456789 -.e", max_size=12))
row_texts = st.one_of(
    st.tuples(times, counts, counts).map(",".join),
    st.text("0123456789-: .,Z\r", max_size=40),
).filter(lambda text: "\n" not in text)


@settings(deadline=None)
@given(rows=st.lists(row_texts, max_size=40), block_bytes=st.integers(128, 400))
def test_blocks_read_what_single_rows_read(rows: list[str], block_bytes: int) -> None:
    """For any text, cut into blocks anywhere: the arrays hold what reading each row gives."""
    data = "".join(row + "\n" for row in rows).encode()
    expected, wrong = [], []
    for number, line in enumerate(data.split(b"\n")[:-1], start=2):
        line = line.removesuffix(b"\r")
        if not line:
            continue
        try:
            expected.append(azure._read_row(line))
        except ValueError as error:
            wrong.append((number, str(error)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(azure, "_BLOCK_BYTES", block_bytes)
        bad = BadRows("made")
        parts = list(azure.read_parts(io.BufferedReader(io.BytesIO(data)), Path("made"), bad))
    assert [tuple(row) for part in parts for row in zip(*(c.tolist() for c in part), strict=True)] == expected
    assert bad.count == len(wrong)
    assert [tuple(row) for row in bad.first] == wrong[:5]


def test_millions_of_rows_take_few_bytes(tmp_path: Path) -> None:
    """Columns that are the same for all rows take no memory of their own."""
    traffic = read(tmp_path, HEADER + "2023-11-16 18:15:46.6805900,374,44\n" * 10)
    for column in (traffic.cached_tokens, traffic.model, traffic.tenant):
        assert column.strides == (0,)
        assert column.tolist() == [0] * 10
    assert traffic.arrival_s.dtype == np.float64
