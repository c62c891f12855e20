"""docs/gateway.md says what the data path does: where, with which limits, within which times."""

from __future__ import annotations

import ast
import importlib
import json
import re
import time
from pathlib import Path

import httpx2
import pytest

from baseload import errors
from baseload.core import Timeouts
from baseload.gateway import lookup, routes
from baseload.gateway.google import CALLS
from baseload.gateway.server import PortLimits
from baseload.gateway.site import ENDPOINTS
from tests.docs.pages import plain, rows
from tests.gateway.running import RunningGateway

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "baseload"
BOUNDED = ("gateway", "wire")
ELSEWHERE = {"http1", "body"}
"""Bounds of HTTP itself stand in docs/http.md."""


@pytest.fixture(scope="module")
def page() -> str:
    """The page's text."""
    return (ROOT / "docs" / "gateway.md").read_text(encoding="utf-8")


def bounds() -> dict[str, str]:
    """Every public bound that a module of the data path defines, with its value."""
    found = {}
    for room in BOUNDED:
        for path in sorted((PACKAGE / room).glob("*.py")):
            module = importlib.import_module(f"baseload.{room}.{path.stem}")
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    name = node.targets[0].id
                    if (
                        re.match(r"MAX_|SMALL_|UNSENT_|\w+_(?:HIGH_WATER|BACKLOG)$", name)
                        and path.stem not in ELSEWHERE
                    ):
                        found[f"{path.stem}.{name}"] = str(getattr(module, name))
    return found


def test_the_bounds_are_the_codes(page: str) -> None:
    """Every bound of the data path is on the page with its value, and no other."""
    assert {plain(row[0]): row[1] for row in rows(page, "name | value | what")} == bounds()


def test_the_steps_name_code_that_exists(page: str) -> None:
    """Each module of the table exists and defines what the table says it does."""
    for cells in rows(page, "step | what happens | decided in | refused with"):
        text = ""
        for quoted in re.findall(r"`([^`]+)`", cells[2]):
            if quoted.endswith(".py"):
                text = (PACKAGE / quoted).read_text(encoding="utf-8")
            else:
                owner, _, method = quoted.rpartition(".")
                assert re.search(rf"def {method}\(", text), quoted
                assert not owner or f"class {owner}" in text, quoted


def test_the_steps_name_errors_there_are(page: str) -> None:
    """Each code of the table is one of the errors."""
    table = rows(page, "step | what happens | decided in | refused with")
    codes = {code for cells in table for code in re.findall(r"`(\w+)`", cells[3])}
    assert codes <= set(errors.FAULTS)
    assert len(table) == 11


def test_the_timeouts_are_the_codes(page: str) -> None:
    """Defaults and error codes of an attempt's deadlines."""
    found = {plain(row[0]): (row[1], plain(row[3])) for row in rows(page, "timeout | default | runs | code")}
    usual = Timeouts()
    assert found == {
        "connect": (f"{usual.connect_s:g} s", errors.TIMEOUT_CONNECT.code),
        "ttft": (f"{usual.ttft_s:g} s", errors.TIMEOUT_FIRST_TOKEN.code),
        "idle": (f"{usual.idle_s:g} s", errors.TIMEOUT_IDLE.code),
        "total": (f"{usual.total_s:g} s", errors.TIMEOUT_TOTAL.code),
    }


def test_the_paths_are_those_served(page: str) -> None:
    """Every path of the data port is named."""
    served = {path.decode() for path in (*ENDPOINTS, *routes._GET, lookup.PATH + b"ID")}
    assert {path for path in served if f"`{path}`" not in page and f" {path}`" not in page} == set()


def test_the_calls_of_google_are_those_served(page: str) -> None:
    """Every method with the name it is booked under, and no other."""
    table = rows(page, "`POST /v1beta/models/NAME:…` | served by | booked as")
    named = {(method, name) for row in table for method in _quoted(row[0]) for name in _quoted(row[2])}
    assert {(call.method, call.name) for call in CALLS.values()} <= named
    assert {method for method, _ in named} == set(CALLS)
    assert {name for _, name in named} == {call.name for call in CALLS.values()}


def _quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_waits_are_the_codes(page: str) -> None:
    """Comments, stalled readers and the drain: the seconds said are the defaults."""
    usual = PortLimits()
    assert f"nothing committed after {usual.comment_s:g} s" in page
    assert f"No progress for {usual.stall_s:g} s" in page
    assert f"({usual.drain_s:g} s)" in page


def test_what_a_look_up_answers_is_shown(page: str, gateway: RunningGateway) -> None:
    """The example has the members of a real answer, in its order."""
    [example] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    request_id = gateway.chat(max_tokens=3).headers["x-request-id"]
    url = f"{gateway.url}/baseload/requests/{request_id}"
    until_s = time.monotonic() + 10
    while (answer := httpx2.get(url, headers=gateway.headers, trust_env=False)).status_code != 200:
        assert time.monotonic() < until_s, answer.text
        time.sleep(0.05)
    shown, real = json.loads(example), answer.json()
    assert list(shown) == list(real)
    assert list(shown["attempts"][0]) == list(real["attempts"][0])
