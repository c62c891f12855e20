"""Trace files as byte streams: opened, unpacked by their magic bytes, cut into lines.

Everything that touches the file system for the readers is here. What is missing is an `EnvironmentProblem`,
what is broken a `DataError`; both name the file.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import zstandard

from baseload.errors import DataError, EnvironmentProblem

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

BUFFER_BYTES = 1 << 18
MAX_LINE_BYTES = 16 << 20
"""A longer line is no row of a trace; the bound keeps a file without line ends from filling memory."""


@contextmanager
def open_trace(path: Path) -> Iterator[io.BufferedReader]:
    """The file's bytes, unpacked if gzip or zstd; trouble while reading is told as an error of ours."""
    try:
        with _opened(path) as raw:
            yield _unpacked(raw)
    except FileNotFoundError:
        raise EnvironmentProblem(f"{path}: no such file", hint="check the path of the trace") from None
    except IsADirectoryError:
        raise DataError(f"{path}: a folder, not a trace", hint="name one file") from None
    except (zlib.error, EOFError, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise DataError(
            f"{path}: the compressed file is cut or damaged: {error}", hint="fetch it again"
        ) from None
    except OSError as error:
        raise EnvironmentProblem(f"{path}: cannot be read: {error.strerror or error}") from None


def _opened(path: Path) -> io.BufferedReader:
    return io.BufferedReader(io.FileIO(path), BUFFER_BYTES)


def _unpacked(raw: io.BufferedReader) -> io.BufferedReader:
    magic = raw.peek(4)[:4]
    if magic.startswith(GZIP_MAGIC):
        return io.BufferedReader(gzip.GzipFile(fileobj=raw), BUFFER_BYTES)
    if magic == ZSTD_MAGIC:
        return io.BufferedReader(_ZstdFrames(raw), BUFFER_BYTES)
    return raw


class _ZstdFrames(io.RawIOBase):
    """Zstd frames one after the other as one stream; raises EOFError where the last one is cut.

    `zstandard`'s own stream reader ends silently at a cut frame.
    """

    PIECE_BYTES = 1 << 16

    def __init__(self, raw: io.BufferedReader) -> None:
        self._raw = raw
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._packed = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, into: WriteableBuffer, /) -> int:
        buffer = memoryview(into).cast("B")
        while not self._ready:
            packed = self._packed or self._raw.read(self.PIECE_BYTES)
            if not packed:
                if self._frame is not None:
                    raise EOFError("the last zstd frame is not complete")
                return 0
            self._packed = b""
            self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
            self._ready = memoryview(self._frame.decompress(packed))
            if self._frame.eof:
                self._packed, self._frame = self._frame.unused_data, None
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


def raw_lines(stream: io.BufferedReader, path: Path) -> Iterator[bytes]:
    """Lines with their ends, without a byte order mark; DataError for one beyond `MAX_LINE_BYTES`."""
    number = 0
    while line := stream.readline(MAX_LINE_BYTES):
        number += 1
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            raise DataError(
                f"{path}:{number}: the line is longer than {MAX_LINE_BYTES >> 20} MiB",
                hint="one request a line is expected",
            )
        yield line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


def lines(stream: io.BufferedReader, path: Path) -> Iterator[tuple[int, bytes]]:
    """Line numbers from 1 and lines without their ends; blank lines are left out."""
    for number, line in enumerate(raw_lines(stream, path), start=1):
        line = line.strip()
        if line:
            yield number, line
