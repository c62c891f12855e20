"""docs/errors.md holds every error there is."""

from __future__ import annotations

import re
from pathlib import Path

from baseload import errors
from baseload.errors import FAULTS, BaseloadError, Fault, RequestError
from tests.docs.pages import plain, rows
from tests.gateway.running import RunningGateway

ROOT = Path(__file__).resolve().parents[2]


def test_every_fault_is_a_row_and_every_row_a_fault(docs: Path) -> None:
    """Code, status, type, source, whether to retry, and what to do next: all of it is the code's."""
    page = (docs / "errors.md").read_text(encoding="utf-8")
    found = rows(page, "code | status | type | source | retryable | when | what to do")
    assert [[plain(row[0]), row[1], plain(row[2]), row[3], row[4], row[6]] for row in found] == [
        [f.code, str(f.status), f.type, f.source.value, "yes" if f.retryable else "no", f.next]
        for f in FAULTS.values()
    ]
    assert all(row[5] for row in found), "each says when it happens"


def test_what_nothing_raises_says_so(docs: Path) -> None:
    """The page tells which codes the data port never sends (`not sent …`), and says so of no other."""
    page = (docs / "errors.md").read_text(encoding="utf-8")
    found = rows(page, "code | status | type | source | retryable | when | what to do")
    data_port = ("gateway", "ledger", "policy", "wire")
    source = "\n".join(
        path.read_text(encoding="utf-8")
        for room in data_port
        for path in (ROOT / "src" / "baseload" / room).rglob("*.py")
    )
    unused = {
        value.code
        for name, value in vars(errors).items()
        if isinstance(value, Fault) and not re.search(rf"\b{name}\b", source)
    }
    assert {plain(row[0]) for row in found if row[5].startswith("not sent")} == unused


def test_every_error_of_a_command_is_a_row(docs: Path) -> None:
    """The tree of errors with its exit codes."""
    page = (docs / "errors.md").read_text(encoding="utf-8")
    kinds = [kind for kind in BaseloadError.__subclasses__() if kind.__module__ == errors.__name__]
    expected = {(kind.__name__, str(kind.exit_code)) for kind in kinds if kind is not RequestError}
    assert {(plain(row[0]), row[1]) for row in rows(page, "error | exit code | when")} == expected


def test_the_example_is_what_a_client_gets(docs: Path, gateway: RunningGateway) -> None:
    """The error object of the page has the members and words of a real one."""
    page = (docs / "errors.md").read_text(encoding="utf-8")
    answer = gateway.post({"model": "chta", "messages": []})
    said = answer.json()["error"]
    assert answer.status_code == FAULTS[said["code"]].status
    assert re.findall(r'"(\w+)": ', page.split("```json")[1].split("```")[0])[1:] == list(said)
    assert said["message"] in page
