"""Trace files: unpacked by their bytes, cut into lines, and every trouble told with the file's name."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from baseload.errors import DataError, EnvironmentProblem
from baseload.traffic import source
from baseload.traffic.source import lines, open_trace

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "gzip members": lambda data: gzip.compress(data[:1000]) + gzip.compress(data[1000:]),
    "zstd": zstandard.ZstdCompressor().compress,
    "zstd frames": lambda data: (
        zstandard.ZstdCompressor().compress(data[:1000]) + zstandard.ZstdCompressor().compress(data[1000:])
    ),
    "zstd checked": zstandard.ZstdCompressor(write_checksum=True).compress,
    "zstd streamed": lambda data: zstandard.ZstdCompressor(write_content_size=False).compress(data),
}
TEXT = random.Random(1).randbytes(300_000).hex().encode()


@pytest.mark.parametrize("packer", PACKERS)
def test_packed_files_are_read_whole(packer: str, tmp_path: Path) -> None:
    """Whatever the packing, and whatever the file is called, the same bytes come out."""
    path = tmp_path / "trace.txt"
    path.write_bytes(PACKERS[packer](TEXT))
    with open_trace(path) as stream:
        assert stream.read() == TEXT


@pytest.mark.parametrize("packer", ["gzip", "zstd", "zstd frames"])
@pytest.mark.parametrize("keep", [0.5, 0.9999])
def test_a_cut_file_is_an_error(packer: str, keep: float, tmp_path: Path) -> None:
    """A download that broke off is never read as a shorter trace."""
    path = tmp_path / "trace.zst"
    packed = PACKERS[packer](TEXT)
    path.write_bytes(packed[: int(len(packed) * keep)])
    with (
        pytest.raises(DataError, match=r"trace\.zst: the compressed file is cut or damaged"),
        open_trace(path) as stream,
    ):
        stream.read()


@pytest.mark.parametrize("packer", ["gzip", "zstd checked"])
def test_a_damaged_file_is_an_error(packer: str, tmp_path: Path) -> None:
    """Flipped bytes are found wherever the file carries a checksum."""
    path = tmp_path / "trace"
    packed = bytearray(PACKERS[packer](TEXT))
    packed[5000:5100] = bytes(100)
    path.write_bytes(packed)
    with pytest.raises(DataError, match="cut or damaged"), open_trace(path) as stream:
        stream.read()


def test_a_missing_file_is_a_problem_of_the_environment(tmp_path: Path) -> None:
    """The name of the file that is not there is told."""
    with (
        pytest.raises(EnvironmentProblem, match=r"none\.csv: no such file"),
        open_trace(tmp_path / "none.csv"),
    ):
        pass


def test_a_folder_is_no_trace(tmp_path: Path) -> None:
    """A folder is refused as such."""
    with pytest.raises(DataError, match="a folder"), open_trace(tmp_path):
        pass


def test_lines_are_numbered_and_blank_ones_left_out(tmp_path: Path) -> None:
    """Numbers count every line of the file, blank ones too; a byte order mark is no part of the first."""
    path = tmp_path / "trace"
    path.write_bytes(b"\xef\xbb\xbfone\r\n\n  \ntwo\nthree")
    with open_trace(path) as stream:
        assert list(lines(stream, path)) == [(1, b"one"), (4, b"two"), (5, b"three")]


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without line ends does not fill memory: it is refused at a bound, with the line's number."""
    monkeypatch.setattr(source, "MAX_LINE_BYTES", 100)
    path = tmp_path / "trace"
    path.write_bytes(b"short\n" + b"x" * 1000)
    with pytest.raises(DataError, match="trace:2: the line is longer"), open_trace(path) as stream:
        list(lines(stream, path))
