"""Questions to the store: sums are exact, unknown costs are counted, a request is traffic once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import msgspec
import pytest

from baseload.core import Apart, Outcome, Tokens
from baseload.errors import EnvironmentProblem, UnknownName
from baseload.ledger import journal as journal_module
from baseload.ledger.database import connect
from baseload.ledger.export import Format, export, format_of
from baseload.ledger.follow import Follower
from baseload.ledger.hours import HOUR_NS
from baseload.ledger.journal import Journal
from baseload.ledger.record import Begin, Chosen, End, Fleet, Record, Refusal, encode
from baseload.ledger.schema import ATTEMPT_COLUMNS, BOOLEAN_COLUMNS, COLUMN_TYPES, MIGRATIONS
from baseload.ledger.store import GROUPS, Arrival, Filter, OwnedTotals, Store, Totals

Begins: TypeAlias = Callable[..., Begin]
Ends: TypeAlias = Callable[..., End]


@pytest.fixture
def store(tmp_path: Path, begin: Begins, end: Ends, spill: Chosen, start_ns: int) -> Iterator[Store]:
    """Four requests: served; spilled; failed and fallen back; cost unknown. A fifth is refused."""
    journal = Journal.open(tmp_path / "journal")
    fleet = (("llama-a", 8_000_000_000),)
    journal.fleet(Fleet(start_ns, "1", fleet))
    second = 1_000_000_000
    journal.begin(begin("r1", at_ns=start_ns))
    journal.end(end("r1", room_ns=HOUR_NS // 4))
    journal.begin(begin("r2", at_ns=start_ns + second, chosen=spill, tenant="lab"))
    journal.end(end("r2", cost_nano=2_350_000))
    journal.begin(begin("r3", at_ns=start_ns + 2 * second))
    journal.end(end("r3", outcome="failed", usage=Tokens(), room_ns=0))
    journal.begin(begin("r3", 2, at_ns=start_ns + 3 * second, chosen=spill))
    journal.end(end("r3", 2, cost_nano=1_000, usage=Tokens(100, 0, 0, 50, 0, True)))
    journal.begin(begin("r4", at_ns=start_ns + 4 * second, chosen=spill, reserved_nano=None))
    journal.refuse(Refusal("r5", start_ns, "shop", "k1", "chat", "rate_limit_exceeded", 429, "client"))
    journal.fleet(Fleet(start_ns + HOUR_NS, "1", fleet))
    journal.fleet(Fleet(start_ns + HOUR_NS + HOUR_NS // 8, "1", fleet, stopping=True))
    journal.close()
    much_later_ns = start_ns + 2 * HOUR_NS
    with closing(
        Follower(tmp_path / "journal", tmp_path / "ledger.sqlite", now_ns=lambda: much_later_ns)
    ) as f:
        f.run_pass()
    with Store(tmp_path / "ledger.sqlite") as store:
        yield store


def test_totals_sum_exactly_and_count_the_unknown(store: Store) -> None:
    """Sums are those of the records; attempts without a known cost are counted beside, not summed as 0."""
    assert store.totals() == [
        Totals(
            group=(),
            requests=4,
            spilled=3,
            attempts=5,
            running=0,
            unknown=1,
            estimated=2,
            input_tokens=380,
            cached_input_tokens=80,
            cache_write_tokens=0,
            output_tokens=450,
            reasoning_tokens=0,
            cost_nano=2_351_000,
            cost_unknown=1,
            amortised_nano=2_000_000_000,
            unsettled=0,
            counterfactual_nano=4 * 2_350_000,
            counterfactual_unknown=1,
        )
    ]


@pytest.mark.parametrize("name", GROUPS)
def test_every_grouping_splits_without_loss(store: Store, name: str) -> None:
    """Grouped sums add up to the whole."""
    (whole,) = store.totals()
    parts = store.totals([name])
    assert sum(part.attempts for part in parts) == whole.attempts
    assert sum(part.cost_nano for part in parts) == whole.cost_nano


def test_groups_and_filters(store: Store, start_ns: int) -> None:
    """Groups carry their values in the order asked for; a filter leaves the rest out."""
    assert [(t.group, t.attempts) for t in store.totals(["side", "day"])] == [
        (("metered", "2026-11-22"), 3),
        (("owned", "2026-11-22"), 2),
    ]
    assert [t.requests for t in store.totals(only=Filter(tenant="lab"))] == [1]
    assert [t.requests for t in store.totals(only=Filter(since_ns=start_ns + 2_000_000_000))] == [2]
    assert [t.requests for t in store.totals(only=Filter(until_ns=start_ns + 1))] == [1]
    with pytest.raises(UnknownName, match="tennant"):
        store.totals(["tennant"])


def test_owned_hours_split_into_amortised_and_idle(store: Store) -> None:
    """Closed hours are split exactly; time of open hours is shown apart."""
    assert store.owned() == [
        OwnedTotals(
            target="llama-a",
            hours=1,
            paid_ns=HOUR_NS,
            room_ns=HOUR_NS // 4,
            price_nano=8_000_000_000,
            amortised_nano=2_000_000_000,
            idle_nano=6_000_000_000,
            open_ns=HOUR_NS // 8,
            open_price_nano=1_000_000_000,
        )
    ]
    assert store.owned(Filter(target="other")) == []


def test_a_request_is_shown_with_all_its_attempts(store: Store) -> None:
    """One request's attempts come in order; a refused one has its refusal; another has neither."""
    assert [(row["attempt"], row["outcome"]) for row in store.request("r3")] == [
        (1, "failed"),
        (2, "completed"),
    ]
    refusal = store.refusal("r5")
    assert refusal is not None
    assert refusal["code"] == "rate_limit_exceeded"
    assert (store.request("r9"), store.refusal("r9")) == ([], None)
    assert store.refusals() == {"rate_limit_exceeded": 1}
    assert [row["request_id"] for row in store.recent(2)] == ["r4", "r3"]


def test_a_request_is_traffic_once(store: Store, start_ns: int) -> None:
    """Each served request arrives once, when it first came, with what was booked; others are counted."""
    second = 1_000_000_000
    assert [arrival for batch in store.arrivals() for arrival in batch] == [
        Arrival(start_ns, "chat", "shop", 140, 40, 200),
        Arrival(start_ns + second, "chat", "lab", 140, 40, 200),
        Arrival(start_ns + 2 * second, "chat", "shop", 100, 0, 50),
    ]
    assert store.unserved() == {"unknown": 1}
    assert store.unserved(Filter(tenant="lab")) == {}


@pytest.mark.parametrize("outcome", [outcome.value for outcome in Outcome])
@pytest.mark.parametrize("output_tokens", [0, 7])
def test_a_request_is_traffic_or_named_as_unserved(
    tmp_path: Path, begin: Begins, end: Ends, outcome: str, output_tokens: int
) -> None:
    """Whatever the last outcome, each request is on exactly one side; tokens produced decide, if cut."""
    with closing(Journal.open(tmp_path / "journal")) as journal:
        journal.begin(begin("r1"))
        journal.end(end("r1", outcome="failed"))
        journal.begin(begin("r1", 2))
        journal.end(end("r1", 2, outcome=outcome, usage=Tokens(100, 0, 0, output_tokens, 0)))
    with closing(Follower(tmp_path / "journal", tmp_path / "ledger.sqlite")) as follower:
        follower.run_pass()
    with Store(tmp_path / "ledger.sqlite") as store:
        served = sum(len(batch) for batch in store.arrivals())
        unserved = store.unserved()
    takes_serving = outcome == "completed" or (outcome in ("client_gone", "cut") and output_tokens > 0)
    assert (served, unserved) == ((1, {}) if takes_serving else (0, {outcome: 1}))


def test_the_named_columns_are_the_tables(tmp_path: Path) -> None:
    """The columns that code and export name are exactly those of the database, with their types."""
    with closing(connect(tmp_path / "ledger.sqlite")) as connection:
        columns = {row[1]: row[2] for row in connection.execute("PRAGMA table_info(attempts)")}
    assert columns == COLUMN_TYPES
    assert tuple(columns) == ATTEMPT_COLUMNS
    assert {COLUMN_TYPES[name] for name in BOOLEAN_COLUMNS} == {"INTEGER"}


def test_a_newer_or_missing_ledger_is_refused(tmp_path: Path) -> None:
    """A store of a newer schema is neither read nor changed; a missing one is named."""
    path = tmp_path / "ledger.sqlite"
    with pytest.raises(EnvironmentProblem, match="no ledger"):
        Store(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(EnvironmentProblem, match="newer"):
        Store(path)
    with pytest.raises(EnvironmentProblem, match="newer"):
        connect(path)


def test_every_format_holds_the_same_attempts(store: Store, tmp_path: Path) -> None:
    """Parquet, JSON and JSON Lines give back equal values; CSV has the same rows as text."""
    import csv

    import pyarrow.parquet

    for kind in Format:
        assert export(store, tmp_path / f"out.{kind.value}", kind) == 5
        assert format_of(f"out.{kind.value}") is kind
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert json.loads((tmp_path / "out.json").read_text()) == lines
    assert pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist() == lines
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [[text or None for text in row.values()] for row in rows] == [
        [None if value is None else str(value) for value in line.values()] for line in lines
    ]
    assert tuple(lines[0]) == ATTEMPT_COLUMNS
    assert {line["stream"] for line in lines} == {True}


def test_an_empty_export_is_still_a_file_of_its_format(store: Store, tmp_path: Path) -> None:
    """With nothing to write the files are whole and empty."""
    nothing = Filter(tenant="nobody")
    for kind in Format:
        assert export(store, tmp_path / f"out.{kind.value}", kind, nothing) == 0
    assert json.loads((tmp_path / "out.json").read_text()) == []
    assert (tmp_path / "out.jsonl").read_text() == ""
    assert (tmp_path / "out.csv").read_text() == ",".join(ATTEMPT_COLUMNS) + "\n"


def test_an_export_appears_whole_or_not_at_all(store: Store, tmp_path: Path) -> None:
    """Where the file cannot be written the old one stays and nothing half-made is left."""
    (tmp_path / "there").mkdir()
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        export(store, tmp_path / "there", Format.CSV)
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        export(store, tmp_path / "missing" / "out.csv", Format.CSV)
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_store_of_the_first_schema_is_migrated(tmp_path: Path, begin: Begins, end: Ends) -> None:
    """Rows booked before stay as they are, with the new columns unknown; new rows fill them."""
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(MIGRATIONS[0])
        old.execute("PRAGMA user_version = 1")
        old.execute(
            "INSERT INTO attempts (request_id, attempt, outcome, cost_nano) VALUES ('r0', 1, 'completed', 7)"
        )
        old.commit()
    used = Tokens(900, 100, 300, 80, 5, False, Apart(200, 50, 40, 10, 12, 3, "flex", True))
    with closing(Journal.open(tmp_path / "journal")) as journal:
        journal.begin(begin("r1"))
        journal.end(end("r1", usage=used))
    with closing(Follower(tmp_path / "journal", path)) as follower:
        follower.run_pass()
    names = [*list(COLUMN_TYPES)[-8:]]
    assert names[0] == "cache_write_1h_tokens"
    with Store(path) as store:
        (before,), (after,) = store.request("r0"), store.request("r1")
        (out,) = [row for batch in store.attempts() for row in batch if row[0] == "r1"]
    assert (before["cost_nano"], [before[name] for name in names]) == (7, [None] * 8)
    assert [after[name] for name in names] == [200, 50, 40, 10, 12, 3, "flex", 1]
    assert out[-8:] == (200, 50, 40, 10, 12, 3, "flex", 1)


def test_a_journal_of_the_first_minor_version_is_read_on(
    tmp_path: Path, begin: Begins, end: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Segments that an older gateway left, whose usage has six values, are booked beside those of today."""

    def old(record: Record) -> bytes:
        fields = msgspec.msgpack.decode(encode(record))
        if isinstance(record, End):
            fields[7] = fields[7][:6]
        return msgspec.msgpack.encode(fields)

    with monkeypatch.context() as before:
        before.setattr(journal_module, "MINOR", 0)
        before.setattr(journal_module, "encode", old)
        with closing(Journal.open(tmp_path / "journal")) as journal:
            journal.begin(begin("r1"))
            journal.end(end("r1", usage=Tokens(900, 100, 300, 80, 5)))
    used = Tokens(900, 100, 300, 80, 5, apart=Apart(cache_write_1h=200))
    with closing(Journal.open(tmp_path / "journal")) as journal:
        journal.begin(begin("r2"))
        journal.end(end("r2", usage=used))
    path = tmp_path / "ledger.sqlite"
    with closing(Follower(tmp_path / "journal", path)) as follower:
        follower.run_pass()
    with Store(path) as store:
        (first,), (second,) = store.request("r1"), store.request("r2")
    counts = ("input_tokens", "cache_write_tokens", "cache_write_1h_tokens", "unpriced")
    assert [first[name] for name in counts] == [900, 300, 0, 0]
    assert [second[name] for name in counts] == [900, 300, 200, 0]
