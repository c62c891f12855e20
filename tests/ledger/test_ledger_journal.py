"""The journal: what was acknowledged is there, and an end always has room."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baseload.errors import JOURNAL_FULL, EnvironmentProblem, RequestError
from baseload.ledger import journal as journal_module
from baseload.ledger.follow import is_locked
from baseload.ledger.journal import END_BYTES, MIN_SEGMENT_BYTES, Journal
from baseload.ledger.record import Begin, End, Refusal, decode
from baseload.ledger.segment import HEADER, Stop, scan

Begins: TypeAlias = Callable[..., Begin]
Ends: TypeAlias = Callable[..., End]
REFUSAL = Refusal("r9", 1, "shop", "k1", "chat", "rate_limit_exceeded", 429, "client")


def segments(folder: Path) -> list[Path]:
    """The journal's files in the order written."""
    return sorted(folder.glob("*.segment"))


def records(folder: Path) -> list[object]:
    """Everything that a reader finds."""
    return [decode(p) for path in segments(folder) for p in scan(path.read_bytes(), HEADER.size).payloads]


@pytest.fixture
def journal(journal_folder: Path) -> Iterator[Journal]:
    """A journal of the smallest segments."""
    journal = Journal.open(journal_folder, segment_bytes=MIN_SEGMENT_BYTES)
    yield journal
    journal.close()


def test_a_record_is_readable_the_moment_the_call_returns(
    journal: Journal, journal_folder: Path, begin: Begins, end: Ends
) -> None:
    """No flush and no close is needed: another process sees every record at once, in order."""
    journal.begin(begin("r1"))
    assert records(journal_folder) == [begin("r1")]
    journal.end(end("r1"))
    journal.refuse(REFUSAL)
    assert records(journal_folder) == [begin("r1"), end("r1"), REFUSAL]


def test_rotation_keeps_everything_in_order(
    journal: Journal, journal_folder: Path, begin: Begins, end: Ends
) -> None:
    """Over several segments nothing is lost, and each but the last is sealed."""
    written: list[object] = []
    for number in range(1_000):
        for record in (begin(f"r{number}"), end(f"r{number}")):
            journal.begin(record) if isinstance(record, Begin) else journal.end(record)
            written.append(record)
    journal.close()
    assert records(journal_folder) == written
    stops = [scan(path.read_bytes(), HEADER.size).stop for path in segments(journal_folder)]
    assert len(stops) > 3
    assert set(stops) == {Stop.SEALED}


def test_the_lock_tells_whether_the_writer_lives(journal: Journal, journal_folder: Path) -> None:
    """Segments are locked while the journal is open, and free after."""
    assert all(is_locked(path) for path in segments(journal_folder))
    journal.close()
    assert not any(is_locked(path) for path in segments(journal_folder))


def test_two_lives_never_share_a_name(journal_folder: Path) -> None:
    """A process with the same pid on the same boot (a container's) writes files of its own."""
    first = Journal.open(journal_folder, segment_bytes=MIN_SEGMENT_BYTES)
    first.close()
    names = {path.name for path in segments(journal_folder)}
    second = Journal.open(journal_folder, segment_bytes=MIN_SEGMENT_BYTES)
    second.close()
    assert len(segments(journal_folder)) == len(names) + 1


def fail_allocation(monkeypatch: pytest.MonkeyPatch, code: int = errno.ENOSPC) -> Callable[[], None]:
    """From the returned call on, no segment can be allocated."""
    real, failing = os.posix_fallocate, threading.Event()

    def allocate(fd: int, offset: int, length: int) -> None:
        if failing.is_set():
            raise OSError(code, os.strerror(code))
        real(fd, offset, length)

    monkeypatch.setattr(os, "posix_fallocate", allocate)
    return failing.set


def fill(journal: Journal, begin: Begins) -> int:
    """Begins attempts until the journal refuses; how many it took."""
    for number in range(10_000):
        try:
            journal.begin(begin(f"r{number}"))
        except RequestError:
            return number
    raise AssertionError("the journal took everything")


def test_a_full_disk_refuses_begins_and_keeps_room_for_ends(
    monkeypatch: pytest.MonkeyPatch, journal_folder: Path, begin: Begins, end: Ends
) -> None:
    """Once no segment can be made, begins are refused while every open attempt can still be ended."""
    disk_is_full = fail_allocation(monkeypatch)
    journal = Journal.open(journal_folder, segment_bytes=MIN_SEGMENT_BYTES)
    disk_is_full()
    begun = fill(journal, begin)
    assert not journal.available
    with pytest.raises(RequestError) as refused:
        journal.begin(begin("r"))
    assert refused.value.fault is JOURNAL_FULL
    journal.refuse(REFUSAL)
    assert journal.stats.refusals_dropped == 1
    for number in range(begun):
        journal.end(end(f"r{number}", upstream_request_id="x" * 10_000))
    journal.close()
    found = records(journal_folder)
    assert begun == sum(isinstance(record, Begin) for record in found)
    assert {f"r{n}" for n in range(begun)} == {r.request_id for r in found if isinstance(r, End)}


@given(
    sizes=st.lists(st.integers(0, 12_000), min_size=1, max_size=60),
    full_after=st.integers(0, 40),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_was_begun_can_be_ended(
    sizes: list[int], full_after: int, seed: int, begin: Begins, end: Ends
) -> None:
    """With records of any length and a disk that fills up at any moment, no end is ever refused."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        disk_is_full, dice = fail_allocation(patch), random.Random(seed)
        journal = Journal.open(folder, segment_bytes=MIN_SEGMENT_BYTES, fsync_interval_s=10)
        running: list[str] = []
        for number, size in enumerate(sizes * 3):
            if number == full_after:
                disk_is_full()
            if running and dice.random() < 0.3:
                name = running.pop(dice.randrange(len(running)))
                journal.end(end(name, upstream_request_id="x" * dice.randrange(2_000)))
            try:
                journal.begin(begin(f"r{number}", tags={"pad": "x" * size}))
            except RequestError:
                continue
            running.append(f"r{number}")
        for name in running:
            journal.end(end(name, upstream_request_id="x" * dice.randrange(2_000)))
        journal.close()


def test_the_journal_recovers_when_there_is_room_again(
    monkeypatch: pytest.MonkeyPatch, journal_folder: Path, begin: Begins, end: Ends
) -> None:
    """A disk that was full and no longer is makes begins possible again, without a restart."""
    monkeypatch.setattr(journal_module, "_RETRY_PREPARE_S", 0.0)
    journal = Journal.open(journal_folder, segment_bytes=MIN_SEGMENT_BYTES, fsync_interval_s=0.001)
    with monkeypatch.context() as full:
        fail_allocation(full)()
        taken = 0
        with pytest.raises(RequestError, match="No space left"):  # noqa: PT012 - until it raises
            while taken < 10_000:
                journal.begin(begin(f"r{taken}"))
                journal.end(end(f"r{taken}"))
                taken += 1
        assert not journal.available
    while not journal.available:  # the keeper tries again; the test's own timeout is the limit
        threading.Event().wait(0.001)
    journal.begin(begin("again"))
    journal.close()
    assert len(records(journal_folder)) == 2 * taken + 1


def test_no_room_for_a_start_is_an_environment_problem(
    monkeypatch: pytest.MonkeyPatch, journal_folder: Path
) -> None:
    """A gateway cannot start on a full disk, and leaves no half-made file there."""
    fail_allocation(monkeypatch)()
    with pytest.raises(EnvironmentProblem, match="No space left"):
        Journal.open(journal_folder)
    assert list(journal_folder.iterdir()) == []


def test_a_kernel_that_refuses_the_file_is_a_full_disk(journal_folder: Path) -> None:
    """With a real limit of the kernel's (RLIMIT_FSIZE) begins are refused and every end is on record."""
    program = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from conftest import make_begin, make_end
from baseload.errors import RequestError
from baseload.ledger.journal import Journal
journal = Journal.open({str(journal_folder)!r}, segment_bytes={MIN_SEGMENT_BYTES})
resource.setrlimit(resource.RLIMIT_FSIZE, ({MIN_SEGMENT_BYTES} // 2, {MIN_SEGMENT_BYTES} // 2))
count = 0
try:
    while count < 10_000:
        journal.begin(make_begin(f"r{{count}}"))
        count += 1
except RequestError:
    print(count, journal.available, flush=True)
for number in range(count):
    journal.end(make_end(f"r{{number}}"))
import os
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    count, available = done.stdout.split()
    found = records(journal_folder)
    assert available == "False"
    assert (
        0 < int(count) == sum(isinstance(r, Begin) for r in found) == sum(isinstance(r, End) for r in found)
    )


def test_a_failing_flush_closes_the_journal_for_begins(
    monkeypatch: pytest.MonkeyPatch, journal_folder: Path, begin: Begins, end: Ends
) -> None:
    """After an I/O error nothing new is begun and the error is named; open attempts are still ended."""
    journal = Journal.open(journal_folder, segment_bytes=MIN_SEGMENT_BYTES)
    journal.begin(begin("r1"))
    journal.sync()

    def fail(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fail)
    journal.end(end("r1"))
    with pytest.raises(RequestError, match="Input/output error"):
        journal.sync()
    monkeypatch.undo()
    assert not journal.available
    assert "Input/output error" in journal.stats.error
    with pytest.raises(RequestError, match="Input/output error"):
        journal.begin(begin("r2"))
    journal.close()
    assert records(journal_folder) == [begin("r1"), end("r1")]


def test_sync_covers_every_segment_written_before_it(
    monkeypatch: pytest.MonkeyPatch, journal_folder: Path, begin: Begins
) -> None:
    """After `sync` each file with frames that were not flushed yet has been flushed."""
    journal = Journal.open(journal_folder, segment_bytes=MIN_SEGMENT_BYTES, fsync_interval_s=60)
    journal._wake.clear()
    flushed: list[str] = []
    real = os.fdatasync

    def note(fd: int) -> None:
        flushed.append(os.readlink(f"/proc/self/fd/{fd}"))
        real(fd)

    monkeypatch.setattr(os, "fdatasync", note)
    while journal.stats.segments < 3:
        journal.begin(begin(f"r{journal.stats.frames}"))
        journal._end_room -= END_BYTES  # as if it had ended: the test is about begins alone
    journal.sync()
    written = [
        str(path) for path in segments(journal_folder) if scan(path.read_bytes(), HEADER.size).payloads
    ]
    assert set(written) <= set(flushed)
    journal.close()


def test_a_closed_journal_takes_nothing(journal_folder: Path, begin: Begins) -> None:
    """After `close` a begin is refused; closing again is allowed; the unused spare is gone."""
    journal = Journal.open(journal_folder, segment_bytes=MIN_SEGMENT_BYTES)
    journal.begin(begin("r1"))
    journal.close()
    journal.close()
    with pytest.raises(RequestError):
        journal.begin(begin("r2"))
    assert list(journal_folder.iterdir()) == segments(journal_folder)
    assert len(segments(journal_folder)) == 1


def test_a_frame_too_long_is_the_callers_mistake(journal: Journal, begin: Begins) -> None:
    """A begin that no reader would take is refused before it is written."""
    with pytest.raises(ValueError, match="too long"):
        journal.begin(begin("r1", tags={"blob": "x" * 70_000}))


def test_a_directory_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """Starting without a usable directory names it and what is needed."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match="cannot start a journal"):
        Journal.open(tmp_path / "file")


WRITER = """
import sys
sys.path.insert(0, {here!r})
from conftest import make_begin, make_end
from baseload.ledger.journal import Journal
journal = Journal.open({folder!r}, segment_bytes={size})
out = sys.stdout
for number in range(10**9):
    journal.begin(make_begin(f"r{{number}}"))
    out.write(f"b {{number}}\\n"); out.flush()
    journal.end(make_end(f"r{{number}}"))
    out.write(f"e {{number}}\\n"); out.flush()
"""


def test_kill_minus_nine_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """Killed at 20 random moments, every record whose call had returned is there exactly once, in order."""
    dice = random.Random(7)
    lost_nothing = 0
    for round_ in range(20):
        folder = tmp_path / str(round_)
        program = WRITER.format(here=str(Path(__file__).parent), folder=str(folder), size=MIN_SEGMENT_BYTES)
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert process.stdout is not None
        acknowledged = [process.stdout.readline() for _ in range(dice.randrange(1, 600))]
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += process.stdout.read().splitlines(keepends=True)
        process.wait()
        process.stdout.close()
        said = [line.split() for line in acknowledged if line.endswith(b"\n")]
        found = [
            [b"b" if isinstance(r, Begin) else b"e", r.request_id[1:].encode()]
            for r in records(folder)
            if isinstance(r, Begin | End)
        ]
        assert found[: len(said)] == said
        assert len(found) <= len(said) + 1  # the one that was written but not yet acknowledged
        lost_nothing += 1
    assert lost_nothing == 20
