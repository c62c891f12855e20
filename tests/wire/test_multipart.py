"""Forms are read strictly, in any pieces, and only as far as needed."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.errors import RequestError
from baseload.wire.multipart import MAX_FIELD, MAX_PART_HEAD, MAX_PARTS, FormField, FormReader, boundary_of

B = b"xyz"


def part(name: bytes, value: bytes, more: bytes = b"") -> bytes:
    """One part with its boundary."""
    return b'--%b\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (B, name, more, value)


FILE = part(b"file", b"\r\n--xy\r\n\x00" * 50, b'; filename="a \xc3\xa9;.wav"')
FORM = b"--xyz--\r\n"


def read(*pieces: bytes, wanted: tuple[str, ...] = ("model", "n")) -> FormReader:
    """A reader that was fed these pieces."""
    reader = FormReader(B, wanted)
    for piece in pieces:
        reader.feed(piece)
    return reader


def test_fields_and_where_they_stand() -> None:
    """Wanted fields have their value and its place in the body; others are passed over."""
    body = part(b"model", b"whisper-1") + FILE + part(b"n", b"2") + part(b"prompt", b"p" * 5000) + FORM
    reader = read(body)
    assert reader.done
    assert {name: found.value for name, found in reader.fields.items()} == {"model": b"whisper-1", "n": b"2"}
    assert all(body[found.start : found.end] == found.value for found in reader.fields.values())


@given(st.lists(st.integers(0, 2000)), st.booleans(), st.binary(max_size=300))
def test_pieces_make_no_difference(cuts: list[int], first: bool, content: bytes) -> None:
    """However a form is cut, the same is read."""
    model = part(b"model", b"m")
    file = part(b"file", content.replace(b"--xyz", b""), b'; filename="f"')
    body = (model + file if first else file + model) + FORM
    edges = sorted({0, len(body), *(cut % len(body) for cut in cuts)})
    cut_up = read(*(body[a:b] for a, b in pairwise(edges)))
    whole = read(body)
    assert (cut_up.fields, cut_up.done) == (whole.fields, True)
    assert whole.fields["model"] == FormField(b"m", body.index(b"m\r\n--"), body.index(b"m\r\n--") + 1)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_form_or_refused(data: bytes) -> None:
    """Nothing else ever comes of it."""
    refusal, fields = "", set[str]()
    try:
        fields = set(read(b"--xyz\r\n" + data).fields)
    except RequestError as error:
        refusal = error.fault.code
    assert refusal in ("", "invalid_field", "duplicate_key")
    assert fields <= {"model", "n"}


def test_a_file_is_not_kept() -> None:
    """However long a file is, the reader holds no more than a boundary of it."""
    reader = read(part(b"model", b"m") + b'--xyz\r\ncontent-disposition: form-data; name="file"\r\n\r\n')
    for _ in range(64):
        reader.feed(b"\r\n--xy" * 10_000)
        assert len(reader._buffer) <= len(b"\r\n--xyz")


@pytest.mark.parametrize(
    "body",
    [
        b"preamble\r\n--xyz\r\n",
        b"--xyz \r\n",
        b"--xyzz\r\n",
        part(b"model", b"m" * (MAX_FIELD + 1)) + FORM,
        b"--xyz\r\n" + b"x: y\r\n" * MAX_PART_HEAD,
        part(b"x", b"") * (MAX_PARTS + 1),
        part(b"MODEL", b"m"),
        part(b"mo\\del", b"m"),
        part(b"mo%64el", b"m"),
        part(b"m\xff", b"m"),
        part(b"a", b"m", b'; name="model"'),
        part(b"a", b"m", b"; name*=utf-8''model"),
        part(b"a", b"m", b'; filename="x'),
        b"--xyz\r\ncontent-disposition: attachment; name=model\r\n\r\nm\r\n",
        b'--xyz\r\nContent-Disposition : form-data; name="model"\r\n\r\nm\r\n',
        b'--xyz\r\nContent-Disposition: form-data;\r\n name="model"\r\n\r\nm\r\n',
        b"--xyz\r\n\r\nm\r\n",
        FORM + b"--xyz\r\n",
    ],
)
def test_what_is_refused(body: bytes) -> None:
    """Whatever another reader could take for another form is none."""
    with pytest.raises(RequestError) as refused:
        read(body)
    assert refused.value.fault.code == "invalid_field"


def test_a_field_comes_once() -> None:
    """A wanted field that is sent again is refused; others may come again."""
    assert read(part(b"image[]", b"a") + part(b"image[]", b"b") + FORM).done
    with pytest.raises(RequestError) as refused:
        read(part(b"model", b"a") + FILE + part(b"model", b"a"))
    assert refused.value.fault.code == "duplicate_key"


@pytest.mark.parametrize(
    ("content", "boundary"),
    [
        (b"multipart/form-data; boundary=abc", b"abc"),
        (b'Multipart/Form-Data;boundary="a b:c"', b"a b:c"),
        (b"multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxk", b"----WebKitFormBoundary7MA4YWxk"),
        (b"application/json", None),
    ],
)
def test_boundaries(content: bytes, boundary: bytes | None) -> None:
    """The boundary as RFC 2046 writes it; none for another type."""
    assert boundary_of(content) == boundary


@pytest.mark.parametrize(
    "content",
    [
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b"multipart/form-data; boundary=a; boundary=b",
        b"multipart/form-data; charset=x; boundary=b",
        b"multipart/form-data; boundary=%b" % (b"a" * 71),
    ],
)
def test_boundaries_that_are_none(content: bytes) -> None:
    """A form without one plain boundary is refused."""
    with pytest.raises(RequestError):
        boundary_of(content)
