"""The ledger as traffic: written by the journal, booked by ingest, read back as what came."""

from __future__ import annotations

from pathlib import Path

import pytest

from baseload.errors import DataError, EnvironmentProblem
from baseload.ledger.ingest import ingest_once
from baseload.ledger.journal import Journal
from baseload.ledger.launch import journal_directory, store_path
from baseload.ledger.record import Begin, Bill, Call, Caller, Chosen, End, Refusal, Usage, Versions
from baseload.ledger.store import Filter
from baseload.traffic.ledger import read_ledger
from baseload.traffic.read import Format, detect, read_traffic

START_NS = 1_795_334_400_000_000_000
SECOND_NS = 1_000_000_000


def begin(request_id: str, at_s: int, *, attempt: int = 1, tenant: str = "shop") -> Begin:
    """An attempt at an owned target."""
    return Begin(
        request_id,
        attempt,
        START_NS + at_s * SECOND_NS,
        Caller(tenant, "k1", "default"),
        Call("chat", "chat.completions", True, 999, 999),
        Chosen("llama-a", "owned", "owned"),
        Versions("config-1", "2026-11-22"),
        1,
    )


def end(request_id: str, at_s: int, outcome: str, usage: Usage, *, attempt: int = 1) -> End:
    """How it ended."""
    at_ns = START_NS + at_s * SECOND_NS
    return End(request_id, attempt, at_ns, outcome, 200, SECOND_NS, usage, Bill(0))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder: one request of one attempt, one of two, one refused."""
    journal = Journal.open(journal_directory(tmp_path))
    journal.begin(begin("a", 10))
    journal.end(end("a", 12, "completed", Usage(140, 40, 0, 200, 0)))
    journal.begin(begin("b", 11, tenant="lab"))
    journal.end(end("b", 12, "failed", Usage()))
    journal.begin(begin("b", 13, attempt=2, tenant="lab"))
    journal.end(end("b", 14, "client_gone", Usage(70, 0, 0, 5, 0, True), attempt=2))
    journal.refuse(
        Refusal("c", START_NS + 15 * SECOND_NS, "shop", "k1", "chat", "rate_limit_exceeded", 429, "client")
    )
    journal.close()
    ingest_once(journal_directory(tmp_path), store_path(tmp_path))
    return tmp_path


def test_every_request_is_one_row_however_many_attempts(data: Path) -> None:
    """Arrival of the first attempt, tokens of the last; refused requests are counted in words only."""
    traffic = read_traffic(data)
    assert traffic.start_ns == START_NS + 10 * SECOND_NS
    assert traffic.arrival_s.tolist() == [0.0, 1.0]
    assert traffic.input_tokens.tolist() == [140, 70]
    assert traffic.cached_tokens.tolist() == [40, 0]
    assert traffic.output_tokens.tolist() == [200, 5]
    assert [traffic.tenants[code] for code in traffic.tenant] == ["shop", "lab"]
    assert traffic.models == ("chat",)
    assert traffic.notes == ("1 more requests were refused with rate_limit_exceeded",)


def test_a_ledger_is_known_by_folder_and_by_file(data: Path) -> None:
    """The data folder and the store in it are the same traffic."""
    assert detect(data) is detect(store_path(data)) is Format.LEDGER
    assert read_traffic(store_path(data)).input_tokens.tolist() == [140, 70]


def test_a_part_of_a_ledger_is_read_with_a_filter(data: Path) -> None:
    """One tenant's requests; nobody's are an error, not an empty table."""
    assert read_ledger(data, Filter(tenant="lab")).output_tokens.tolist() == [5]
    with pytest.raises(DataError, match="holds no requests"):
        read_ledger(data, Filter(tenant="nobody"))


def test_a_folder_without_a_ledger_is_refused(tmp_path: Path) -> None:
    """Asked for a ledger where there is none: the environment is wrong, and the error says where."""
    with pytest.raises(EnvironmentProblem, match="no ledger at"):
        read_traffic(tmp_path, "ledger")
