"""What the ledger costs: CPU per begin and end in the journal, and per attempt in ingest.

    .venv/bin/python bench/ledger.py [--attempts 50000] [--rounds 7]

The yardstick is one `write` system call per record of the same bytes to a file; it and the journal are
measured in turns, and the ratio is the median over the rounds. Times are CPU, of the thread that writes (the
rest of the journal's process, its flushing thread, is printed apart) and of the ingest.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

from baseload.core import Tokens
from baseload.ledger.follow import Follower
from baseload.ledger.journal import Journal
from baseload.ledger.record import Begin, Bill, Call, Caller, Chosen, End, Versions, encode

BAR_WRITER_US, BAR_INGEST_US = 4.0, 15.0
CALLER, VERSIONS = Caller("shop", "k_3f9a2b1c", "default"), Versions("c0ffee12", "2026-11-22")


def records(count: int) -> list[tuple[Begin, End]]:
    """Attempts like the gateway's: three in four at an owned target."""
    now_ns = time.time_ns()
    made = []
    for number in range(count):
        request_id = f"{now_ns + number:016x}-8000-0123456789ab"
        owned = number % 4 > 0
        call = Call("chat", "chat.completions", True, 140, 220)
        chosen = Chosen(
            "llama-a" if owned else "gpt-4o",
            "owned" if owned else "metered",
            "owned" if owned else "spill",
            0 if owned else 2_550_000,
            41_234 if owned else 0,
            0,
            312.5,
            21.25,
        )
        bill = Bill(0, 2_350_000, "gpt-4o", 31_000_000) if owned else Bill(2_350_000, 0, "llama-a")
        made.append(
            (
                Begin(request_id, 1, now_ns + number, CALLER, call, chosen, VERSIONS, 2_550_000),
                End(
                    request_id,
                    1,
                    now_ns + number + 1,
                    "completed",
                    200,
                    4_750_000_000,
                    Tokens(140, 0, 0, 200, 0, False),
                    bill,
                    301_000_000,
                    None,
                    "chatcmpl-0123456789abcdef0123",
                ),
            )
        )
    return made


def journal_us(attempts: list[tuple[Begin, End]], folder: Path) -> tuple[float, float]:
    """CPU microseconds per attempt of the writing thread, and of the journal's other thread."""
    journal = Journal.open(folder)
    process, thread = time.process_time_ns(), time.thread_time_ns()
    for begin, end in attempts:
        journal.begin(begin)
        journal.end(end)
    thread = time.thread_time_ns() - thread
    journal.sync()
    process = time.process_time_ns() - process
    journal.close()
    return thread / 1e3 / len(attempts), (process - thread) / 1e3 / len(attempts)


def write_us(attempts: list[tuple[Begin, End]], path: Path) -> float:
    """CPU microseconds per attempt of two plain `write` calls of the same bytes, already encoded."""
    payloads = [(encode(begin), encode(end)) for begin, end in attempts]
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    spent = time.thread_time_ns()
    for begin, end in payloads:
        os.write(fd, begin)
        os.write(fd, end)
    spent = time.thread_time_ns() - spent
    os.close(fd)
    path.unlink()
    return spent / 1e3 / len(attempts)


def ingest_us(folder: Path, store: Path, count: int) -> float:
    """CPU microseconds per attempt to book a dead writer's journal."""
    with closing(Follower(folder, store)) as follower:
        spent = time.process_time_ns()
        follower.run_pass()
        spent = time.process_time_ns() - spent
    return spent / 1e3 / count


def main() -> None:
    parser = argparse.ArgumentParser(description="What the ledger costs per attempt.")
    parser.add_argument("--attempts", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    attempts = records(options.attempts)
    writing, others, plain, booking = [], [], [], []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            plain.append(write_us(attempts, folder / "plain"))
            thread, other = journal_us(attempts, folder / "journal")
            writing.append(thread)
            others.append(other)
            booking.append(ingest_us(folder / "journal", folder / "ledger.sqlite", len(attempts)))
    ratio = statistics.median(mine / theirs for mine, theirs in zip(writing, plain, strict=True))
    print(
        f"{options.attempts} attempts, {options.rounds} rounds; CPU microseconds per attempt: median (least)"
    )
    for what, values, bar in (
        ("two plain writes of the same bytes", plain, None),
        ("journal: begin + end", writing, BAR_WRITER_US),
        ("journal: the thread that flushes", others, None),
        ("ingest: begin + end -> one row", booking, BAR_INGEST_US),
    ):
        limit = f"   at most {bar:g}" if bar is not None else ""
        print(f"  {what:<36} {statistics.median(values):6.2f} ({min(values):.2f}){limit}")
    print(f"  journal / two plain writes           {ratio:6.2f}")


if __name__ == "__main__":
    main()
