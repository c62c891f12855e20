"""The ledger as traffic: written by the journal, booked by ingest, read back as what came."""

from __future__ import annotations

from pathlib import Path

import pytest

from baseload.core import Tokens
from baseload.errors import DataError, EnvironmentProblem
from baseload.ledger.ingest import ingest_once
from baseload.ledger.journal import Journal
from baseload.ledger.launch import journal_directory, store_path
from baseload.ledger.record import Begin, Bill, Call, Caller, Chosen, End, Refusal, Versions
from baseload.ledger.store import Filter
from baseload.traffic.ledger import read_ledger
from baseload.traffic.read import Format, detect, read_traffic

START_NS = 1_795_334_400_000_000_000
SECOND_NS = 1_000_000_000
NOT_SERVED = [
    ("failed", Tokens()),
    ("failed", Tokens(50)),
    ("rejected", Tokens()),
    ("client_gone", Tokens(140, 0, 0, 0, 0, True)),
    ("cut", Tokens(140)),
]


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


def end(request_id: str, at_s: int, outcome: str, usage: Tokens, *, attempt: int = 1) -> End:
    """How it ended."""
    at_ns = START_NS + at_s * SECOND_NS
    return End(request_id, attempt, at_ns, outcome, 200, SECOND_NS, usage, Bill(0))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder: one request of one attempt, one of two, one refused; others not served."""
    journal = Journal.open(journal_directory(tmp_path))
    journal.begin(begin("a", 10))
    journal.end(end("a", 12, "completed", Tokens(140, 40, 0, 200, 0)))
    journal.begin(begin("b", 11, tenant="lab"))
    journal.end(end("b", 12, "failed", Tokens()))
    journal.begin(begin("b", 13, attempt=2, tenant="lab"))
    journal.end(end("b", 14, "client_gone", Tokens(70, 0, 0, 5, 0, True), attempt=2))
    for place, (outcome, usage) in enumerate(NOT_SERVED):
        journal.begin(begin(f"u{place}", 20))
        journal.end(end(f"u{place}", 21, outcome, usage))
    journal.begin(begin("running", 20))
    journal.refuse(
        Refusal("c", START_NS + 15 * SECOND_NS, "shop", "k1", "chat", "rate_limit_exceeded", 429, "client")
    )
    journal.close()
    ingest_once(journal_directory(tmp_path), store_path(tmp_path))
    return tmp_path


def test_every_request_is_one_row_however_many_attempts(data: Path) -> None:
    """Arrival of the first attempt, tokens of the last; nobody's estimates are taken for tokens."""
    traffic = read_traffic(data)
    assert traffic.start_ns == START_NS + 10 * SECOND_NS
    assert traffic.arrival_s.tolist() == [0.0, 1.0]
    assert traffic.input_tokens.tolist() == [140, 70]
    assert traffic.cached_tokens.tolist() == [40, 0]
    assert traffic.output_tokens.tolist() == [200, 5]
    assert [traffic.tenants[code] for code in traffic.tenant] == ["shop", "lab"]
    assert traffic.models == ("chat",)


def test_requests_that_were_not_served_are_counted_in_words_only(data: Path) -> None:
    """However they ended: a plan sized by them would buy serving that nobody got."""
    assert read_traffic(data).notes == (
        "2 more requests are left out: every attempt failed",
        "1 more requests are left out: the client went away before the first token",
        "1 more requests are left out: cut off before the first token",
        "1 more requests are left out: the target rejected them",
        "1 more requests are left out: how they ended is unknown",
        "1 more requests were refused with rate_limit_exceeded",
    )


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
