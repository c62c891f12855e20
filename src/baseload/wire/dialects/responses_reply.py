"""OpenAI responses: whole answers, usage and errors."""

from __future__ import annotations

import time

from baseload.wire import metering
from baseload.wire.dialects import annex, chat_reply
from baseload.wire.dialects.nouns import (
    Call,
    Choice,
    Dialect,
    Finish,
    Foreign,
    Json,
    Own,
    Part,
    Reply,
    Report,
    Text,
)
from baseload.wire.dialects.responses_items import read_item, write_items
from baseload.wire.dialects.rest import Rest, objects, put_back, spelt

_RESPONSES = Dialect.RESPONSES
_REASONS = {
    Finish.LENGTH: "max_output_tokens",
    Finish.CONTEXT: "max_output_tokens",
    Finish.FILTER: "content_filter",
    Finish.REFUSAL: "content_filter",
}

read_failure = chat_reply.read_failure
write_failure = chat_reply.write_failure


def read_report(usage: object, answer: Json) -> Report | None:
    """`usage`, with what the whole answer says of tier and tools; None where there is none."""
    if not isinstance(usage, dict):
        return None
    return Report(metering.responses(usage, answer), Own(_RESPONSES, {}, usage))


def write_report(report: Report) -> Json:
    """`usage`."""
    if report.own is not None and report.own.dialect is _RESPONSES:
        return report.own.spelling
    tokens = report.tokens
    return {
        "input_tokens": tokens.input,
        "input_tokens_details": {
            "cached_tokens": tokens.cached_input,
            "cache_write_tokens": tokens.cache_write,
        },
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.input + tokens.output,
    }


def read_reply(body: Json) -> Reply:
    """A whole answer. Raises RequestError for what is none."""
    rest = Rest(body, _RESPONSES, "")
    parts: list[Part] = []
    for at, item in enumerate(rest.need("output", list)):
        parts += read_item(item, f"output[{at}]")
    choice = Choice(parts, _finish(rest, parts), logprobs=_logprobs(parts))
    kept = rest.members.pop(annex.MEMBER, None)
    if isinstance(kept, dict) and kept.get("finish") in frozenset(Finish):
        choice.finish = Finish(kept["finish"])
        choice.stop = stop if isinstance(stop := kept.get("stop"), str) else None
    report = read_report(body.get("usage"), body)
    if report is not None:
        del rest.members["usage"]
    said = [choice] if parts or choice.finish is not None else []
    reply = Reply(rest.take("id", str) or "", rest.take("model", str) or "", said, report)
    created = rest.number("created_at")
    if created is not None:
        reply.created_s = int(created)
        if created != reply.created_s or isinstance(created, float):
            rest.spelling["created_at"] = created
    rest.members.pop("object", None)
    reply.own = rest.own()
    return reply


def _finish(rest: Rest, parts: list[Part]) -> Finish | None:
    """Why it ended; `status` and `incomplete_details` stay with what this dialect alone says."""
    status = rest.members.get("status", "completed")
    for name in _ENDING:
        if name in rest.members:
            rest.spelling[name] = rest.members.pop(name)
    details = rest.spelling.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    if status in ("queued", "in_progress"):
        return None
    if status == "incomplete":
        return Finish.FILTER if reason == "content_filter" else Finish.LENGTH
    if status in ("failed", "cancelled"):
        return Finish.OTHER
    return Finish.TOOL_CALLS if any(asks_client(part) for part in parts) else Finish.STOP


_ENDING = ("status", "incomplete_details")


def ending_read(own: Own) -> Json:
    """`status` and `incomplete_details` as they were read."""
    return {name: own.spelling[name] for name in _ENDING if name in own.spelling}


def asks_client(part: Part) -> bool:
    """Whether the client has to answer it."""
    return isinstance(part, Call) or (isinstance(part, Foreign) and part.what in _ASKING)


_ASKING = frozenset({"custom_tool_call", "local_shell_call", "computer_call", "apply_patch_call"})


def _logprobs(parts: list[Part]) -> list[Json] | None:
    """Those of all texts; each text keeps its own in the spelling, an empty list too."""
    said: list[Json] = []
    for part in parts:
        if isinstance(part, Text) and part.own is not None and part.own.dialect is _RESPONSES:
            held = objects(part.own.members.get("logprobs"))
            if held is not None:
                part.own.spelling["logprobs"] = part.own.members.pop("logprobs")
                said += held
    return said or None


def ending(finish: Finish | None, *, asks: bool) -> tuple[Json, Finish | None]:
    """(`status` and `incomplete_details`, the finish that is read from them)."""
    if finish is None:
        return {"status": "in_progress", "incomplete_details": None}, None
    if (reason := _REASONS.get(finish)) is not None:
        read = Finish.FILTER if reason == "content_filter" else Finish.LENGTH
        return {"status": "incomplete", "incomplete_details": {"reason": reason}}, read
    done = Finish.TOOL_CALLS if asks else Finish.STOP
    return {"status": "completed", "incomplete_details": None}, done


def blank(reply_id: str, model: str, created_s: int | None) -> Json:
    """An answer that has said nothing yet, with all members that this dialect requires.

    `usage` and `user` are not among them: OpenAI's schema takes no null there.
    """
    return {
        "id": reply_id,
        "object": "response",
        "created_at": created_s if created_s is not None else int(time.time()),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
    }


def write_reply(reply: Reply) -> Json:
    """A whole answer as a body; this dialect knows one choice."""
    choice = reply.choices[0] if reply.choices else Choice([], None)
    own = reply.own
    body: Json
    if own is not None and own.dialect is _RESPONSES:
        created = spelt(own, _RESPONSES, "created_at") or reply.created_s
        body = {"id": reply.id, "object": "response", "created_at": created, "model": reply.model}
        body |= ending_read(own)
    else:
        body = blank(reply.id, reply.model, reply.created_s)
        body |= told_ending(choice, asks=any(asks_client(part) for part in choice.parts))
        rest = annex.for_reply(reply, Choice([], None, own=choice.own), _RESPONSES)
        if rest is not None:
            body[annex.MEMBER] = {**body.get(annex.MEMBER, {}), **rest}
    body["output"] = write_items(choice.parts, reply.id)
    if choice.logprobs is not None:
        _put_logprobs(body["output"], choice.logprobs)
    if reply.report is not None:
        body["usage"] = write_report(reply.report)
    return put_back(body, own, _RESPONSES)


def told_ending(choice: Choice, *, asks: bool) -> Json:
    """How a choice of another dialect ended, exactly in the annex where this one knows no word for it."""
    body, read = ending(choice.finish, asks=asks)
    if choice.finish is not None and read is not choice.finish:
        body[annex.MEMBER] = {"finish": choice.finish.value}
        if choice.stop is not None:
            body[annex.MEMBER]["stop"] = choice.stop
    return body


def _put_logprobs(items: list[Json], logprobs: list[Json]) -> None:
    """Another dialect's log probabilities, which are of all its text, at the first text."""
    for item in items:
        for part in item["content"] if item.get("type") == "message" else ():
            if part.get("type") == "output_text":
                if not part.get("logprobs"):
                    part["logprobs"] = logprobs
                return
