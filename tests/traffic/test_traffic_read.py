"""`read_traffic`: the format found from the file, or named, and errors that say what was found."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from baseload.errors import DataError, EnvironmentProblem, UnknownName, UsageError
from baseload.traffic.read import Format, detect, read_shape, read_traffic
from tests.traffic.bill_samples import SAMPLES as SAMPLE_BILLS

SAMPLES = {
    Format.AZURE: "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n",
    Format.MOONCAKE: '{"timestamp": 0, "input_length": 6, "output_length": 5, "hash_ids": [0]}\n',
    Format.BAILIAN: (
        '{"chat_id": 1, "parent_chat_id": -1, "timestamp": 0.5, "input_length": 6, "output_length": 5, '
        '"type": "text", "turn": 1, "hash_ids": [0]}\n'
    ),
    Format.BURSTGPT: "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,a,1,2,3,API\n",
    Format.SERVEGEN: "workload,t_s,rps,length_coverage,mean_input_tokens,mean_output_tokens\nm,0,1,1,1,1\n",
    Format.CSV: "ts,input,output\n1,2,3\n",
    Format.JSONL: '{"ts": 1, "input": 2, "output": 3}\n',
    Format.PARQUET: "PAR1…",
    Format.LEDGER: "SQLite format 3\x00…",
    **{Format(kind.value): path.read_text(encoding="utf-8") for kind, path in SAMPLE_BILLS.items()},
}


def write(folder: Path, text: str, *, packed: bool = False) -> Path:
    """A file whose name says nothing."""
    path = folder / "trace"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    return path


@pytest.mark.parametrize("kind", Format)
def test_every_format_is_known_by_its_first_bytes(kind: Format, tmp_path: Path) -> None:
    """The file's name does not matter, nor, for text, whether it is packed."""
    assert detect(write(tmp_path, SAMPLES[kind])) is kind
    if kind not in (Format.PARQUET, Format.LEDGER):
        assert detect(write(tmp_path, SAMPLES[kind], packed=True)) is kind


@pytest.mark.parametrize("kind", [Format.AZURE, Format.MOONCAKE, Format.BAILIAN, Format.BURSTGPT, Format.CSV])
def test_a_named_format_reads_what_a_found_one_reads(kind: Format, tmp_path: Path) -> None:
    """Naming the format changes nothing where it is the right one."""
    path = write(tmp_path, SAMPLES[kind])
    assert read_traffic(path, kind.value).input_tokens.tolist() == read_traffic(path).input_tokens.tolist()


def test_an_unknown_format_is_refused_with_the_nearest(tmp_path: Path) -> None:
    """A misspelt format says which was meant."""
    with pytest.raises(UnknownName, match="did you mean 'mooncake'"):
        read_traffic(write(tmp_path, "x"), "moncake")


def test_named_columns_make_a_known_format_plain(tmp_path: Path) -> None:
    """With --columns a trace is read by them, whatever it looks like; with its format named it is refused."""
    path = write(tmp_path, SAMPLES[Format.AZURE])
    columns = "arrival=TIMESTAMP,input=GeneratedTokens,output=ContextTokens"
    assert read_traffic(path, columns=columns).input_tokens.tolist() == [44]
    with pytest.raises(UsageError, match="columns of the format 'azure' are fixed"):
        read_traffic(path, "azure", columns)


def test_empty_and_missing_files_are_told_apart(tmp_path: Path) -> None:
    """An empty file is bad data, a missing one a problem of the environment."""
    with pytest.raises(DataError, match="is empty"):
        read_traffic(write(tmp_path, "\n\n"))
    with pytest.raises(EnvironmentProblem, match="no such file"):
        read_traffic(tmp_path / "none")


def test_what_looks_like_json_and_is_not_is_refused(tmp_path: Path) -> None:
    """The first line's trouble is told with its place."""
    with pytest.raises(DataError, match="trace:1: looks like JSON Lines"):
        read_traffic(write(tmp_path, "{'ts': 1}\n"))


def test_a_first_line_that_is_no_header_is_refused(tmp_path: Path) -> None:
    """A carriage return within a line, as binary files have: told with its place, named format or not."""
    path = tmp_path / "trace"
    path.write_bytes(b"\x01\r\x01\n1,2\n")
    for format in (None, "csv"):
        with pytest.raises(DataError, match="trace:1: is no header"):
            read_traffic(path, format)


def test_a_table_of_something_else_names_what_it_has(tmp_path: Path) -> None:
    """Any other CSV: its columns are named, and what to do."""
    with pytest.raises(DataError, match="no column for arrival; it has city, people") as caught:
        read_traffic(write(tmp_path, "city,people\nBerne,1\n"))
    assert "--columns" in caught.value.hint


def test_a_shape_is_read_from_requests_too(tmp_path: Path) -> None:
    """Requests become a load in windows, so that the planner takes one kind of input."""
    rows = "".join(f"{second},2,3\n" for second in range(100))
    shape = read_shape(write(tmp_path, "ts,input,output\n" + rows), window_s=10.0)
    assert (len(shape.load), shape.window_s) == (10, 10.0)
    assert shape.load.requests_per_s.tolist() == pytest.approx([1.0] * 10)


def test_the_rooms_name_imports_no_numpy() -> None:
    """`import baseload.traffic` alone stays light: the gateway's process may name it."""
    code = "import sys, baseload.traffic; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["picture.png", "trace.csv"])
def test_a_binary_file_is_refused_without_its_bytes(name: str, tmp_path: Path) -> None:
    """What is no text has no columns to name."""
    path = tmp_path / name
    path.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xfe,\x01\x02\n" * 20)
    with pytest.raises(DataError, match="is neither text nor a format that is known") as refused:
        read_traffic(path)
    assert "\x89" not in str(refused.value)
    assert "IHDR" not in str(refused.value)
