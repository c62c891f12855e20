"""Recorded exchanges through a running gateway: each call made, its answer held to what must come."""

from __future__ import annotations

import http.client
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from baseload.core import Format
from baseload.policy.retry import classify
from baseload.wire.dialects.gemini_parts import INVENTED
from baseload.wire.dialects.nouns import Call, Dialect
from baseload.wire.dialects.nouns import Reply as Answer
from baseload.wire.dialects.paths import suffix
from baseload.wire.openai import is_error
from baseload.wire.sse import event_data
from tests.gateway.recorded_cases import (
    TARGETS,
    Case,
    asked,
    counted,
    meant,
    meant_by_target,
    told,
)
from tests.gateway.replaying import Cuts, Replaying
from tests.gateway.running import RunningGateway
from tests.gateway.threaded import Reply, read_reply
from tests.wire.dialects.meaning import of_reply

PRICE = {"input": "3.00", "output": "15.00"}
SMALL = 3000
"""Bytes of a body that is also sent byte by byte."""


def fleet(url: str, of: Iterable[Case]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration's targets and models: each recorded model at a target of each format, at `url`."""
    targets: dict[str, Any] = {}
    models: dict[str, Any] = {}
    for name in sorted({case.model for case in of}):
        served = []
        for format_ in TARGETS.values():
            section = {"provider": "other", "key": "k", "price": PRICE}
            target = {"metered": section, "url": url, "model": name, "region": "us", "format": format_.value}
            served.append(target_name(name, format_))
            targets[served[-1]] = target
        models[asked(name)] = {"metered": served, "slo": {"ttft": "30s", "tpot": "1s"}}
    return targets, models


def target_name(model: str, format_: Format) -> str:
    """The target of this format that serves the model."""
    return f"{format_.value}-{re.sub('[^a-z0-9]+', '-', model.lower())}-{zlib.crc32(model.encode()):x}"


@dataclass(frozen=True)
class Outcome:
    """What became of a call: `kind` is whole, refused, error, broken or lost; `why` says which or how."""

    case: Case
    cuts: Cuts
    kind: str
    why: str = ""
    request_id: str = ""


def run(gateway: RunningGateway, target: Replaying, of: Iterable[Case]) -> Iterator[Outcome]:
    """Make every call, with every way of cutting its answer."""
    for case in of:
        if case.refused is not None:
            yield _refused(gateway, target, case)
            continue
        for cuts in cuts_of(case):
            yield _one(gateway, target, case, cuts)


def cuts_of(case: Case) -> list[Cuts]:
    """How its answer is cut: errors once, whole answers twice, streams in all ways."""
    if case.said.status != 200:
        return [Cuts.LENGTH]
    if not case.stream:
        return [Cuts.LENGTH, Cuts.HALVES]
    small = [Cuts.BYTES] if len(case.said.body) <= SMALL else []
    return [Cuts.EVENTS, Cuts.HALVES, Cuts.ONE, *small]


def _call(gateway: RunningGateway, case: Case) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
    try:
        headers = {
            **gateway.headers,
            "content-type": "application/json",
            "x-baseload-targets": target_name(case.model, case.format),
        }
        connection.request("POST", case.path, case.request, headers)
        return read_reply(connection)
    finally:
        connection.close()


def _refused(gateway: RunningGateway, target: Replaying, case: Case) -> Outcome:
    before = len(target.calls)
    reply = _call(gateway, case)
    error = reply.json.get("error", {})
    code, param = error.get("code"), error.get("param")
    if case.client is Dialect.GEMINI:
        info, *violations = error["details"]
        code, param = info["metadata"]["code"], violations[0]["fieldViolations"][0]["field"]
    said = (reply.status, code, param, len(target.calls) - before)
    if said == (400, "unsupported_parameter", case.refused, 0):
        return Outcome(case, Cuts.LENGTH, "refused", str(case.refused))
    return Outcome(case, Cuts.LENGTH, "lost", f"not refused as {case.refused}: {said}")


def _one(gateway: RunningGateway, target: Replaying, case: Case, cuts: Cuts) -> Outcome:
    target.said, target.cuts = case.said, cuts
    before = len(target.calls)
    reply = _call(gateway, case)
    sent = target.calls[before:]
    request_id = reply.headers.get("x-request-id", "")
    if case.crossing is not None:
        case.crossing.request_id = request_id
    if not sent and reply.status in {400: (400,), 429: (429, 503)}.get(case.said.status, ()):
        # what the provider refused is refused here already, or it still has no room since the call before
        return Outcome(case, cuts, "error", "", request_id)
    wrong = _request_wrong(case, sent[0].path, sent[0].body) if sent else "nothing was sent"
    if wrong:
        return Outcome(case, cuts, "lost", wrong, request_id)
    if case.said.status != 200:
        kind, wrong = "error", _error_wrong(case, reply)
    elif case.stream and not _ends_well(case):
        kind, wrong = "broken", _broken_wrong(case, reply)
    else:
        kind, wrong = "whole", _answer_wrong(case, reply)
    return Outcome(case, cuts, "lost" if wrong else kind, wrong, request_id)


def _request_wrong(case: Case, path: str, body: bytes) -> str:
    """What is wrong with what the target was sent; empty where nothing is."""
    if case.crossing is not None:
        asked = case.crossing.suffix().decode()
        same = path == asked and body == case.crossing.body
        return "" if same else f"sent {path} {body[:300]!r}"
    sent, wanted = msgspec.json.decode(body), msgspec.json.decode(case.request)
    if case.client is Dialect.CHAT and case.stream and not _wants_usage(case):
        options = sent.get("stream_options") or {}
        if options.pop("include_usage", None) is not True:
            return "usage was not asked for"
        if not options:
            del sent["stream_options"]
            if not wanted.get("stream_options"):
                wanted.pop("stream_options", None)
    if case.client is Dialect.GEMINI:
        good = body == case.request
    else:
        good = sent == wanted | {"model": case.model}
    if not good or path != suffix(case.client, case.model, stream=case.stream).decode():
        return f"sent {path} {body[:300]!r}"
    return ""


def _wants_usage(case: Case) -> bool:
    options = msgspec.json.decode(case.request).get("stream_options") or {}
    return bool(options.get("include_usage"))


_CREATED = re.compile(rb'"created":\d+')


def _answer_wrong(case: Case, reply: Reply) -> str:
    """What is wrong with a whole answer or a whole stream; empty where nothing is."""
    if reply.status != 200 or not reply.whole:
        return f"answered {reply.status}: {reply.body[-300:]!r}"
    if case.crossing is None:
        wanted, got = _passed(case), reply.body
    else:  # where no time is said it is ours
        wanted, got = (_CREATED.sub(b'"created":0', body) for body in (told(case), reply.body))
    if got != wanted:
        at = next(
            (at for at, (a, b) in enumerate(zip(got, wanted, strict=False)) if a != b),
            min(len(got), len(wanted)),
        )
        return (
            f"at byte {at} of {len(wanted)}: {got[at - 40 : at + 80]!r} is not {wanted[at - 40 : at + 80]!r}"
        )
    if case.crossing is None and not wanted.strip():
        return "nothing was said"
    ours, theirs = meant(case.client, reply.body, stream=case.stream), meant_by_target(case)
    ours.model, theirs.id = theirs.model, theirs.id or ours.id
    _same_inventions(ours, theirs)
    if case.stream and case.client is Dialect.CHAT and not _wants_usage(case):
        ours.report = theirs.report = None
    crossed = None if case.crossing is None else case.client
    got_meaning, meaning = of_reply(ours, crossed), of_reply(theirs, crossed)
    if got_meaning != meaning:
        return f"{got_meaning} does not mean {meaning}"
    return ""


def _same_inventions(ours: Answer, theirs: Answer) -> None:
    """Ids of calls that Google did not give are invented anew by each who reads them, and mean nothing."""
    for mine, other in zip(ours.choices, theirs.choices, strict=False):
        calls = ([part for part in choice.parts if isinstance(part, Call)] for choice in (mine, other))
        for one, same in zip(*calls, strict=False):
            if one.id.startswith(INVENTED) and same.id.startswith(INVENTED):
                one.id = same.id


def _passed(case: Case) -> bytes:
    """The target's bytes, without the usage that only the gateway asked for."""
    if case.client is Dialect.GEMINI:
        return case.said.body
    if not case.stream:
        named, asked_for = (b'"model":' + msgspec.json.encode(name) for name in (case.model, case.asked))
        return case.said.body.replace(named, asked_for, 1)
    if case.client is not Dialect.CHAT or _wants_usage(case):
        return case.said.body
    return b"".join(piece for piece in case.said.pieces if not _is_usage(piece))


def _is_usage(event: bytes) -> bool:
    data = event_data(event)
    if not data.startswith(b"{"):
        return False
    value = msgspec.json.decode(data)
    return bool(value.get("usage")) and value.get("choices") == []


def _ends_well(case: Case) -> bool:
    """Whether a recorded stream says that it is complete, and no error."""
    body = case.said.body
    if case.target is Dialect.CHAT:
        payloads = [event_data(piece) for piece in case.said.pieces]
        return payloads[-1:] == [b"[DONE]"] and not any(is_error(data) for data in payloads)
    if case.target is Dialect.MESSAGES:
        return b'"message_stop"' in body and b"event: error" not in body
    if case.target is Dialect.CONVERSE:
        return b"messageStop" in body and b":exception-type" not in body
    ended = b'"finishReason"' in body or b'"blockReason"' in body
    return ended and b'data: {"error"' not in body


def _broken_wrong(case: Case, reply: Reply) -> str:
    """A stream that breaks off: what came before is passed on, then an error, and no end that looks whole."""
    if reply.status != 200:
        return "" if reply.status >= 400 and b'"error"' in reply.body else f"answered {reply.status}"
    if b"[DONE]" in reply.body or b'"message_stop"' in reply.body or b'"error"' not in reply.body:
        return f"ends with {reply.body[-300:]!r}"
    if case.crossing is None:
        before = reply.body[: reply.body.rfind(b"\n\n", 0, -2) + 2].removesuffix(b"event: error\n")
        if not case.said.body.startswith(before[: before.rfind(b"\n\n") + 2]):
            return f"does not begin as it came: {before[:200]!r}"
    return ""


def _error_wrong(case: Case, reply: Reply) -> str:
    """An error: passed on as it is where the request was at fault, else told as our own."""
    said, format_error = case.said, case.crossing
    named = dict(said.headers).get("x-amzn-errortype", "")
    if format_error is not None:
        read = format_error.read_answer(said.body, said.status, named)
        detail = None if read is None else read.error
    else:
        value = msgspec.json.decode(said.body)
        detail = value.get("error", value) if isinstance(value, dict) else None
    code, kind, message = (
        detail.get(name) if isinstance(detail, dict) else getattr(detail, name, None)
        for name in ("code", "type", "message")
    )
    verdict = classify(said.status, code, kind, message or "")
    if verdict.fault is not None:
        wanted = verdict.fault.status
        good = reply.status == wanted and verdict.fault.code in reply.body.decode()
        return "" if good else f"answered {reply.status} {reply.body[:300]!r}, not {verdict.fault.code}"
    body = said.body if format_error is None else format_error.failure(said.body, said.status, named)
    good = (reply.status, reply.body) == (said.status, body)
    return "" if good else f"answered {reply.status} {reply.body[:300]!r}"


def miscounted(gateway: RunningGateway, outcomes: Iterable[Outcome]) -> list[str]:
    """Whole answers whose tokens in the ledger are not those that were recorded; the gateway has stopped."""
    rows = {row["request_id"]: row for row in gateway.rows()}
    wrong = []
    for outcome in outcomes:
        usage = counted(outcome.case) if outcome.kind == "whole" else None
        if usage is None:
            continue
        row = rows[outcome.request_id]
        got = (row["input_tokens"], row["output_tokens"])
        if got != usage or row["estimated"] or row["outcome"] != "completed":
            wrong.append(f"{outcome.case} {outcome.cuts}: {got}, recorded {usage}, {row['outcome']}")
    return wrong
