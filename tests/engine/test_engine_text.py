"""Tokens become whole characters, and stop strings never show."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.engine.text import Detokenizer, StopStrings


def bytes_of(text: str, cuts: list[int]) -> list[bytes]:
    """The text's UTF-8 cut into tokens at arbitrary bytes."""
    raw = text.encode()
    edges = sorted({0, len(raw), *(cut % (len(raw) + 1) for cut in cuts)})
    return [raw[a:b] for a, b in itertools.pairwise(edges)]


def decoder(vocabulary: list[bytes], errors: str) -> Callable[[Sequence[int]], str]:
    """How byte-level tokenizers decode: some drop incomplete characters, some replace them."""
    return lambda ids: b"".join(vocabulary[i] for i in ids).decode(errors=errors)


@given(
    st.text(max_size=40), st.lists(st.integers(0, 200), max_size=60), st.sampled_from(["ignore", "replace"])
)
def test_pieces_join_to_the_whole_text(text: str, cuts: list[int], errors: str) -> None:
    """However characters are spread over tokens, the pieces are whole characters and join to the text."""
    vocabulary = bytes_of(text.replace("\ufffd", ""), cuts)
    detokenizer = Detokenizer(decoder(vocabulary, errors))
    pieces = [detokenizer.push([token]) for token in range(len(vocabulary))]
    assert "\ufffd" not in "".join(pieces)
    assert "".join(pieces) + detokenizer.flush() == text.replace("\ufffd", "")


def test_a_character_is_held_back_until_its_last_byte() -> None:
    """Nothing of a four-byte emoji is sent before its fourth byte."""
    vocabulary = [b"a", b"\xf0", b"\x9f", b"\x98", b"\x80", b"b"]
    detokenizer = Detokenizer(decoder(vocabulary, "replace"))
    assert [detokenizer.push([token]) for token in range(6)] == ["a", "", "", "", "😀", "b"]


def test_bytes_that_never_become_text_do_not_hold_an_answer_for_ever() -> None:
    """A model that emits broken bytes gets replacement characters after a while, as vLLM's users do."""
    detokenizer = Detokenizer(decoder([b"\x80"], "replace"))
    pieces = [detokenizer.push([0]) for _ in range(20)]
    assert "".join(pieces) + detokenizer.flush() == "\ufffd" * 20
    assert any(pieces)


def test_words_keep_their_spaces_where_decoding_strips_the_first() -> None:
    """SentencePiece drops a leading space when it decodes: a word in mid-answer must not lose it."""
    words = ["▁Own", "▁the", "▁base"]
    detokenizer = Detokenizer(lambda ids: "".join(words[i] for i in ids).replace("▁", " ").removeprefix(" "))
    assert [detokenizer.push([token]) for token in range(3)] == ["Own", " the", " base"]


@pytest.mark.parametrize(
    ("pieces", "text", "stopped"),
    [
        (["one STOP two"], "one ", True),
        (["one S", "TO", "P two"], "one ", True),
        (["one S", "TO", "RE"], "one STORE", False),
        (["STOP"], "", True),
        (["ends with ST"], "ends with ST", False),
        (["SSTOP"], "S", True),
    ],
)
def test_stop_strings_are_cut_wherever_pieces_end(pieces: list[str], text: str, stopped: bool) -> None:
    """Text before a stop string is sent, nothing of it is, and an unfinished one is text after all."""
    stops = StopStrings(["STOP"])
    sent, met = "", False
    for piece in pieces:
        safe, met = stops.push(piece)
        sent += safe
        if met:
            break
    assert (sent + stops.flush(), met) == (text, stopped)


@given(st.text("ab", max_size=30), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3), st.data())
def test_stop_strings_act_as_on_the_whole_text(text: str, stops: list[str], data: st.DataObject) -> None:
    """Cut anywhere: what is sent begins the text, has no stop string, and is all of it where none is met."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    edges = [0, *cuts, len(text)]
    scanner, sent = StopStrings(stops), ""
    for a, b in itertools.pairwise(edges):
        safe, met = scanner.push(text[a:b])
        sent += safe
        if met:
            break
    sent += scanner.flush()
    assert text.startswith(sent)
    assert not any(stop in sent for stop in stops)
    assert (sent == text) == (not any(stop in text for stop in stops))
