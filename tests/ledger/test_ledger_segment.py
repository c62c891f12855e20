"""Segments on disk: what is read is what was written, or nothing."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.ledger.segment import (
    FRAME,
    LENGTH,
    SEAL,
    Header,
    Stop,
    frame_behind,
    parse_header,
    scan,
    writer_and_sequence,
)

PAYLOADS = st.lists(st.binary(min_size=1, max_size=60), max_size=8)
HEADER = Header(1, 0, 3, 4242, 1_795_334_400_000_000_000, 7, bytes(range(16)))


def framed(payloads: list[bytes]) -> bytes:
    """The payloads as frames."""
    return b"".join(FRAME.pack(len(p), zlib.crc32(p)) + p for p in payloads)


@given(PAYLOADS)
def test_whole_frames_are_read_back(payloads: list[bytes]) -> None:
    """Every frame before the end of data is read, with the offset behind it."""
    data = framed(payloads) + bytes(100)
    found = scan(data)
    assert (payloads, Stop.END) == (found.payloads, found.stop)
    assert [len(framed(payloads[: i + 1])) for i in range(len(payloads))] == found.ends


@given(PAYLOADS, st.data())
def test_truncation_leaves_a_prefix(payloads: list[bytes], data: st.DataObject) -> None:
    """Cut anywhere, exactly the frames that are whole are read."""
    whole = framed(payloads)
    cut = data.draw(st.integers(0, len(whole)))
    found = scan(whole[:cut])
    kept = [i for i in range(len(payloads)) if len(framed(payloads[: i + 1])) <= cut]
    assert payloads[: len(kept)] == found.payloads
    assert found.stop is Stop.SHORT


@given(PAYLOADS.filter(bool), st.data())
def test_a_flipped_bit_never_gives_a_wrong_frame(payloads: list[bytes], data: st.DataObject) -> None:
    """With one bit wrong, what is read is a prefix that ends before the damaged frame."""
    whole = bytearray(framed(payloads) + bytes(70_000))
    at = data.draw(st.integers(0, len(framed(payloads)) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    sound = [i for i in range(len(payloads)) if len(framed(payloads[: i + 1])) <= at]
    assert payloads[: len(sound)] == scan(bytes(whole)).payloads


@given(PAYLOADS)
def test_nothing_is_read_behind_a_seal(payloads: list[bytes]) -> None:
    """The seal ends a segment whatever lies behind it."""
    data = framed(payloads) + LENGTH.pack(SEAL) + framed([b"late"])
    assert (payloads, Stop.SEALED) == scan(data)[::2]


def test_header_survives_and_damage_shows() -> None:
    """A header is read back exactly; with any byte changed it is none."""
    packed = HEADER.pack()
    assert parse_header(packed) == HEADER
    for at in range(len(packed)):
        changed = bytearray(packed)
        changed[at] ^= 0x40
        assert parse_header(bytes(changed)) is None
    assert parse_header(packed[:-1]) is None


def test_names_say_writer_and_order() -> None:
    """A segment's name tells its writer apart from every other and sorts in the order written."""
    names = [HEADER._replace(sequence=n).file_name for n in (1, 9, 10, 99_999)]
    assert names == sorted(names)
    assert [writer_and_sequence(name) for name in names] == [
        (f"00010203-3-4242-{HEADER.started_ns:016x}", n) for n in (1, 9, 10, 99_999)
    ]
    reborn = HEADER._replace(started_ns=HEADER.started_ns + 1)
    assert writer_and_sequence(reborn.file_name) != writer_and_sequence(HEADER.file_name)
    assert writer_and_sequence("damaged") is None


@pytest.mark.parametrize("gap", [0, 1, 4096])
def test_frames_behind_a_gap_are_noticed(gap: int) -> None:
    """Frames behind lost bytes are found; a frame that was cut short is not taken for one."""
    payload = b"\x92\x01\x02" * 5
    frame = framed([payload])
    assert frame_behind(bytes(gap) + frame + bytes(50)) == gap
    assert frame_behind(bytes(gap) + frame[:-2] + bytes(50)) is None
    assert frame_behind(bytes(gap)) is None
