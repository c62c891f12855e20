"""A twin's own count."""

from __future__ import annotations

from pathlib import Path

import msgspec

from baseload.twin.served import Outcome, Record, Served


def served(serial: int, output: int = 2) -> Served:
    """A request of three input tokens."""
    return Served(serial, f"r{serial}", "/v1/x", "m", False, 0.0, input=3, output=output)


def test_totals_outlive_what_is_kept() -> None:
    """Only the last requests are kept, but totals count every one, and an end counts once."""
    record = Record(keep=2)
    for serial in range(5):
        request = served(serial)
        record.begin(request)
        assert len(record.count().open) == 1
        record.end(request, Outcome.FINISHED if serial else Outcome.CANCELLED, 0.1)
        record.end(request, Outcome.FAULTED, 0.1)
    count = record.count()
    assert [request.serial for request in count.requests] == [3, 4]
    assert (count.totals.requests, count.totals.input, count.totals.output) == (5, 15, 10)
    assert (count.totals.finished, count.totals.cancelled, count.totals.faulted) == (4, 1, 0)
    assert count.open == []


def test_a_count_is_a_copy() -> None:
    """What was asked for earlier does not change as requests go on."""
    record = Record()
    request = served(1)
    record.begin(request)
    count = record.count()
    request.output = 99
    assert count.open[0].output == 2


def test_the_file_has_a_line_for_each_ended_request_at_once(tmp_path: Path) -> None:
    """Lines are on disk when the request has ended, without a close; a second run appends."""
    file = tmp_path / "served.jsonl"
    for serial in (1, 2):
        record = Record(file)
        request = served(serial)
        record.begin(request)
        record.end(request, Outcome.FINISHED, 0.5)
        lines = [msgspec.json.decode(line, type=Served) for line in file.read_bytes().splitlines()]
        assert [(line.serial, line.outcome) for line in lines] == [
            (number, Outcome.FINISHED) for number in range(1, serial + 1)
        ]
        record.close()
