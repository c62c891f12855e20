"""The binary event stream: what botocore reads is what we read and write, however the bytes are cut."""

from __future__ import annotations

import base64
import json
import random
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from baseload.wire.aws_events import (
    MAX_FRAME,
    MAX_HEADERS,
    EventReader,
    EventStreamBroken,
    Failure,
    Frame,
    Header,
    Kind,
    encode_event,
    encode_frame,
)
from baseload.wire.http1 import UpstreamSyntax

RANGES = {Kind.BYTE: 7, Kind.SHORT: 15, Kind.INTEGER: 31, Kind.LONG: 63, Kind.TIMESTAMP: 63}


def read(data: bytes) -> list[Frame]:
    """The frames of a whole stream."""
    reader = EventReader()
    frames = reader.feed(data)
    reader.end()
    return frames


def plain(frame: Frame) -> tuple[dict[str, object], bytes]:
    """A frame as botocore tells it: a UUID is its 16 bytes."""
    values = {name: header.value for name, header in frame.headers.items()}
    return {
        name: value.bytes if isinstance(value, UUID) else value for name, value in values.items()
    }, frame.payload


def theirs(data: bytes) -> list[tuple[dict[str, object], bytes]]:
    """The frames as botocore reads them."""
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return [(message.headers, message.payload) for message in buffer]


def random_header(rng: random.Random) -> Header:
    """A value of any of the ten types."""
    kind = rng.choice(list(Kind))
    if kind <= Kind.FALSE:
        return Header(kind, kind is Kind.TRUE)
    if kind in RANGES:
        bits = RANGES[kind]
        return Header(
            kind, rng.choice([-(1 << bits), (1 << bits) - 1, 0, rng.randint(-(1 << bits), (1 << bits) - 1)])
        )
    if kind is Kind.UUID:
        return Header(kind, UUID(bytes=rng.randbytes(16)))
    if kind is Kind.STRING:
        return Header(kind, "".join(rng.choices("abc: /äß漢🙂\0", k=rng.randint(0, 40))))
    return Header(kind, rng.randbytes(rng.randint(0, 300)))


def random_frame(rng: random.Random) -> Frame:
    """Up to eight headers and up to 8 KiB of payload."""
    names = ["".join(rng.choices("abc:-ä", k=rng.randint(1, 30))) for _ in range(rng.randint(0, 8))]
    return Frame({name: random_header(rng) for name in names}, rng.randbytes(rng.choice([0, 1, 50, 8192])))


def by_hand(headers: bytes, payload: bytes = b"", *, total: int = 0, block: int | None = None) -> bytes:
    """A frame around any bytes, with checksums that hold; lengths as told or as they are."""
    block = len(headers) if block is None else block
    lengths = struct.pack("!II", total or 16 + len(headers) + len(payload), block)
    frame = lengths + struct.pack("!I", crc32(lengths)) + headers + payload
    return frame + struct.pack("!I", crc32(frame))


def test_500_random_frames_are_what_botocore_reads() -> None:
    """What we write botocore reads, and we read back what was written: types, order, payload."""
    rng = random.Random(4)
    for _ in range(500):
        frame = random_frame(rng)
        data = encode_frame(frame.headers, frame.payload)
        [mine] = read(data)
        assert frame == mine
        assert list(frame.headers) == list(mine.headers)
        assert theirs(data) == [plain(mine)]
        assert data == encode_frame(mine.headers, mine.payload)


def test_a_frame_is_the_same_however_its_bytes_are_cut() -> None:
    """Every cut in two of a stream of three frames, and every byte alone."""
    rng = random.Random(5)
    frames = [random_frame(rng)._replace(payload=rng.randbytes(60)) for _ in range(3)]
    data = b"".join(encode_frame(frame.headers, frame.payload) for frame in frames)
    for cut in range(len(data) + 1):
        reader = EventReader()
        assert frames == reader.feed(data[:cut]) + reader.feed(data[cut:])
        reader.end()
    reader = EventReader()
    assert frames == [frame for byte in data for frame in reader.feed(bytes([byte]))]


def test_many_frames_come_in_one_chunk() -> None:
    """A chunk may hold a thousand events; they come out in their order."""
    data = b"".join(encode_event("contentBlockDelta", b"%d" % number) for number in range(1000))
    assert [b"%d" % number for number in range(1000)] == [frame.payload for frame in read(data)]


def test_a_dribbled_frame_costs_its_size_once() -> None:
    """Four times the bytes in as small pieces cost about four times as much, not sixteen times."""

    def spent_s(size: int) -> float:
        data = encode_frame({}, b"x" * size)
        pieces = [data[at : at + 32] for at in range(0, len(data), 32)]
        reader = EventReader()
        begin_s = time.process_time()
        frames = [frame for piece in pieces for frame in reader.feed(piece)]
        assert len(frames) == 1
        return time.process_time() - begin_s

    few, many = (min(spent_s(size) for _ in range(3)) for size in (MAX_FRAME // 8, MAX_FRAME // 2))
    assert many < 9 * few


def recorded(shared: Path) -> Iterator[tuple[str, bytes]]:
    """Every recorded binary stream with its exchange's id."""
    for file in sorted((shared / "fixtures" / "exchanges").glob("*.jsonl")):
        for line in file.read_text().splitlines():
            exchange = json.loads(line)
            if "response_base64" in exchange:
                yield exchange["id"], base64.b64decode(exchange["response_base64"])


def test_recorded_streams_of_the_provider_are_read_and_written_back(shared: Path) -> None:
    """Each as botocore reads it, in one piece and byte by byte, and the same bytes again when encoded."""
    streams = dict(recorded(shared))
    assert len(streams) >= 20
    for name, data in streams.items():
        frames = read(data)
        assert theirs(data) == [plain(frame) for frame in frames], name
        reader = EventReader()
        assert frames == [frame for byte in data for frame in reader.feed(bytes([byte]))], name
        assert data == b"".join(encode_frame(frame.headers, frame.payload) for frame in frames), name
        assert all(frame.event and frame.failure() is None for frame in frames), name


@given(st.binary(max_size=400), st.integers(0, 400))
def test_any_bytes_are_frames_or_refused(data: bytes, cut: int) -> None:
    """Nothing but the one error, and the same outcome however the bytes are cut."""

    def outcome(*pieces: bytes) -> object:
        reader = EventReader()
        try:
            return [frame for piece in pieces for frame in reader.feed(piece)]
        except EventStreamBroken as error:
            return str(error)

    assert outcome(data) == outcome(data[:cut], data[cut:])


@given(st.integers(0, 10_000), st.integers(1, 255), st.randoms(use_true_random=False))
def test_one_changed_byte_is_always_found(where: int, change: int, rng: random.Random) -> None:
    """Both checksums are checked: no flipped byte makes another frame."""
    frame = random_frame(rng)._replace(payload=b"payload")
    data = bytearray(encode_frame(frame.headers, frame.payload))
    data[where % len(data)] ^= change
    with pytest.raises(EventStreamBroken):
        read(bytes(data))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (by_hand(b"", total=MAX_FRAME + 1), "exceeds"),
        (by_hand(b"", total=15), "cannot have 0 bytes of headers"),
        (by_hand(b"", b"x" * 4, block=5), "cannot have 5 bytes of headers"),
        (by_hand(b"\x00"), "no name"),
        (by_hand(b"\x05ab"), "ends within it"),
        (by_hand(b"\x01a\x0a"), "unknown type 10"),
        (by_hand(b"\x01a\x04\x00"), "within its value"),
        (by_hand(b"\x01a\x07\x00"), "within its length"),
        (by_hand(b"\x01a\x07\x00\x05ab"), "within its value"),
        (by_hand(b"\x01a\x07\x00\x01\xff"), "not UTF-8"),
        (by_hand(b"\xff\xff" * 2), "no name"),
        (by_hand(b"\x01a\x00\x01a\x01"), "there twice"),
        (by_hand(b"")[:-1] + b"\x00", "does not have its checksum"),
        (b"HTTP/1.1 200 OK\r\n", "lengths do not have their checksum"),
    ],
)
def test_what_is_no_event_stream_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    """As trouble of the target, like any other syntax it breaks."""
    with pytest.raises(UpstreamSyntax, match=reason):
        EventReader().feed(data)


def test_a_frame_too_long_is_refused_before_it_is_kept() -> None:
    """Twelve bytes tell its length: memory is never asked for more than the bound."""
    prelude = by_hand(b"", total=MAX_FRAME + 1)[:12]
    with pytest.raises(EventStreamBroken, match="exceeds"):
        EventReader().feed(prelude)
    longest = encode_frame({}, b"x" * (MAX_FRAME - 16))
    assert len(read(longest)[0].payload) == MAX_FRAME - 16


def test_headers_are_bounded_too() -> None:
    """128 KiB, by the lengths alone."""
    with pytest.raises(EventStreamBroken, match="bytes of headers"):
        EventReader().feed(by_hand(b"", total=MAX_FRAME, block=MAX_HEADERS + 1)[:12])


def test_a_stream_that_ends_within_a_frame_says_so() -> None:
    """A cut connection is no clean end."""
    reader = EventReader()
    reader.feed(encode_event("messageStop", b"{}")[:-1])
    with pytest.raises(EventStreamBroken, match="ended within a frame"):
        reader.end()


def marked(**headers: str) -> dict[str, Header]:
    return {f":{name.replace('_', '-')}": Header(Kind.STRING, value) for name, value in headers.items()}


def test_exceptions_and_errors_are_told_from_events() -> None:
    """A modelled exception names its type and says why in its payload; an error says all in headers."""
    cases = [
        (marked(message_type="event", event_type="metadata"), b"{}", None),
        (
            marked(message_type="exception", exception_type="throttlingException"),
            b'{"message":"Too many tokens"}',
            Failure("throttlingException", "Too many tokens"),
        ),
        (
            marked(message_type="exception", exception_type="modelStreamErrorException"),
            b'{"Message":"broken","originalStatusCode":500}',
            Failure("modelStreamErrorException", "broken"),
        ),
        (marked(message_type="exception"), b"not json", Failure("exception", "")),
        (
            marked(message_type="error", error_code="InternalError", error_message="sorry"),
            b"",
            Failure("InternalError", "sorry"),
        ),
    ]
    for headers, payload, expected in cases:
        [frame] = read(encode_frame(headers, payload))
        assert expected == frame.failure()
        assert (frame.event == "") is (expected is not None)


def test_the_messages_of_failures_are_bounded() -> None:
    """What a service says fits into a line of the log."""
    [frame] = read(
        encode_frame(marked(message_type="exception"), json.dumps({"message": "x" * 9999}).encode())
    )
    failure = frame.failure()
    assert failure is not None
    assert len(failure.message) == 512


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("", Header(Kind.TRUE, True)),
        ("n" * 256, Header(Kind.TRUE, True)),
        ("n", Header(Kind.BYTE, 128)),
        ("n", Header(Kind.SHORT, "text")),
        ("n", Header(Kind.STRING, b"bytes")),
        ("n", Header(Kind.BYTES, "text")),
        ("n", Header(Kind.BYTES, b"x" * 65536)),
        ("n", Header(Kind.UUID, b"x" * 16)),
    ],
)
def test_what_the_format_cannot_hold_is_not_written(name: str, header: Header) -> None:
    """A name of 1 to 255 bytes, numbers in their range, values of their own type."""
    with pytest.raises(ValueError, match=r"name|is no|at most"):
        encode_frame({name: header}, b"")


def test_more_headers_than_a_reader_takes_are_not_written() -> None:
    """What we write we could read."""
    headers = {f"h{number}": Header(Kind.BYTES, b"x" * 60_000) for number in range(3)}
    with pytest.raises(ValueError, match="bytes of headers exceed"):
        encode_frame(headers, b"")
