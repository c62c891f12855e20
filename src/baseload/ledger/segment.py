"""How journal segments lie on disk: a header, frames, a seal. Pure functions of bytes and names.

    header   64 bytes: magic, version, writer, sequence, crc32
    frame    length u32 · crc32(payload) u32 · payload, little-endian
    end      a length of zero: nothing behind it was acknowledged
    seal     a length of 0xFFFFFFFF: the writer went on to its next segment

The writer stores the length last, so a process that dies halfway leaves no frame rather than a half one.
"""

from __future__ import annotations

import re
import struct
import zlib
from enum import Enum
from typing import NamedTuple

MAGIC = b"BASELOAD"
HEADER = struct.Struct("<8sHHIIQQ16sI8x")
LENGTH = struct.Struct("<I")
FRAME = struct.Struct("<II")
SEAL = 0xFFFF_FFFF
MAX_PAYLOAD_BYTES = 64 * 1024 - 1
SUFFIX = ".segment"

_MAYBE_FRAME = re.compile(rb"(?s)(?=..\x00\x00....[\x90-\x9f\xdc])")  # a short length, then an array
_NAME = re.compile(r"(?P<writer>[0-9a-f]{8}-\d+-\d+-[0-9a-f]{16})-(?P<sequence>\d{8})\.segment")


class Header(NamedTuple):
    """Who wrote a segment, and in which version. `boot` is the kernel's boot id."""

    major: int
    minor: int
    worker: int
    pid: int
    started_ns: int
    sequence: int
    boot: bytes

    def pack(self) -> bytes:
        """The header as bytes, its checksum included."""
        head = HEADER.pack(
            MAGIC, self.major, self.minor, self.worker, self.pid, self.started_ns, self.sequence, self.boot, 0
        )
        return HEADER.pack(MAGIC, *self, zlib.crc32(head))

    @property
    def file_name(self) -> str:
        """`BOOT-WORKER-PID-STARTED-SEQUENCE.segment`; names of one writer sort in the order written.

        The start time is part of it since a container's process has the same pid, on the same boot, in each
        of its lives.
        """
        writer = f"{self.boot.hex()[:8]}-{self.worker}-{self.pid}-{self.started_ns:016x}"
        return segment_name(writer, self.sequence)


def segment_name(writer: str, sequence: int) -> str:
    """The file name of a writer's segment."""
    return f"{writer}-{sequence:08d}{SUFFIX}"


def parse_header(data: bytes) -> Header | None:
    """The header at the start of `data`, or None if there is no whole and sound one."""
    if len(data) < HEADER.size:
        return None
    magic, *fields, _crc = HEADER.unpack_from(data)
    header = Header(*fields)
    return header if magic == MAGIC and header.pack() == data[: HEADER.size] else None


def writer_and_sequence(file_name: str) -> tuple[str, int] | None:
    """Which writer's segment this is and its place in order; None for a name that is no segment's."""
    match = _NAME.fullmatch(file_name)
    return (match["writer"], int(match["sequence"])) if match else None


class Stop(Enum):
    """Why reading frames stopped."""

    END = "end"  # nothing further is written
    SEALED = "sealed"  # nothing further will be written
    SHORT = "short"  # the frame goes on behind the bytes given
    BAD = "bad"  # no frame: damage, or in a live segment perhaps one that is being written


class Scan(NamedTuple):
    """Payloads read, the offset behind each, and why reading stopped behind the last."""

    payloads: list[bytes]
    ends: list[int]
    stop: Stop


def scan(data: bytes, at: int = 0) -> Scan:
    """Reads whole frames of `data` from `at` on; never returns a payload whose checksum does not hold."""
    payloads: list[bytes] = []
    ends: list[int] = []
    size, unpack, checksum_of = len(data), FRAME.unpack_from, zlib.crc32
    while at + FRAME.size <= size:
        length, checksum = unpack(data, at)
        behind = at + 8 + length
        if length == 0 or length > MAX_PAYLOAD_BYTES or behind > size:
            break
        payload = data[at + 8 : behind]
        if checksum_of(payload) != checksum:
            return Scan(payloads, ends, Stop.BAD)
        payloads.append(payload)
        ends.append(behind)
        at = behind
    return Scan(payloads, ends, _why_stopped(data, at))


def _why_stopped(data: bytes, at: int) -> Stop:
    """What the length word at `at` says, given that no whole frame is there."""
    if at + LENGTH.size > len(data):
        return Stop.SHORT
    (length,) = LENGTH.unpack_from(data, at)
    if length == 0:
        return Stop.END
    if length == SEAL:
        return Stop.SEALED
    return Stop.BAD if length > MAX_PAYLOAD_BYTES else Stop.SHORT


def frame_behind(data: bytes) -> int | None:
    """Offset of the first whole frame anywhere in `data`, or None if there is none.

    Tells lost pages from a frame that was cut short, in the bytes behind the last frame. What it finds may
    be the content of another frame, so it is good for a report and never for booking.
    """
    written = data.rstrip(b"\0")
    for match in _MAYBE_FRAME.finditer(written):
        at = match.start()
        length, checksum = FRAME.unpack_from(data, at)
        if length and zlib.crc32(data[at + 8 : at + 8 + length]) == checksum:
            return at
    return None
