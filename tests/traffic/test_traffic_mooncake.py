"""Mooncake traces: lengths, prefix blocks, and what an unlimited prefix cache would have held."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from baseload.errors import DataError
from baseload.traffic.read import read_traffic


def test_the_conversation_trace_equals_a_plain_reading(shared: Path) -> None:
    """12,031 requests, totals as json makes them, and 37% of the input in an unlimited prefix cache."""
    path = shared / "data" / "traces" / "mooncake" / "conversation_trace.jsonl"
    traffic = read_traffic(path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    seen: set[tuple[int, ...]] = set()
    hits = 0
    for row in rows:
        blocks = row["hash_ids"]
        found = 0
        # The trace's hashes cover the whole prefix, so a hash alone tells the chain.
        while found < len(blocks) and (blocks[found],) in seen:
            found += 1
        hits += min(512 * found, row["input_length"])
        seen.update((block,) for block in blocks)
    assert len(traffic) == 12_031
    assert traffic.input_tokens.sum() == sum(row["input_length"] for row in rows)
    assert traffic.output_tokens.sum() == sum(row["output_length"] for row in rows)
    assert traffic.arrival_s.tolist() == [row["timestamp"] / 1000 for row in rows]
    assert traffic.cached_tokens.sum() == hits
    assert float(traffic.cached_tokens.sum() / traffic.input_tokens.sum()) == pytest.approx(0.37, abs=0.005)
    assert traffic.prefix is not None
    assert traffic.prefix.block_tokens == 512
    assert traffic.prefix.of(1).tolist() == rows[1]["hash_ids"]
    assert traffic.start_ns is None


def test_lines_that_are_no_request_are_bad_rows(tmp_path: Path) -> None:
    """Broken JSON, missing keys and wrong kinds are counted with line and reason."""
    good = '{"timestamp": 1000, "input_length": 600, "output_length": 5, "hash_ids": [1, 2]}\n'
    wrong = [
        '{"timestamp": 0, "input_length": 1\n',
        '{"timestamp": 0, "input_length": 1, "hash_ids": []}\n',
        '{"timestamp": "x", "input_length": 1, "output_length": 1, "hash_ids": []}\n',
        '{"timestamp": 0, "input_length": -1, "output_length": 1, "hash_ids": []}\n',
    ]
    path = tmp_path / "trace.jsonl"
    path.write_text(good + "".join(wrong) + good * 400)
    traffic = read_traffic(path)
    assert (len(traffic), traffic.bad_rows) == (401, 4)
    assert [bad.line for bad in traffic.first_bad] == [2, 3, 4, 5]
    assert "output_length" in traffic.first_bad[1].reason
    path.write_text(good + "".join(wrong))
    with pytest.raises(DataError, match="4 of 5 rows"):
        read_traffic(path)
