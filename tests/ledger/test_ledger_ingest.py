"""Ingest: every record is booked once, whatever is cut off, killed or damaged."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baseload.core import Outcome, Tokens
from baseload.ledger.follow import OPEN_AFTER_NS, Follower
from baseload.ledger.hours import HOUR_NS
from baseload.ledger.ingest import ingest_once, sole_ingest
from baseload.ledger.journal import MIN_SEGMENT_BYTES, Journal
from baseload.ledger.launch import ingest_command, store_path
from baseload.ledger.record import Begin, Chosen, End, Fleet, Refusal
from baseload.ledger.segment import HEADER, scan

Begins: TypeAlias = Callable[..., Begin]
Ends: TypeAlias = Callable[..., End]


@pytest.fixture
def journal(journal_folder: Path) -> Iterator[Journal]:
    """A journal of the smallest segments, closed at the end."""
    journal = Journal.open(journal_folder, segment_bytes=MIN_SEGMENT_BYTES)
    yield journal
    journal.close()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where the store is made."""
    return tmp_path / "ledger.sqlite"


class Clock:
    """A wall clock that goes when told to."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns


def query(store: Path, sql: str) -> list[tuple[object, ...]]:
    """Rows of the store."""
    with closing(sqlite3.connect(store)) as connection:
        return connection.execute(sql).fetchall()


def run_pass(folder: Path, store: Path, now_ns: int | None = None, keep: int = 0) -> bool:
    """One pass of a fresh follower."""
    clock = time.time_ns if now_ns is None else Clock(now_ns)
    with closing(Follower(folder, store, keep_segments=keep, now_ns=clock)) as follower:
        return follower.run_pass()


def test_an_attempt_is_one_row(
    journal: Journal, journal_folder: Path, store: Path, begin: Begins, end: Ends, start_ns: int
) -> None:
    """Begin and end become one row that holds what both said; a second pass adds nothing."""
    journal.begin(begin("r1", tags={"team": "blue"}))
    journal.end(end("r1"))
    for _ in range(2):
        assert run_pass(journal_folder, store, start_ns)
        assert query(
            store,
            "SELECT request_id, attempt, tenant, model, target, reason, tags, outcome, input_tokens,"
            " output_tokens, cost_nano, counterfactual_nano, ended_ns - began_ns FROM attempts",
        ) == [
            (
                *("r1", 1, "shop", "chat", "llama-a", "owned", '{"team": "blue"}', "completed"),
                *(140, 200, 0, 2_350_000, 500_000_000),
            )
        ]


def test_a_running_attempt_shows_after_a_while_and_is_completed(
    journal: Journal, journal_folder: Path, store: Path, begin: Begins, end: Ends, start_ns: int
) -> None:
    """A begin waits for its end in memory, then is booked as running, and completed when it ends."""
    journal.begin(begin("r1"))
    clock = Clock(start_ns)
    with closing(Follower(journal_folder, store, now_ns=clock)) as follower:
        follower.run_pass()
        assert query(store, "SELECT count(*) FROM attempts") == [(0,)]
        clock.now_ns += OPEN_AFTER_NS + 1
        follower.run_pass()
        assert query(store, "SELECT request_id, outcome FROM attempts") == [("r1", None)]
        journal.end(end("r1"))
        follower.run_pass()
    assert query(store, "SELECT request_id, outcome, output_tokens FROM attempts") == [
        ("r1", "completed", 200)
    ]
    assert query(store, "SELECT * FROM open_attempts") == []


def test_an_attempt_of_a_dead_writer_is_unknown_at_its_reservation(
    journal: Journal, journal_folder: Path, store: Path, begin: Begins, spill: Chosen, start_ns: int
) -> None:
    """Begun, never ended: unknown, charged its reservation if metered, 0 if owned."""
    journal.begin(begin("r1", chosen=spill, reserved_nano=2_000_000))
    journal.begin(begin("r2", chosen=spill, reserved_nano=None))
    run_pass(journal_folder, store, start_ns + OPEN_AFTER_NS + 1)
    journal.begin(begin("r3"))
    journal.close()
    for _ in range(2):
        assert not run_pass(journal_folder, store, start_ns)
        assert query(store, "SELECT request_id, outcome, cost_nano, estimated FROM attempts ORDER BY 1") == [
            ("r1", Outcome.UNKNOWN, 2_000_000, 1),
            ("r2", Outcome.UNKNOWN, None, 1),
            ("r3", Outcome.UNKNOWN, 0, 1),
        ]
    assert list(journal_folder.iterdir()) == []


def test_booked_segments_are_removed_and_kept_on_request(
    journal: Journal, journal_folder: Path, store: Path, begin: Begins, end: Ends, start_ns: int
) -> None:
    """A segment goes once all in it is booked; `keep_segments` leaves the newest; none is booked twice."""
    for number in range(600):
        journal.begin(begin(f"r{number}"))
        journal.end(end(f"r{number}"))
    journal.close()
    before = sorted(journal_folder.iterdir())
    run_pass(journal_folder, store, start_ns, keep=2)
    assert sorted(journal_folder.iterdir()) == before[-2:]
    run_pass(journal_folder, store, start_ns)
    run_pass(journal_folder, store, start_ns)
    assert list(journal_folder.iterdir()) == []
    assert query(store, "SELECT count(*) FROM attempts") == [(600,)]
    assert query(store, "SELECT * FROM writers") == []


def test_refusals_and_fleets_are_booked(
    journal: Journal, journal_folder: Path, store: Path, start_ns: int
) -> None:
    """A refused request is a row, and so is what owned targets cost."""
    journal.refuse(Refusal("r9", start_ns, "shop", "k1", "chat", "rate_limit_exceeded", 429, "client"))
    journal.fleet(Fleet(start_ns, "config-1", (("llama-a", 8_000_000_000),)))
    run_pass(journal_folder, store, start_ns)
    assert query(store, "SELECT request_id, code, status FROM refusals") == [
        ("r9", "rate_limit_exceeded", 429)
    ]
    assert query(store, "SELECT * FROM fleets") == [(start_ns, "config-1", '[["llama-a", 8000000000]]', 0)]


# ── damage ─────────────────────────────────────────────────────────────────────────────────────────────────


def one_segment(folder: Path, begin: Begins, end: Ends, count: int = 5) -> tuple[Path, list[int]]:
    """A dead writer's segment of `count` attempts, and the offsets behind its frames."""
    journal = Journal.open(folder, segment_bytes=MIN_SEGMENT_BYTES)
    for number in range(count):
        journal.begin(begin(f"r{number}"))
        journal.end(end(f"r{number}"))
    journal.close()
    (path,) = folder.glob("*.segment")
    ends = [HEADER.size + behind for behind in scan(path.read_bytes()[HEADER.size :]).ends]
    return path, ends


def overwrite(path: Path, at: int, data: bytes) -> None:
    """Puts other bytes into a file."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def test_a_damaged_frame_is_reported_and_the_file_kept(
    journal_folder: Path, store: Path, begin: Begins, end: Ends, start_ns: int
) -> None:
    """What was before a wrong checksum is booked; the rest is reported and the file kept aside."""
    path, ends = one_segment(journal_folder, begin, end)
    overwrite(path, ends[3] + 20, b"\xff")
    for _ in range(2):
        run_pass(journal_folder, store, start_ns)
        assert query(store, "SELECT request_id, outcome FROM attempts") == [
            ("r0", "completed"),
            ("r1", "completed"),
        ]
        assert query(store, "SELECT segment, at, bytes, what FROM damage") == [
            (path.name, ends[3], MIN_SEGMENT_BYTES - ends[3], "a frame's checksum is wrong")
        ]
    assert [p.name for p in (journal_folder / "damaged").iterdir()] == [path.name]
    assert not path.exists()


def test_lost_pages_are_told_from_a_frame_cut_short(
    journal_folder: Path, store: Path, begin: Begins, end: Ends, start_ns: int
) -> None:
    """Zeros before further frames (a power cut) are damage; half a last frame (a killed writer) is not."""
    path, ends = one_segment(journal_folder, begin, end)
    overwrite(path, ends[7], bytes(ends[8] - ends[7]))
    run_pass(journal_folder, store, start_ns)
    assert query(store, "SELECT at, what LIKE 'frames follow%' FROM damage") == [(ends[7], 1)]

    path, ends = one_segment(journal_folder, begin, end)
    overwrite(path, ends[8], bytes(4))  # the last end's length was never stored, its payload was
    overwrite(path, ends[9], bytes(4))
    run_pass(journal_folder, store, start_ns)
    assert query(store, "SELECT count(*) FROM damage") == [(1,)]
    assert not path.exists()


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda path, ends: os.truncate(path, ends[4] + 3), "the file is cut short"),
        (lambda path, ends: overwrite(path, 0, b"X"), "the header is damaged"),
        (lambda path, ends: overwrite(path, ends[4], b"\xff\xff\xff\x7f"), "checksum"),
    ],
)
def test_every_damage_is_named(
    damage: Callable[[Path, list[int]], None],
    what: str,
    journal_folder: Path,
    store: Path,
    begin: Begins,
    end: Ends,
    start_ns: int,
) -> None:
    """Each way a segment can be broken is reported, and the file is kept."""
    path, ends = one_segment(journal_folder, begin, end)
    damage(path, ends)
    run_pass(journal_folder, store, start_ns)
    ((said,),) = query(store, "SELECT what FROM damage")
    assert what in str(said)
    assert (journal_folder / "damaged" / path.name).exists()


def test_a_frame_without_a_record_costs_nothing_else(
    journal: Journal, journal_folder: Path, store: Path, begin: Begins, end: Ends, start_ns: int
) -> None:
    """A sound frame that holds no record is reported; what follows it is booked, its writer alive or not."""
    journal.begin(begin("r1", at_ns="yesterday"))
    journal.begin(begin("r2"))
    for _ in range(2):
        assert run_pass(journal_folder, store, start_ns)
        journal.end(end("r2"))
    run_pass(journal_folder, store, start_ns)
    assert query(store, "SELECT request_id, outcome FROM attempts") == [("r2", "completed")]
    assert query(store, "SELECT at, what LIKE 'a frame holds no record%' FROM damage") == [(HEADER.size, 1)]
    journal.close()
    run_pass(journal_folder, store, start_ns)
    assert len(list((journal_folder / "damaged").iterdir())) == 1


HUGE = 2**63
"""One more than a column of the store holds."""


def test_a_record_the_store_refuses_costs_nothing_else(
    journal: Journal, journal_folder: Path, store: Path, begin: Begins, end: Ends, start_ns: int
) -> None:
    """A number beyond 64 bits in any kind of record is reported with the reason; all others are booked."""
    refusal = ("shop", "k1", "chat", "rate_limit_exceeded")
    journal.begin(begin("r1"))
    journal.begin(begin("r2"))
    journal.end(end("r1", usage=Tokens(2**64 - 1)))  # its begin stays: unknown at the end
    journal.end(end("r2"))
    journal.begin(begin("r3", reserved_nano=HUGE))
    journal.end(end("r3"))  # its end tells what it cost
    journal.end(end("r4", cost_nano=HUGE))  # without a begin
    journal.begin(begin("r5", at_ns=start_ns - OPEN_AFTER_NS, reserved_nano=HUGE))  # still running
    journal.refuse(Refusal("r6", HUGE, *refusal, 429, "client"))
    journal.refuse(Refusal("r7", start_ns, *refusal, 429, "client"))
    journal.fleet(Fleet(HUGE, "config-1", ()))
    for _ in range(2):
        assert run_pass(journal_folder, store, start_ns + 1)
        assert query(store, "SELECT request_id, tenant, outcome FROM attempts ORDER BY 1") == [
            ("r1", "shop", None),
            ("r2", "shop", "completed"),
            ("r3", None, "completed"),
        ]
        assert query(store, "SELECT request_id FROM refusals") == [("r7",)]
        damage = query(store, "SELECT bytes > 0, what FROM damage")
        assert len(damage) == 6
        assert {what for _, what in damage} == {
            "the store refuses the record: Python int too large to convert to SQLite INTEGER"
        }
    path = min(journal_folder.glob("*.segment"))
    at = query(store, "SELECT segment, at FROM damage ORDER BY at LIMIT 1")
    assert at == [(path.name, HEADER.size + scan(path.read_bytes()[HEADER.size :]).ends[1])]
    journal.begin(begin("r8"))
    journal.end(end("r8"))
    journal.close()
    run_pass(journal_folder, store, start_ns + 1)
    assert query(store, "SELECT request_id, outcome, cost_nano FROM attempts ORDER BY 1") == [
        ("r1", Outcome.UNKNOWN, 0),
        ("r2", "completed", 0),
        ("r3", "completed", 0),
        ("r8", "completed", 0),
    ]
    assert (journal_folder / "damaged" / path.name).exists()


def test_a_begin_the_store_refuses_does_not_hold_its_dead_writer(
    journal: Journal, journal_folder: Path, store: Path, begin: Begins, start_ns: int
) -> None:
    """Left open by a dead writer, it is reported; the others left open are unknown."""
    journal.begin(begin("r1", reserved_nano=HUGE))
    journal.begin(begin("r2"))
    journal.close()
    assert not run_pass(journal_folder, store, start_ns)
    assert query(store, "SELECT request_id, outcome FROM attempts") == [("r2", Outcome.UNKNOWN)]
    assert query(store, "SELECT at FROM damage") == [(HEADER.size,)]
    assert not list(journal_folder.glob("*.segment"))


def test_a_missing_segment_is_reported(
    journal: Journal, journal_folder: Path, store: Path, begin: Begins, end: Ends, start_ns: int
) -> None:
    """A file that vanished between two others leaves a gap in the sequence, which is reported."""
    for number in range(900):
        journal.begin(begin(f"r{number}"))
        journal.end(end(f"r{number}"))
    journal.close()
    sorted(journal_folder.iterdir())[1].unlink()
    run_pass(journal_folder, store, start_ns)
    assert query(store, "SELECT what FROM damage") == [("segments 2 to 2 behind it are missing",)]


def test_an_end_without_its_begin_is_booked(
    journal_folder: Path, store: Path, begin: Begins, end: Ends, start_ns: int
) -> None:
    """Where damage swallowed the begin, the end still tells tokens and cost."""
    journal = Journal.open(journal_folder, segment_bytes=MIN_SEGMENT_BYTES)
    journal.begin(begin("r0"))
    journal.end(end("r1", cost_nano=7))
    journal.close()
    run_pass(journal_folder, store, start_ns)
    assert query(store, "SELECT request_id, tenant, outcome, cost_nano FROM attempts ORDER BY 1") == [
        ("r0", "shop", "unknown", 0),
        ("r1", None, "completed", 7),
    ]


# ── once, and only once ────────────────────────────────────────────────────────────────────────────────────

STEPS = st.lists(st.sampled_from(["begin", "end", "end", "pass", "restart", "later"]), max_size=60)


@given(steps=STEPS, dice=st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_writing_reading_and_restarting(
    steps: list[str], dice: random.Random, begin: Begins, end: Ends, start_ns: int
) -> None:
    """However writing, passes, restarts and time mix: each attempt once, unknown iff it never ended."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, store = Path(temporary) / "journal", Path(temporary) / "ledger.sqlite"
        journal = Journal.open(folder, segment_bytes=MIN_SEGMENT_BYTES, fsync_interval_s=10)
        clock, begun = Clock(start_ns), 0
        open_now: list[int] = []
        follower = Follower(folder, store, now_ns=clock)
        for step in steps:
            if step == "begin":
                journal.begin(begin(f"r{begun}", at_ns=clock()))
                open_now.append(begun)
                begun += 1
            elif step == "end" and open_now:
                number = open_now.pop(dice.randrange(len(open_now)))
                journal.end(end(f"r{number}", cost_nano=number))
            elif step == "pass":
                follower.run_pass()
            elif step == "restart":
                follower.close()
                follower = Follower(folder, store, now_ns=clock)
            elif step == "later":
                clock.now_ns += OPEN_AFTER_NS
        journal.close()
        follower.run_pass()
        follower.close()
        expected = [(f"r{n}", "unknown" if n in open_now else "completed") for n in range(begun)]
        assert query(store, "SELECT request_id, outcome FROM attempts ORDER BY 1") == sorted(expected)
        assert query(store, "SELECT * FROM open_attempts") == []


def place(store: Path) -> list[tuple[object, ...]]:
    """How far the store says the journal is booked; nothing while there is no store yet."""
    try:
        return query(store, "SELECT sequence, at FROM writers")
    except sqlite3.OperationalError:
        return []


def test_ingest_killed_midway_books_everything_once(
    journal_folder: Path, store: Path, begin: Begins, end: Ends
) -> None:
    """Killed in the middle again and again, ingest ends with each attempt exactly once."""
    journal = Journal.open(journal_folder, segment_bytes=1 << 20)
    for number in range(20_000):
        journal.begin(begin(f"r{number}", at_ns=time.time_ns()))
        journal.end(end(f"r{number}", cost_nano=number))
    journal.close()
    command = [sys.executable, "-m", "baseload.ledger.ingest", str(journal_folder), str(store), "--once"]
    dice, killed = random.Random(3), 0
    for _ in range(5):
        before = place(store)
        process = subprocess.Popen(command)
        while place(store) == before and process.poll() is None:
            time.sleep(0.001)
        time.sleep(dice.random() * 0.02)  # anywhere in the next transactions
        process.kill()
        killed += process.wait() != 0
    assert killed > 0
    subprocess.run(command, check=True)
    assert query(store, "SELECT count(*), count(DISTINCT request_id), sum(cost_nano) FROM attempts") == [
        (20_000, 20_000, sum(range(20_000)))
    ]
    assert query(store, "SELECT DISTINCT outcome FROM attempts") == [("completed",)]
    assert list(journal_folder.iterdir()) == []


# ── the process ────────────────────────────────────────────────────────────────────────────────────────────


def test_ingest_ends_with_its_parent_and_books_what_it_left(tmp_path: Path, begin: Begins, end: Ends) -> None:
    """When the gateway is killed, its ingest notices, books the rest as unknown, and ends by itself."""
    program = f"""
import sys, os, signal
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from conftest import make_begin
from baseload.ledger.journal import Journal
import subprocess
from baseload.ledger.launch import ingest_command, journal_directory
data = Path({str(tmp_path)!r})
journal = Journal.open(journal_directory(data))
ingest = subprocess.Popen(ingest_command(data), stdin=subprocess.PIPE)
journal.begin(make_begin("r1"))
print(ingest.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    gateway = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    pid = int(gateway.stdout)
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        time.sleep(0.02)  # another process is awaited; the test's own timeout is the limit
    assert gateway.stderr == ""
    assert query(store_path(tmp_path), "SELECT request_id, outcome FROM attempts") == [("r1", "unknown")]


def test_a_closed_pipe_ends_ingest_after_its_last_pass(tmp_path: Path, begin: Begins, end: Ends) -> None:
    """At a clean stop everything is booked when the process has ended, with exit code 0."""
    journal = Journal.open(tmp_path / "journal")
    ingest = subprocess.Popen(ingest_command(tmp_path), stdin=subprocess.PIPE)
    journal.begin(begin("r1"))
    journal.end(end("r1"))
    journal.close()
    assert ingest.stdin is not None
    ingest.stdin.close()
    assert ingest.wait(20) == 0
    assert query(store_path(tmp_path), "SELECT request_id, outcome FROM attempts") == [("r1", "completed")]


def test_a_locked_database_delays_and_loses_nothing(
    tmp_path: Path, begin: Begins, end: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody locks the database ingest tries again; afterwards everything is there."""
    store = store_path(tmp_path)
    monkeypatch.setattr("baseload.ledger.database.BUSY_TIMEOUT_S", 0.0)
    journal = Journal.open(tmp_path / "journal")
    journal.begin(begin("r1"))
    journal.end(end("r1"))
    run_pass(tmp_path / "journal", store)
    journal.begin(begin("r2"))
    journal.end(end("r2"))
    with closing(sqlite3.connect(store, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            run_pass(tmp_path / "journal", store)
    journal.close()
    run_pass(tmp_path / "journal", store)
    assert query(store, "SELECT request_id FROM attempts ORDER BY 1") == [("r1",), ("r2",)]


def test_two_ingests_never_run_at_once(journal: Journal, journal_folder: Path, store: Path) -> None:
    """While one holds the store, a pass of another does nothing and says so."""
    with sole_ingest(store) as free:
        assert free
        assert not ingest_once(journal_folder, store)
    assert ingest_once(journal_folder, store)


def test_a_store_that_is_no_database_is_an_environment_problem(journal_folder: Path, store: Path) -> None:
    """A file that is no database ends the process with exit code 3 and names it."""
    journal_folder.mkdir()
    store.write_bytes(b"not a database, but long enough to be read as one" * 100)
    command = [sys.executable, "-m", "baseload.ledger.ingest", str(journal_folder), str(store), "--once"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert str(store) in done.stderr


# ── hours ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_hour_is_closed_once_it_is_over_and_testified(
    journal: Journal, journal_folder: Path, store: Path, begin: Begins, end: Ends, start_ns: int
) -> None:
    """After the hour, its grace and a later record: amortised by room, the rest idle, to the nano-dollar."""
    fleet = (("llama-a", 8_000_000_000),)
    journal.fleet(Fleet(start_ns, "1", fleet))
    for number in range(3):
        journal.begin(begin(f"r{number}"))
        journal.end(end(f"r{number}", room_ns=HOUR_NS // 7))
    journal.fleet(Fleet(start_ns + HOUR_NS, "1", fleet))
    run_pass(journal_folder, store, start_ns + HOUR_NS)
    assert query(store, "SELECT * FROM hours") == []
    run_pass(journal_folder, store, start_ns + 2 * HOUR_NS)
    amortised = 3_428_571_429  # three sevenths of the price
    assert query(store, "SELECT price_nano, amortised_nano, idle_nano FROM hours") == [
        (8_000_000_000, amortised, 8_000_000_000 - amortised)
    ]
    assert query(store, "SELECT sum(amortised_nano) FROM attempts") == [(amortised,)]


def test_a_late_attempt_opens_its_hour_again(
    journal: Journal, journal_folder: Path, store: Path, begin: Begins, end: Ends, start_ns: int
) -> None:
    """What is booked into a closed hour is shared out anew, and the sums still hold."""
    fleet = (("llama-a", 8_000_000_000),)
    journal.fleet(Fleet(start_ns, "1", fleet))
    journal.fleet(Fleet(start_ns + HOUR_NS, "1", fleet))
    clock = Clock(start_ns + 2 * HOUR_NS)
    journal.begin(begin("r1"))
    with closing(Follower(journal_folder, store, now_ns=clock)) as follower:
        follower.run_pass()
        assert query(store, "SELECT amortised_nano, idle_nano FROM hours") == [(0, 8_000_000_000)]
        journal.end(end("r1", room_ns=HOUR_NS // 2))
        journal.begin(begin("r2"))
        journal.end(end("r2", room_ns=HOUR_NS // 2))
        clock.now_ns += HOUR_NS // 30
        follower.run_pass()
    assert query(store, "SELECT amortised_nano, idle_nano FROM hours") == [(8_000_000_000, 0)]
    assert query(store, "SELECT sum(amortised_nano) FROM attempts") == [(8_000_000_000,)]
