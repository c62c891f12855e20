"""The journal: what this process wrote is on record the moment a call returns, kill -9 or not.

A segment is a preallocated, memory-mapped file (docs/adr/0001-journal-is-a-mapped-file.md): a frame that was
copied into the mapping belongs to the kernel, so no system call stands between a request and its record.
A keeper thread flushes to disk in groups, prepares the next segment and closes finished ones.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import threading
import time
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from msgspec.structs import replace

from baseload.errors import JOURNAL_FULL, EnvironmentProblem, RequestError
from baseload.ledger.record import MAJOR, MINOR, Begin, End, Fleet, Refusal, encode
from baseload.ledger.segment import FRAME, HEADER, LENGTH, MAX_PAYLOAD_BYTES, SEAL, Header

SEGMENT_BYTES = 16 * 1024 * 1024
END_BYTES = 1024
"""Room set aside with every `begin`, so that its `end` fits even on a full disk."""

MIN_SEGMENT_BYTES = 64 * END_BYTES
_RETRY_PREPARE_S = 1.0
_CLIP_CHARS = 64

_log = logging.getLogger(__name__)
_store_length = LENGTH.pack_into


class JournalStats(NamedTuple):
    """Counts since the journal was opened; `synced_at_ns` (monotonic) is when all but the newest was safe."""

    frames: int
    bytes: int
    open_attempts: int
    refusals_dropped: int
    segments: int
    synced_at_ns: int
    error: str


class _Segment:
    """One open, locked, mapped segment file. Its room ends before the seal."""

    def __init__(self, directory: Path, header: Header, size: int) -> None:
        """Allocates, locks and maps the file; raises OSError, leaving nothing behind."""
        self.path = directory / header.file_name
        self.room_end = size - LENGTH.size
        unfinished = self.path.with_suffix(".new")
        self.fd = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.posix_fallocate(self.fd, 0, size)
            os.pwrite(self.fd, header.pack(), 0)
            self.map = mmap.mmap(self.fd, size)
            unfinished.rename(self.path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            os.close(self.fd)
            raise

    def seal(self, at: int) -> None:
        """Marks that the writer will write no more here."""
        _store_length(self.map, at, SEAL)

    def close(self) -> None:
        """Gives up mapping and lock."""
        self.map.close()
        os.close(self.fd)


class Journal:
    """Appends records to segments of its own; for one writing thread.

    `begin`, `refuse` and `fleet` raise RequestError(JOURNAL_FULL) where there is no room or the disk failed
    (`refuse` drops and counts instead); `end` always has room, which `begin` set aside.
    """

    @classmethod
    def open(
        cls,
        directory: str | Path,
        worker: int = 0,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        fsync_interval_s: float = 0.05,
    ) -> Journal:
        """Starts a journal in `directory`, made if missing; raises EnvironmentProblem if that cannot be."""
        journal = cls(Path(directory), worker, max(segment_bytes, MIN_SEGMENT_BYTES))
        try:
            journal._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            journal._start(fsync_interval_s)
        except OSError as error:
            raise EnvironmentProblem(
                f"cannot start a journal in {directory}: {error.strerror}",
                hint=f"it needs a writable directory with {2 * segment_bytes >> 20} MiB of free room",
            ) from error
        return journal

    def __init__(self, directory: Path, worker: int, segment_bytes: int) -> None:
        """Use `Journal.open`."""
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._longest = min(MAX_PAYLOAD_BYTES, segment_bytes // 4)
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        self._header = Header(
            MAJOR, MINOR, worker, os.getpid(), time.time_ns(), 0, bytes.fromhex(boot.replace("-", ""))
        )
        self._error = ""
        self._frames = self._synced = self._dropped = self._segments = 0
        self._before = -HEADER.size  # bytes written, less the offset in the current segment
        self._end_room = 0  # what the ends of open attempts may need
        self._at = HEADER.size
        self._room_end = self._budget = 0  # offsets in the current segment, see `_reckon`
        self._synced_at_ns = time.monotonic_ns()
        self._spare: _Segment | None = None
        self._prepare_failed = ""
        self._spare_lock = threading.Lock()  # over _spare, _budget and the segments' order
        self._sync_lock = threading.Lock()  # one flush at a time; who waits is covered by the next
        self._retired: list[_Segment] = []
        self._wake = threading.Event()
        self._closing = False

    def _start(self, fsync_interval_s: float) -> None:
        self._enter(self._make_segment())
        self._keeper = threading.Thread(
            target=self._keep, args=(fsync_interval_s,), name="journal-keeper", daemon=True
        )
        self._keeper.start()
        self._wake.set()

    # ── writing ────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, record: Begin) -> None:
        """Records that an attempt is about to be sent, and sets room aside for its end."""
        self._admit(encode(record), END_BYTES)

    def end(self, record: End) -> None:
        """Records how an attempt ended; exactly once per `begin`. Over-long foreign ids are clipped."""
        payload = encode(record)
        if len(payload) > END_BYTES - FRAME.size:
            payload = encode(_clipped(record))
        self._append(payload)
        self._end_room -= END_BYTES

    def refuse(self, record: Refusal) -> None:
        """Records a refused request; without room it is dropped and counted, since it is refused anyway."""
        try:
            self._admit(encode(record))
        except RequestError:
            self._dropped += 1

    def fleet(self, record: Fleet) -> None:
        """Records which owned targets are paid for from now on."""
        self._admit(encode(record))

    def _admit(self, payload: bytes, for_end: int = 0) -> None:
        """Appends what has no room set aside, if after it every open attempt's end still fits; `for_end`
        bytes are set aside for its own.

        It counts twice, since as much as its size may stay unused where two segments meet.
        """
        size = len(payload)
        if size > self._longest:
            raise ValueError(f"a journal record of {size} bytes is too long: bound tags and names")
        if self._at + size + size + self._end_room > self._budget:
            self._need_room(size + size)
        self._append(payload)
        self._end_room += for_end

    def _append(self, payload: bytes) -> None:
        size = len(payload)
        at = self._at
        behind = at + 8 + size
        if behind > self._room_end:
            at = self._rotate(size)
            behind = at + 8 + size
        mapped = self._map
        mapped[at + 8 : behind] = payload
        _store_length(mapped, at + 4, crc32(payload))
        _store_length(mapped, at, size)  # last: this makes it a frame
        self._at = behind
        self._frames += 1

    def _need_room(self, size: int) -> None:
        """Makes sure that `size` bytes fit besides all ends to come; raises if they do not."""
        if not self._error and not self._closing and self._spare is None and not self._prepare_failed:
            self._prepare()
        if self._at + size + self._end_room > self._budget:
            why = self._error or self._prepare_failed or "too many attempts are open"
            raise RequestError(JOURNAL_FULL, f"the ledger's journal takes no new request: {why}")

    def _rotate(self, size: int) -> int:
        """Seals this segment and goes on in the spare; returns where the next frame begins."""
        if self._spare is None and not self._error:
            self._prepare()
        with self._spare_lock:
            if self._spare is None:
                raise RequestError(JOURNAL_FULL, f"the ledger's journal has no room for {size} bytes")
            self._segment.seal(self._at)
            self._retired.append(self._segment)
            spare, self._spare = self._spare, None
            self._enter(spare)
        self._wake.set()
        return self._at

    def _enter(self, segment: _Segment) -> None:
        self._segment = segment
        self._map = segment.map
        self._room_end = segment.room_end
        self._before += self._at - HEADER.size
        self._at = HEADER.size
        self._segments += 1
        self._reckon()

    def _reckon(self) -> None:
        """Sets `_budget`: what this segment and the spare hold together, in offsets of this segment.

        Less two ends and the heads of frames: room for the end of what is admitted, and what may stay unused
        where segments meet because an end did not fit.
        """
        room = self._room_end
        if self._spare is not None:
            room += self._spare.room_end - HEADER.size
        self._budget = -1 if self._error or self._closing else room - 2 * END_BYTES - 4 * FRAME.size

    # ── state ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _written(self) -> int:
        """Bytes of frames since the journal was opened."""
        return self._before + self._at

    @property
    def available(self) -> bool:
        """Whether a begin of ordinary size would be taken now."""
        return self._at + 2 * END_BYTES + self._end_room <= self._budget

    @property
    def stats(self) -> JournalStats:
        """Counts for metrics and the health page."""
        return JournalStats(
            self._frames,
            self._written,
            self._end_room // END_BYTES,
            self._dropped,
            self._segments,
            self._synced_at_ns,
            self._error or self._prepare_failed,
        )

    def sync(self) -> None:
        """Returns when everything appended before the call is on disk; raises RequestError if it cannot be.

        Blocks for an fsync: call it from a thread. Calls that wait for each other share one.
        """
        with self._spare_lock:
            wanted = self._written
        with self._sync_lock:
            if self._synced < wanted:
                self._flush()
        if self._error:
            raise RequestError(JOURNAL_FULL, f"the ledger's journal is broken: {self._error}")

    def close(self) -> None:
        """Flushes, seals and lets go of the lock; the spare is removed. No record is taken afterwards."""
        if self._closing:
            return
        self._closing = True
        self._wake.set()
        self._keeper.join()
        with self._spare_lock:
            self._segment.seal(self._at)
            self._retired.append(self._segment)
            self._room_end = 0
            self._reckon()
            spare, self._spare = self._spare, None
        with self._sync_lock:
            self._flush()
        if spare is not None:
            spare.path.unlink(missing_ok=True)
            spare.close()

    # ── the keeper's thread ────────────────────────────────────────────────────────────────────────────────

    def _keep(self, interval_s: float) -> None:
        failed_at = 0.0
        while not self._closing:
            if self._spare is None and time.monotonic() - failed_at >= _RETRY_PREPARE_S and not self._error:
                self._prepare()
                failed_at = time.monotonic() if self._prepare_failed else 0.0
            if self._synced < self._written:
                with self._sync_lock:
                    self._flush()
            if self._wake.wait(interval_s):
                self._wake.clear()

    def _make_segment(self) -> _Segment:
        header = self._header._replace(sequence=self._header.sequence + 1)
        segment = _Segment(self._directory, header, self._segment_bytes)
        self._header = header  # only now: a gap in the sequence means that a file was lost
        return segment

    def _prepare(self) -> None:
        """Allocates the spare if there is none; a failure is kept for `stats` and tried again later."""
        with self._spare_lock:
            if self._spare is not None or self._closing:
                return
            try:
                self._spare = self._make_segment()
            except OSError as error:
                if not self._prepare_failed:
                    _log.error("no next journal segment in %s: %s", self._directory, error)
                self._prepare_failed = f"no next segment ({error.strerror})"
            else:
                self._prepare_failed = ""
            self._reckon()

    def _flush(self) -> None:
        """Brings what is written to disk; the caller holds `_sync_lock`.

        `fdatasync` covers pages dirtied through a mapping and, other than `mmap.flush`, runs without the GIL.
        After a failure the kernel forgets which pages were lost, so there is no second try: the journal
        stays unavailable until the process is started anew.
        """
        with self._spare_lock:
            written = self._written
            retired, self._retired = self._retired, []
            current = self._segment
        try:
            for segment in retired:
                os.fdatasync(segment.fd)
            if current not in retired:
                os.fdatasync(current.fd)
        except OSError as error:
            with self._spare_lock:
                self._error = f"fsync failed ({error.strerror})"
                self._reckon()
            _log.error("journal segment %s cannot be flushed: %s; refusing requests", current.path, error)
        else:
            self._synced = written
            self._synced_at_ns = time.monotonic_ns()
        for segment in retired:
            segment.close()


def _clipped(record: End) -> End:
    """The same end with its texts from elsewhere cut so that it fits into `END_BYTES`."""
    target, upstream_id = record.bill.counterfactual_target, record.upstream_request_id
    return replace(
        record,
        bill=replace(record.bill, counterfactual_target=target and target[:_CLIP_CHARS]),
        upstream_request_id=(upstream_id or "")[:_CLIP_CHARS] or None,
    )
