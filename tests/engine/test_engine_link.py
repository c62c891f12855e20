"""Frames between the server and the process that runs the model."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from baseload.engine.link import (
    Cancel,
    Chat,
    Encode,
    Frames,
    Generate,
    Message,
    Sampling,
    Text,
    TokenIds,
    ToWorker,
    frame,
    messages_to_worker,
)

SENT: list[list[ToWorker]] = [
    [Generate(1, Chat((Message("user", "Grüße 😀"),)), Sampling(stop=("\n",), max_tokens=7))],
    [Cancel(1), Encode(2, Text("plain", special_tokens=False))],
    [Generate(3, TokenIds((1, 2, 3)), Sampling())],
]


@given(st.lists(st.integers(0, 400), max_size=20))
def test_frames_survive_any_cut(cuts: list[int]) -> None:
    """However the socket cuts the bytes, every message arrives once, whole and in order."""
    stream = b"".join(frame(messages) for messages in SENT)
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    frames = Frames()
    received = [
        message for a, b in itertools.pairwise(edges) for message in messages_to_worker(frames, stream[a:b])
    ]
    assert [message for messages in SENT for message in messages] == received
