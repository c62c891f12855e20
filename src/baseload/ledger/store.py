"""Questions to the store: single requests, recent rows, totals, owned hours, and the traffic that came.

Nothing here writes. An unknown cost is counted apart and never taken for 0.
"""
# ruff: noqa: S608 - statements are put together from this package's own constants and from nothing else

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from msgspec import Struct

from baseload.errors import UnknownName
from baseload.ledger import hours
from baseload.ledger.booking import read_fleets
from baseload.ledger.database import connect_reader
from baseload.ledger.schema import ATTEMPT_COLUMNS

Value = str | int | float | None
Row = dict[str, Value]

GROUPS = {
    "tenant": "tenant",
    "key": "key_id",
    "class": "data_class",
    "model": "model",
    "target": "target",
    "side": "side",
    "reason": "reason",
    "outcome": "coalesce(outcome, 'running')",
    "day": "strftime('%Y-%m-%d', began_ns / 1000000000, 'unixepoch')",
}
"""What totals can be grouped by; days are UTC."""

BATCH_ROWS = 10_000


class Filter(NamedTuple):
    """Which attempts to look at; None is all. Times are wall-clock nanoseconds, `until_ns` excluded."""

    since_ns: int | None = None
    until_ns: int | None = None
    tenant: str | None = None
    model: str | None = None
    target: str | None = None

    def where(self, moment: str = "began_ns") -> tuple[str, list[Value]]:
        """The SQL condition over columns named as the fields, and its parameters."""
        wanted = [
            (f"{moment} >= ?", self.since_ns),
            (f"{moment} < ?", self.until_ns),
            ("tenant = ?", self.tenant),
            ("model = ?", self.model),
            ("target = ?", self.target),
        ]
        given = [(sql, value) for sql, value in wanted if value is not None]
        return " AND ".join(["1", *(sql for sql, _ in given)]), [value for _, value in given]


EVERYTHING = Filter()


class Totals(Struct, frozen=True):
    """Sums over attempts. `group` holds the values grouped by, in the order asked for.

    `requests` counts requests with at least one of these attempts, `spilled` those with one that spilled.
    Each cost is the sum of the known ones; `…_unknown` counts the attempts it leaves out. `amortised_nano`
    covers closed hours; `unsettled` counts owned attempts whose hour is still open.
    """

    group: tuple[Value, ...]
    requests: int
    spilled: int
    attempts: int
    running: int
    unknown: int
    estimated: int
    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_nano: int
    cost_unknown: int
    amortised_nano: int
    unsettled: int
    counterfactual_nano: int
    counterfactual_unknown: int

    @property
    def spill_share(self) -> float | None:
        """Share of requests that spilled."""
        return self.spilled / self.requests if self.requests else None


_SUMS = """
    count(DISTINCT request_id),
    count(DISTINCT CASE WHEN reason = 'spill' THEN request_id END),
    count(*) FILTER (WHERE attempt > 0),
    count(*) FILTER (WHERE outcome IS NULL),
    count(*) FILTER (WHERE outcome = 'unknown'),
    count(*) FILTER (WHERE estimated),
    coalesce(sum(input_tokens), 0),
    coalesce(sum(cached_input_tokens), 0),
    coalesce(sum(cache_write_tokens), 0),
    coalesce(sum(output_tokens), 0),
    coalesce(sum(reasoning_tokens), 0),
    coalesce(sum(cost_nano), 0),
    count(*) FILTER (WHERE outcome IS NOT NULL AND cost_nano IS NULL),
    coalesce(sum(amortised_nano), 0),
    count(*) FILTER (WHERE side = 'owned' AND ended_ns IS NOT NULL AND amortised_nano IS NULL),
    coalesce(sum(counterfactual_nano), 0),
    count(*) FILTER (WHERE counterfactual_nano IS NULL
        AND (outcome = 'unknown' OR input_tokens + output_tokens > 0))
"""


class OwnedTotals(Struct, frozen=True):
    """What an owned target cost: `price_nano` = `amortised_nano` + `idle_nano` over its closed hours.

    `open_ns` and `open_price_nano` are time and price testified in hours that are not closed yet.
    """

    target: str
    hours: int
    paid_ns: int
    room_ns: int
    price_nano: int
    amortised_nano: int
    idle_nano: int
    open_ns: int
    open_price_nano: int


class Arrival(NamedTuple):
    """A request as traffic: when it first came, and the tokens that its last attempt was booked with.

    Input nobody counted is the estimate made when the request was sent.
    """

    at_ns: int
    model: str
    tenant: str
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int


_ARRIVALS = """
    SELECT CASE attempt WHEN 1 THEN began_ns ELSE coalesce(
            (SELECT first.began_ns FROM attempts AS first
             WHERE first.request_id = attempts.request_id AND first.attempt = 1), began_ns) END,
        model,
        tenant,
        CASE WHEN input_tokens > 0 THEN input_tokens ELSE input_estimate END,
        cached_input_tokens,
        output_tokens
    FROM attempts
"""

_LAST = """attempt > 0 AND began_ns IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM attempts AS later
    WHERE later.request_id = attempts.request_id AND later.attempt > attempts.attempt)
"""
"""The attempt that decided how its request ended; a kept answer that was given again took none."""

_PRODUCED = """coalesce(
    outcome = 'completed' OR (outcome IN ('client_gone', 'cut') AND output_tokens > 0), FALSE)
"""
"""Whether the attempt took serving: a target answered it, with a part at least."""


class Damage(NamedTuple):
    """Journal bytes that could not be read. The file is in the journal's folder `damaged`."""

    segment: str
    at: int
    bytes: int
    what: str
    found_ns: int


class Store:
    """The ledger, for reading; as a context manager it closes itself."""

    def __init__(self, path: str | Path) -> None:
        """Raises EnvironmentProblem if there is no readable ledger at `path`."""
        self._db = connect_reader(Path(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the database."""
        self._db.close()

    def request(self, request_id: str) -> list[Row]:
        """The attempts of a request in order; empty if there is none."""
        return self._rows("WHERE request_id = ? ORDER BY attempt", [request_id])

    def refusal(self, request_id: str) -> Row | None:
        """The refusal of a request, if it was refused."""
        found = self._db.execute("SELECT * FROM refusals WHERE request_id = ?", (request_id,))
        names = [column[0] for column in found.description]
        row = found.fetchone()
        return None if row is None else dict(zip(names, row, strict=True))

    def recent(self, limit: int = 20, only: Filter = EVERYTHING) -> list[Row]:
        """The newest attempts, newest first."""
        where, values = only.where()
        return self._rows(f"WHERE {where} ORDER BY began_ns DESC LIMIT ?", [*values, limit])

    def attempts(self, only: Filter = EVERYTHING) -> Iterator[list[tuple[Value, ...]]]:
        """Every attempt as the values of `schema.ATTEMPT_COLUMNS`, oldest first, in batches."""
        where, values = only.where()
        columns = ", ".join(ATTEMPT_COLUMNS)
        return self._batches(f"SELECT {columns} FROM attempts WHERE {where} ORDER BY began_ns", values)

    def arrivals(self, only: Filter = EVERYTHING) -> Iterator[list[Arrival]]:
        """The requests that were served, one each however many attempts it took, in batches.

        Served is one whose last attempt completed, or produced tokens before it was cut or its client went
        away: the others took no serving that a plan should count (see `unserved` and `refusals`). Nearly in
        order of arrival: by the begin of the last attempt.
        """
        where, values = only.where()
        sql = f"{_ARRIVALS} WHERE {_LAST} AND {_PRODUCED} AND {where} ORDER BY began_ns"
        for rows in self._batches(sql, values):
            yield [Arrival._make(row) for row in rows]

    def unserved(self, only: Filter = EVERYTHING) -> dict[str, int]:
        """How many requests with attempts are not in `arrivals`, by their last outcome; most first.

        `running` is one that has not ended yet.
        """
        where, values = only.where()
        sql = (
            f"SELECT {GROUPS['outcome']}, count(*) FROM attempts"
            f" WHERE {_LAST} AND NOT {_PRODUCED} AND {where} GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        return dict(self._db.execute(sql, values))

    def totals(self, by: Sequence[str] = (), only: Filter = EVERYTHING) -> list[Totals]:
        """Sums over attempts, grouped by names of `GROUPS`; raises UnknownName for another."""
        for name in by:
            if name not in GROUPS:
                raise UnknownName("grouping", name, GROUPS)
        groups = [GROUPS[name] for name in by]
        where, values = only.where()
        sql = f"SELECT {', '.join([*groups, _SUMS])} FROM attempts WHERE {where}"
        if groups:
            places = ", ".join(str(place) for place in range(1, len(groups) + 1))
            sql += f" GROUP BY {places} ORDER BY {places}"
        count = len(groups)
        return [Totals(row[:count], *row[count:]) for row in self._db.execute(sql, values)]

    def refusals(self, only: Filter = EVERYTHING) -> dict[str, int]:
        """How many requests were refused, by code. A filter's target does not apply: there was none."""
        where, values = only._replace(target=None).where("at_ns")
        return dict(
            self._db.execute(
                f"SELECT code, count(*) FROM refusals WHERE {where} GROUP BY code ORDER BY 2 DESC, 1", values
            )
        )

    def owned(self, only: Filter = EVERYTHING) -> list[OwnedTotals]:
        """What each owned target cost. Of a filter, only times (by whole hours) and the target apply."""
        where, values = Filter(only.since_ns, only.until_ns, target=only.target).where("hour_ns")
        closed: dict[str, list[hours.PaidHour]] = {}
        sums: dict[str, list[int]] = {}
        for target, hour_ns, paid_ns, price, room_ns, amortised, idle in self._db.execute(
            "SELECT target, hour_ns, paid_ns, price_nano, room_ns, amortised_nano, idle_nano FROM hours"
            f" WHERE {where}",
            values,
        ):
            closed.setdefault(target, []).append(hours.PaidHour(target, hour_ns, paid_ns, price))
            row = sums.setdefault(target, [0] * 5)
            for place, value in enumerate((paid_ns, room_ns, price, amortised, idle)):
                row[place] += value
        known = {(hour.target, hour.hour_ns) for rows in closed.values() for hour in rows}
        still_open: dict[str, list[int]] = {}
        for hour in hours.paid_hours(hours.paid(read_fleets(self._db))):
            if (hour.target, hour.hour_ns) not in known and _within(hour, only):
                row = still_open.setdefault(hour.target, [0, 0])
                row[0] += hour.paid_ns
                row[1] += hour.price_nano
        return [
            OwnedTotals(
                target,
                len(closed.get(target, ())),
                *sums.get(target, [0] * 5),
                *still_open.get(target, [0, 0]),
            )
            for target in sorted(sums.keys() | still_open.keys())
        ]

    def damage(self) -> list[Damage]:
        """What of the journal could not be read, newest first."""
        rows = self._db.execute(
            "SELECT segment, at, bytes, what, found_ns FROM damage ORDER BY found_ns DESC"
        )
        return [Damage._make(row) for row in rows]

    def _rows(self, tail: str, values: Sequence[Value]) -> list[Row]:
        found = self._db.execute(f"SELECT {', '.join(ATTEMPT_COLUMNS)} FROM attempts {tail}", values)
        return [dict(zip(ATTEMPT_COLUMNS, row, strict=True)) for row in found]

    def _batches(self, sql: str, values: Sequence[Value]) -> Iterator[list[tuple[Value, ...]]]:
        found: sqlite3.Cursor = self._db.execute(sql, values)
        while rows := found.fetchmany(BATCH_ROWS):
            yield rows


def _within(hour: hours.PaidHour, only: Filter) -> bool:
    return (
        (only.target is None or hour.target == only.target)
        and (only.since_ns is None or hour.hour_ns >= only.since_ns)
        and (only.until_ns is None or hour.hour_ns < only.until_ns)
    )
