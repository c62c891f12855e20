"""docs/headers.md holds every header of ours, in and out."""

from __future__ import annotations

import re
from pathlib import Path

from baseload.core import Limits
from baseload.policy.limits import Limiter, Party
from tests.docs.pages import plain, rows
from tests.gateway.running import RunningGateway

ROOT = Path(__file__).resolve().parents[2]
SENT, GOT, ON = "header | example | meaning", "header | example | where | meaning", "What goes to a target"
USUAL = {
    "content-type",
    "content-length",
    "date",
    "connection",
    "transfer-encoding",
    "cache-control",
    "allow",
}


def documented(page: str) -> set[str]:
    """Every header in a table or in the text."""
    listed = {plain(row[0]) for row in (*rows(page, SENT), *rows(page, GOT))}
    return listed | set(re.findall(r"`(x-[a-z-]+|retry-after[a-z-]*)`", page))


def test_every_header_in_the_source_is_documented_and_the_other_way_round(docs: Path) -> None:
    """Names are looked for in the text of every module a request passes through, media types left out."""
    source = ""
    for room in ("gateway", "policy", "wire", "web"):
        for path in (ROOT / "src" / "baseload" / room).rglob("*.py"):
            source += path.read_text(encoding="utf-8")
    source = re.sub("(?:application|audio|text|video)/x-", "", source)
    named = set(re.findall(r"(?:(?<=\\n)|\b)(?:x-[a-z]+(?:-[a-z]+)+|retry-after(?:-[a-z]+)?)\b", source))
    gate = Limiter().gate([Party("key", "k", Limits(60, 60, 60))], 0.0)
    named |= {line.partition(":")[0] for line in gate.headers(0.0).decode().splitlines()}
    page = (docs / "headers.md").read_text(encoding="utf-8")
    assert documented(page) - {"authorization", "api-key", "cache-control", "age"} == named


def test_every_header_of_an_answer_is_documented(docs: Path, gateway: RunningGateway) -> None:
    """What a real gateway sends: an answer, a stream, an error."""
    page = (docs / "headers.md").read_text(encoding="utf-8")
    answered = gateway.chat(max_tokens=3).headers
    streamed = gateway.chat(max_tokens=3, stream=True).headers
    refused = gateway.post({"model": "other", "messages": []}).headers
    kept = gateway.post(
        {"model": "kept", "messages": [{"role": "user", "content": "x"}], "max_tokens": 3}
    ).headers
    assert kept["x-baseload-cache"] == "hit"
    assert {*answered, *streamed, *refused, *kept} - USUAL <= {plain(row[0]) for row in rows(page, GOT)}
    assert {"x-baseload-target", "x-baseload-reason", "x-baseload-cost-usd"} <= set(answered)
    assert refused["x-should-retry"] == "false"


def test_narrowing_headers_do_as_the_page_says(gateway: RunningGateway) -> None:
    """A pin goes to the target named, tags are kept, an unknown target or class is refused."""
    pinned = gateway.chat("x", max_tokens=1)
    assert pinned.headers["x-baseload-reason"] == "owned"
    body = {"model": "chat", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}
    pinned = gateway.post(body, **{"x-baseload-targets": "api", "x-baseload-tags": "team=search, run=42"})
    assert (pinned.headers["x-baseload-target"], pinned.headers["x-baseload-reason"]) == ("api", "pinned")
    assert gateway.post(body, **{"x-baseload-targets": "nowhere"}).status_code == 400
    assert gateway.post(body, **{"x-baseload-class": "nowhere"}).status_code == 403
