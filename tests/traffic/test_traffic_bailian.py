"""Qwen-Bailian traces: seconds, kinds of request, blocks of 16 tokens whose hashes stand alone."""

from __future__ import annotations

import json
from pathlib import Path

from baseload.traffic.read import read_traffic


def line(timestamp: float, input_length: int, kind: str, hash_ids: list[int]) -> str:
    """A line as the trace's documentation describes it."""
    row = {
        "chat_id": 159,
        "parent_chat_id": -1,
        "timestamp": timestamp,
        "input_length": input_length,
        "output_length": 132,
        "type": kind,
        "turn": 1,
        "hash_ids": hash_ids,
    }
    return json.dumps(row) + "\n"


def test_requests_and_their_blocks_are_read(tmp_path: Path) -> None:
    """Times in seconds from the first request, kinds as tenants, and only equal prefixes hit."""
    path = tmp_path / "trace.jsonl"
    path.write_text(
        line(61.114, 40, "text", [1089, 1090, 1091])
        + line(61.614, 40, "search", [1089, 1090, 7])
        + line(62.114, 30, "text", [1090, 1091])  # the same blocks in another place: no prefix
        + line(63.114, 37, "text", [1089, 1090, 1091])
    )
    traffic = read_traffic(path)
    assert traffic.arrival_s.tolist() == [0.0, 0.5, 1.0, 2.0]
    assert traffic.cached_tokens.tolist() == [0, 32, 0, 37]
    assert [traffic.tenants[code] for code in traffic.tenant] == ["text", "search", "text", "text"]
    assert traffic.prefix is not None
    assert (traffic.prefix.block_tokens, traffic.start_ns) == (16, None)
