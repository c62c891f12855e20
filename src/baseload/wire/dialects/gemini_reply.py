"""Google generateContent: answers, usage and errors. `gemini_stream` has the streamed ones."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from baseload.core import Apart, Tokens
from baseload.wire.dialects import annex
from baseload.wire.dialects.gemini_held import Held, put_back_as_read
from baseload.wire.dialects.gemini_parts import UNSIGNED, Ids, pack, read_parts, unsigned, write_part
from baseload.wire.dialects.nouns import (
    Call,
    Choice,
    Declined,
    Dialect,
    Failure,
    Finish,
    Json,
    Own,
    Part,
    Reply,
    Report,
)
from baseload.wire.dialects.rest import objects, spelt
from baseload.wire.metering import Grounding

_GEMINI = Dialect.GEMINI
_TIME = "%Y-%m-%dT%H:%M:%SZ"
FINISH = {
    "STOP": Finish.STOP,
    "MAX_TOKENS": Finish.LENGTH,
    "SAFETY": Finish.FILTER,
    "RECITATION": Finish.FILTER,
    "LANGUAGE": Finish.FILTER,
    "BLOCKLIST": Finish.FILTER,
    "PROHIBITED_CONTENT": Finish.FILTER,
    "SPII": Finish.FILTER,
    "MODEL_ARMOR": Finish.FILTER,
    "IMAGE_SAFETY": Finish.FILTER,
    "IMAGE_PROHIBITED_CONTENT": Finish.FILTER,
    "IMAGE_RECITATION": Finish.FILTER,
    "CONTINUATION": Finish.LENGTH,
}
"""What ends an answer; every other word (OTHER, MALFORMED_FUNCTION_CALL, …) is `Finish.OTHER`."""
_WORDS = {
    Finish.LENGTH: "MAX_TOKENS",
    Finish.CONTEXT: "MAX_TOKENS",
    Finish.FILTER: "SAFETY",
    Finish.REFUSAL: "SAFETY",
    Finish.OTHER: "OTHER",
}


_NUMBERS = ("FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER")
"""By their numbers, which Vertex AI sends with enum-encoding=int; later ones differ between the two APIs."""


def finish_of(word: object, calls: bool, kept: Json) -> Finish:
    """Why it ended; this dialect has no word of its own for stopping to call functions.

    `kept`: the annex, which says so where calls and reason differ: calls of another kind, or none awaited.
    """
    if isinstance(word, int):
        word = _NUMBERS[word] if 0 <= word < len(_NUMBERS) else "OTHER"
    finish = FINISH.get(str(word), Finish.OTHER)
    if finish is not Finish.STOP:
        return finish
    said = kept.get("finish")
    if said in (Finish.STOP, Finish.TOOL_CALLS):
        return Finish(said)
    return Finish.TOOL_CALLS if calls else Finish.STOP


def keep_finish(kept: Json | None, parts: Iterable[Part], finish: Finish | None) -> Json | None:
    """The annex, with the reason in it where the word for it would be read as another."""
    if finish is None or finish_word(finish) != "STOP":
        return kept
    called = any(isinstance(part, Call) for part in parts)
    if called is (finish is Finish.TOOL_CALLS):
        return kept
    return {**(kept or {}), "finish": (Finish.STOP if called else Finish.TOOL_CALLS).value}


def finish_word(finish: Finish | None) -> str | None:
    """`finishReason`."""
    return None if finish is None else _WORDS.get(finish, "STOP")


# -- usage --------------------------------------------------------------------------------------------------


def read_report(usage: object, grounding: Grounding) -> Report | None:
    """`usageMetadata`, with what the candidates said of their sources; None where there is none."""
    return Report(grounding.tokens(usage), Own(_GEMINI, {}, usage)) if isinstance(usage, dict) else None


def write_report(report: Report) -> Json:
    """`usageMetadata`; `cacheWriteTokenCount` is ours, for targets that count what they wrote to a cache."""
    if report.own is not None and report.own.dialect is _GEMINI:
        return report.own.spelling
    tokens = report.tokens
    usage: Json = {
        "promptTokenCount": tokens.input,
        "candidatesTokenCount": tokens.output - tokens.reasoning,
        "totalTokenCount": tokens.input + tokens.output,
    }
    optional = {
        "cachedContentTokenCount": tokens.cached_input,
        "cacheWriteTokenCount": tokens.cache_write,
        "thoughtsTokenCount": tokens.reasoning,
    }
    usage.update((name, count) for name, count in optional.items() if count)
    if tokens.apart is not None:
        usage.update(_details(tokens, tokens.apart))
    return usage


def _details(tokens: Tokens, apart: Apart) -> Json:
    """The details by modality, where there is more than text."""
    said, heard, again = tokens.output - tokens.reasoning, apart.input_audio, apart.cached_audio
    spoken, drawn = apart.output_audio, apart.output_image
    kinds = {
        "promptTokensDetails": {"TEXT": tokens.input - heard, "AUDIO": heard},
        "cacheTokensDetails": {"TEXT": tokens.cached_input - again, "AUDIO": again},
        "candidatesTokensDetails": {"TEXT": said - spoken - drawn, "AUDIO": spoken, "IMAGE": drawn},
    }
    return {
        name: [{"modality": kind, "tokenCount": count} for kind, count in counts.items() if count > 0]
        for name, counts in kinds.items()
        if any(count for kind, count in counts.items() if kind != "TEXT")
    }


# -- errors -------------------------------------------------------------------------------------------------

_KINDS = {
    "INVALID_ARGUMENT": ("invalid_request_error", None),
    "FAILED_PRECONDITION": ("invalid_request_error", None),
    "OUT_OF_RANGE": ("invalid_request_error", None),
    "UNAUTHENTICATED": ("authentication_error", "invalid_api_key"),
    "PERMISSION_DENIED": ("permission_error", "permission_denied"),
    "NOT_FOUND": ("not_found_error", "model_not_found"),
    "RESOURCE_EXHAUSTED": ("rate_limit_error", "rate_limit_exceeded"),
    "UNAVAILABLE": ("server_error", "overloaded"),
    "DEADLINE_EXCEEDED": ("server_error", "timeout"),
}
_STATUS_WORDS = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}
_RETRY = "type.googleapis.com/google.rpc.RetryInfo"
_SECONDS = re.compile(r"\d+(?:\.\d+)?s")


def read_failure(body: object) -> Failure:
    """An error body (google.rpc.Status), or the array of one that streams without alt=sse end with."""
    own = Own(_GEMINI, {}, {"body": body})
    status = body[0] if isinstance(body, list) and body else body
    error = status.get("error") if isinstance(status, dict) else None
    if not isinstance(error, dict):
        return Failure(str(error or body), own=own)
    word = error.get("status")
    kind, code = _KINDS.get(word if isinstance(word, str) else "", ("server_error", None))
    failure = Failure(str(error.get("message") or ""), kind, code, own=own)
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict):
            _read_detail(detail, failure)
    return failure


def _read_detail(detail: Json, failure: Failure) -> None:
    """What RetryInfo, ErrorInfo and BadRequest say."""
    delay = detail.get("retryDelay")
    if isinstance(delay, str) and _SECONDS.fullmatch(delay):
        failure.retry_after_s = float(delay[:-1])
    if detail.get("reason") == "API_KEY_INVALID":
        failure.kind, failure.code = "authentication_error", "invalid_api_key"
    violations = detail.get("fieldViolations")
    for violation in violations if isinstance(violations, list) else ():
        if failure.param is None and isinstance(violation, dict) and isinstance(violation.get("field"), str):
            failure.param = violation["field"]


def write_failure(failure: Failure, status: int = 500) -> Json:
    """An error body in Google's word for this HTTP status."""
    if failure.own is not None and failure.own.dialect is _GEMINI:
        body: Json = failure.own.spelling["body"]
        return body
    word = _STATUS_WORDS.get(status) or ("INVALID_ARGUMENT" if status < 500 else "INTERNAL")
    error: Json = {"code": status, "message": failure.message, "status": word}
    if failure.retry_after_s is not None:
        error["details"] = [{"@type": _RETRY, "retryDelay": f"{failure.retry_after_s:g}s"}]
    return {"error": error}


# -- whole --------------------------------------------------------------------------------------------------


def read_reply(body: Json) -> Reply:
    """A whole answer; a prompt that was blocked is one that the filter ended before it began."""
    held = Held(body, "")
    reply = Reply(held.take("responseId", str) or "", held.take("modelVersion", str) or "", [])
    candidates = held.take("candidates", list)
    ids = Ids(reply.id)
    for at, one in enumerate(candidates or ()):
        reply.choices.append(_choice(one, f"candidates[{at}]", at, ids))
    if candidates is None:
        held.spelling["candidates"] = "absent"
    if not candidates and (blocked := blocking(held.members.get("promptFeedback"))) is not None:
        reply.choices = [blocked]
    grounding = Grounding(reply.model)
    grounding.take(body.get("candidates"))
    reply.report = read_report(held.take("usageMetadata", dict), grounding)
    reply.created_s = created(held.members.get("createTime"))
    if reply.created_s is not None:
        held.spelling["created"] = held.members.pop("createTime")
    held.spelling["read"] = True
    reply.own = held.own()
    return reply


def blocking(feedback: object) -> Choice | None:
    """The choice that a blocked prompt stands for; None where nothing was blocked."""
    if not isinstance(feedback, dict) or not feedback.get("blockReason"):
        return None
    message = feedback.get("blockReasonMessage")
    parts: list[Part] = [Declined(message)] if isinstance(message, str) and message else []
    return Choice(parts, Finish.FILTER, own=Own(_GEMINI, {}, {"blocked": True}))


def created(text: object) -> int | None:
    """`createTime` as Unix time."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int(moment.timestamp()) if moment.tzinfo is not None else None


def _choice(value: object, where: str, at: int, ids: Ids) -> Choice:
    held = Held(value, where)
    choice = Choice([], None, index=at)
    kept: Json = {}
    if (inner := held.nest("content")) is not None:
        values = inner.take("parts", list)
        choice.parts, kept = read_parts(values or [], inner.path("parts"), ids)
        if values is None:
            inner.spelling["parts"] = "absent"
        if (role := inner.take("role", str)) != "model":
            inner.spelling["role"] = role
        held.leave(inner, "content")
    else:
        held.spelling["content"] = "absent"
    index = held.take("index", int)
    if index is None:
        held.spelling["index"] = "absent"
    else:
        choice.index = index
    word = held.take("finishReason", (str, int))
    if word is not None:
        choice.finish = finish_of(word, any(isinstance(part, Call) for part in choice.parts), kept)
        if finish_word(choice.finish) != word:
            held.spelling["finish"] = word
    choice.logprobs = read_logprobs(held.members.get("logprobsResult"))
    if choice.logprobs is not None:
        held.spelling["logprobs"] = held.members.pop("logprobsResult")
    held.spelling["read"] = True
    choice.own = held.own()
    return choice


def read_logprobs(result: object) -> list[Json] | None:
    """`logprobsResult` in OpenAI's form; None where it is no such thing."""
    if not isinstance(result, dict) or not isinstance(chosen := result.get("chosenCandidates"), list):
        return None
    tops = result.get("topCandidates")
    tops = tops if isinstance(tops, list) else []
    told = []
    for at, one in enumerate(chosen):
        top = tops[at].get("candidates") if at < len(tops) and isinstance(tops[at], dict) else None
        others = [_logprob(other) for other in top] if isinstance(top, list) else []
        told.append(_logprob(one) | {"top_logprobs": others})
    return told


def _logprob(value: object) -> Json:
    held = value if isinstance(value, dict) else {}
    token = str(held.get("token") or "")
    raw = list(token.encode("utf-8", "replace"))
    return {"token": token, "logprob": held.get("logProbability") or 0.0, "bytes": raw}


def write_logprobs(logprobs: list[Json]) -> Json:
    """`logprobsResult`."""
    others = [objects(one.get("top_logprobs")) or [] for one in logprobs]
    tops = [{"candidates": [_candidate(one) for one in top]} for top in others]
    result: Json = {"chosenCandidates": [_candidate(one) for one in logprobs]}
    if any(others):
        result["topCandidates"] = tops
    return result


def _candidate(one: Json) -> Json:
    return {"token": one.get("token"), "logProbability": one.get("logprob")}


def write_reply(reply: Reply) -> Json:
    """A whole answer as a body."""
    own = reply.own
    body: Json = {}
    if spelt(own, _GEMINI, "candidates") != "absent":
        blocked = [spelt(choice.own, _GEMINI, "blocked") for choice in reply.choices]
        told = zip(reply.choices, blocked, strict=True)
        body["candidates"] = [_write_choice(reply, choice) for choice, is_blocked in told if not is_blocked]
    if reply.report is not None:
        body["usageMetadata"] = write_report(reply.report)
    if reply.model:
        body["modelVersion"] = reply.model
    if reply.id:
        body["responseId"] = reply.id
    if (word := spelt(own, _GEMINI, "created") or time_word(reply.created_s)) is not None:
        body["createTime"] = word
    return put_back_as_read(body, own)


def time_word(created_s: int | None) -> str | None:
    """Unix time as `createTime`; None for none, and for one that is on no calendar."""
    try:
        return None if created_s is None else datetime.fromtimestamp(created_s, UTC).strftime(_TIME)
    except (ValueError, OverflowError, OSError):
        return None


def _write_choice(reply: Reply, choice: Choice) -> Json:
    own = choice.own
    value: Json = {}
    parts = [one for part in choice.parts if (one := write_part(part, {})) is not None]
    call = next((part for part in choice.parts if isinstance(part, Call)), None)
    if call is not None and unsigned(call):  # the client sends it back, perhaps to Google
        next(one for one in parts if "functionCall" in one)["thoughtSignature"] = UNSIGNED
    kept = annex.for_reply(reply, choice, _GEMINI)
    if (kept := keep_finish(kept, choice.parts, choice.finish)) is not None:
        parts.append({"text": "", "thoughtSignature": pack(kept)})
    spelling = spelt(own, _GEMINI, "content") or {}
    if spelling != "absent":
        content: Json = {"parts": parts} if spelling.get("parts") != "absent" else {}
        if (role := spelling.get("role", "model")) is not None:
            content["role"] = role
        value["content"] = content
    word = spelt(own, _GEMINI, "finish") or finish_word(choice.finish)
    if word is not None:
        value["finishReason"] = word
    if spelt(own, _GEMINI, "index") != "absent":
        value["index"] = choice.index
    if choice.logprobs is not None:
        value["logprobsResult"] = spelt(own, _GEMINI, "logprobs") or write_logprobs(choice.logprobs)
    return put_back_as_read(value, own)
