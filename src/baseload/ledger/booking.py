"""Books journal records into the store, so that booking the same record twice changes nothing.

An attempt normally reaches the database whole: its begin waits in memory for its end. One that runs on is
written as it stands (outcome NULL) and completed later.
"""
# ruff: noqa: S608 - statements are put together from the schema's column names and from nothing else

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from baseload.core import Apart, Outcome, Side
from baseload.ledger import hours
from baseload.ledger.record import Begin, End, Fleet, Refusal
from baseload.ledger.schema import ATTEMPT_COLUMNS, BEGIN_COLUMNS, END_COLUMNS

Row = tuple[object, ...]

GRACE_NS = 60_000_000_000
"""How long after its end an hour is closed at the earliest: ingest may lag, not the records' clock."""

_BEGIN, _END = ", ".join(BEGIN_COLUMNS), ", ".join(END_COLUMNS)
_BEGIN_MARKS, _END_MARKS = (", ".join("?" * len(columns)) for columns in (BEGIN_COLUMNS, END_COLUMNS))
_KEY = "request_id = ? AND attempt = ?"

_INSERT_WHOLE = (
    f"INSERT INTO attempts ({_BEGIN}, {_END}) VALUES ({_BEGIN_MARKS}, {_END_MARKS})"
    " ON CONFLICT (request_id, attempt) DO UPDATE SET"
    f" {', '.join(f'{name} = excluded.{name}' for name in END_COLUMNS)} WHERE outcome IS NULL"
)
_INSERT_OPEN = f"INSERT INTO attempts ({_BEGIN}) VALUES ({_BEGIN_MARKS}) ON CONFLICT DO NOTHING"
_COMPLETE = (
    f"UPDATE attempts SET {', '.join(f'{name} = ?' for name in END_COLUMNS)} WHERE {_KEY} AND outcome IS NULL"
)
_INSERT_END_ONLY = (
    f"INSERT INTO attempts (request_id, attempt, {_END}) VALUES (?, ?, {_END_MARKS}) ON CONFLICT DO NOTHING"
)
_REMEMBER_OPEN = (
    "INSERT INTO open_attempts SELECT request_id, attempt, ? FROM attempts"
    f" WHERE {_KEY} AND outcome IS NULL ON CONFLICT DO NOTHING"
)
_FORGET_OPEN = f"DELETE FROM open_attempts WHERE {_KEY}"
_GIVE_UP = f"""
    UPDATE attempts SET outcome = '{Outcome.UNKNOWN.value}', estimated = 1,
        cost_nano = CASE side WHEN '{Side.OWNED.value}' THEN 0 ELSE reserved_nano END
    WHERE outcome IS NULL
        AND (request_id, attempt) IN (SELECT request_id, attempt FROM open_attempts WHERE writer = ?)
"""


def begin_row(record: Begin) -> Row:
    """The values of BEGIN_COLUMNS."""
    caller, call, chosen, versions = record.caller, record.call, record.chosen, record.versions
    return (
        record.request_id,
        record.attempt,
        record.at_ns,
        caller.tenant,
        caller.key_id,
        caller.data_class,
        call.model,
        call.endpoint,
        call.stream,
        call.input_estimate,
        call.output_estimate,
        None if call.tags is None else json.dumps(call.tags, ensure_ascii=False, sort_keys=True),
        chosen.target,
        chosen.side,
        chosen.reason,
        chosen.money_nano,
        chosen.congestion_nano,
        chosen.quality_nano,
        chosen.predicted_ttft_ms,
        chosen.predicted_tpot_ms,
        versions.config,
        versions.prices,
        record.reserved_nano,
    )


_NOTHING = Apart()


def end_row(record: End) -> Row:
    """The values of END_COLUMNS."""
    usage, bill = record.usage, record.bill
    apart = usage.apart or _NOTHING
    return (
        record.at_ns,
        record.outcome,
        record.status,
        record.duration_ns,
        record.ttft_ns,
        record.error_code,
        record.upstream_request_id,
        usage.input,
        usage.cached_input,
        usage.cache_write,
        usage.output,
        usage.reasoning,
        usage.estimated,
        bill.cost_nano,
        bill.counterfactual_nano,
        bill.counterfactual_target,
        bill.room_ns,
        apart.cache_write_1h,
        apart.input_audio,
        apart.output_audio,
        apart.cached_audio,
        apart.output_image,
        apart.searches,
        apart.tier or None,
        apart.unpriced,
    )


class Books:
    """The writing side of the store, within a transaction that the caller opens and commits."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        found = connection.execute("SELECT max(hour_ns) FROM hours").fetchone()[0]
        self._closed_behind_ns = -1 if found is None else int(found) + hours.HOUR_NS
        self._look_back = True  # an earlier hour may be open

    def whole(self, rows: Sequence[Row]) -> None:
        """Books attempts of which begin and end are known: begin_row + end_row each."""
        self._db.executemany(_INSERT_WHOLE, rows)
        ended_at, target_at = ATTEMPT_COLUMNS.index("ended_ns"), ATTEMPT_COLUMNS.index("target")
        late = {
            (row[target_at], hours.hour_of(ended))
            for row in rows
            if isinstance(ended := row[ended_at], int) and ended < self._closed_behind_ns
        }
        for target, hour_ns in late:
            self._reopen(target, hour_ns)

    def open(self, rows: Sequence[Row], writer: str) -> None:
        """Books attempts that are running: begin_row each."""
        self._db.executemany(_INSERT_OPEN, rows)
        self._db.executemany(_REMEMBER_OPEN, [(writer, row[0], row[1]) for row in rows])

    def end(self, record: End) -> None:
        """Completes an attempt booked as open; one whose begin was lost to damage is booked without it."""
        key = (record.request_id, record.attempt)
        row = end_row(record)
        if self._db.execute(_COMPLETE, (*row, *key)).rowcount == 0:
            self._db.execute(_INSERT_END_ONLY, (*key, *row))
        else:
            self._db.execute(_FORGET_OPEN, key)
            if record.at_ns < self._closed_behind_ns:
                found = self._db.execute(f"SELECT target FROM attempts WHERE {_KEY}", key)
                self._reopen(found.fetchone()[0], hours.hour_of(record.at_ns))

    def _reopen(self, target: object, hour_ns: int) -> None:
        self._db.execute("DELETE FROM hours WHERE target = ? AND hour_ns = ?", (target, hour_ns))
        self._look_back = True

    def give_up(self, writer: str) -> int:
        """Makes the open attempts of a dead writer `unknown`, charged at their reservation; how many."""
        count = self._db.execute(_GIVE_UP, (writer,)).rowcount
        self._db.execute("DELETE FROM open_attempts WHERE writer = ?", (writer,))
        return count

    def refusals(self, records: Sequence[Refusal]) -> None:
        """Books refused requests."""
        self._db.executemany(
            "INSERT INTO refusals VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [
                (r.request_id, r.at_ns, r.tenant, r.key_id, r.model, r.code, r.status, r.source)
                for r in records
            ],
        )

    def fleets(self, records: Sequence[Fleet]) -> None:
        """Books which owned targets were paid for."""
        self._db.executemany(
            "INSERT INTO fleets VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [(r.at_ns, r.version, json.dumps(r.owned), r.stopping) for r in records],
        )

    def position(self, writer: str, sequence: int, at: int) -> None:
        """Remembers that everything before this place of a writer's journal is booked."""
        self._db.execute("INSERT OR REPLACE INTO writers VALUES (?, ?, ?)", (writer, sequence, at))

    def forget(self, writer: str) -> None:
        """Drops the place of a writer whose segments are all gone."""
        self._db.execute("DELETE FROM writers WHERE writer = ?", (writer,))

    def damage(self, segment: str, at: int, size: int, what: str, now_ns: int) -> None:
        """Remembers that bytes of a segment could not be read."""
        self._db.execute(
            "INSERT INTO damage VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (segment, at, size, what, now_ns),
        )

    def close_hours(self, now_ns: int) -> int:
        """Closes every paid hour that is over and testified to its end; returns how many.

        An attempt that is booked late opens its hour again, which is then closed anew.
        """
        known_ns = self._db.execute("SELECT max(at_ns) FROM fleets").fetchone()[0] or 0
        until_ns = hours.hour_of(min(now_ns - GRACE_NS, known_ns))
        if until_ns <= self._closed_behind_ns and not self._look_back:
            return 0
        fleets = read_fleets(self._db)
        closed = {tuple(row) for row in self._db.execute("SELECT target, hour_ns FROM hours")}
        count = 0
        for hour in hours.paid_hours(hours.paid(fleets)):
            if hour.hour_ns + hours.HOUR_NS <= until_ns and (hour.target, hour.hour_ns) not in closed:
                self._close(hour)
                count += 1
        self._closed_behind_ns = max(self._closed_behind_ns, until_ns)
        self._look_back = False
        return count

    def _close(self, hour: hours.PaidHour) -> None:
        rows = self._db.execute(
            "SELECT rowid, coalesce(room_ns, 0) FROM attempts"
            " WHERE side = 'owned' AND target = ? AND ended_ns >= ? AND ended_ns < ?"
            " ORDER BY request_id, attempt",
            (hour.target, hour.hour_ns, hour.hour_ns + hours.HOUR_NS),
        ).fetchall()
        rooms = [room for _, room in rows]
        amortised, idle = hours.close(hour, rooms)
        self._db.executemany(
            "UPDATE attempts SET amortised_nano = ? WHERE rowid = ?",
            [(part, rowid) for part, (rowid, _) in zip(amortised, rows, strict=True)],
        )
        self._db.execute(
            "INSERT INTO hours VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*hour, sum(rooms), len(rows), sum(amortised), idle),
        )


def read_fleets(connection: sqlite3.Connection) -> list[Fleet]:
    """Every testimony of which owned targets were paid for, oldest first."""
    rows = connection.execute("SELECT at_ns, version, owned, stopping FROM fleets ORDER BY at_ns, version")
    return [
        Fleet(at_ns, version, tuple((target, price) for target, price in json.loads(owned)), bool(stopping))
        for at_ns, version, owned, stopping in rows
    ]
