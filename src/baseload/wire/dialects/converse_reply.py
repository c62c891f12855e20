"""Amazon Bedrock Converse: whole answers, usage and errors."""

from __future__ import annotations

from typing import NamedTuple

from baseload.core import Tokens
from baseload.wire import metering
from baseload.wire.dialects import annex
from baseload.wire.dialects.converse_blocks import Names, read_blocks, write_blocks
from baseload.wire.dialects.nouns import (
    Call,
    Choice,
    Dialect,
    Failure,
    Finish,
    Json,
    Own,
    Reply,
    Report,
)
from baseload.wire.dialects.rest import Rest, put_back, spelt

_CONVERSE = Dialect.CONVERSE
FINISH = {
    "end_turn": Finish.STOP,
    "stop_sequence": Finish.STOP_SEQUENCE,
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.CONTEXT,
    "tool_use": Finish.TOOL_CALLS,
    "guardrail_intervened": Finish.FILTER,
    "content_filtered": Finish.FILTER,
    "malformed_model_output": Finish.OTHER,
    "malformed_tool_use": Finish.OTHER,
}
FINISH_WORDS = {finish: word for word, finish in FINISH.items()} | {
    Finish.REFUSAL: "content_filtered",
    Finish.PAUSE: "end_turn",
    Finish.OTHER: "end_turn",
}
_REASONING = "reasoningTokens"
_COUNTED = ("inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", "cacheWriteInputTokens")


# -- usage --------------------------------------------------------------------------------------------------


def read_report(usage: object, answer: Json) -> Report | None:
    """`usage`, with what the answer, or a stream's metadata, says besides. None where there is none."""
    if not isinstance(usage, dict):
        return None
    kept = usage.get(annex.MEMBER)
    thought = kept.get(_REASONING) if isinstance(kept, dict) else None
    reasoning = thought if isinstance(thought, int) and thought >= 0 else 0
    return Report(metering.converse(usage, answer, reasoning), Own(_CONVERSE, {}, usage))


def write_report(report: Report) -> Json:
    """`usage`."""
    if report.own is not None and report.own.dialect is _CONVERSE:
        return report.own.spelling
    tokens = report.tokens
    input_tokens = tokens.input - tokens.cached_input - tokens.cache_write
    counts = (
        input_tokens,
        tokens.output,
        tokens.input + tokens.output,
        tokens.cached_input,
        tokens.cache_write,
    )
    usage: Json = dict(zip(_COUNTED, counts, strict=True))
    if tokens.apart is not None and (hour := tokens.apart.cache_write_1h):
        ttls = {"1h": hour, "5m": tokens.cache_write - hour}
        usage["cacheDetails"] = [{"ttl": ttl, "inputTokens": count} for ttl, count in ttls.items() if count]
    if tokens.reasoning:
        usage[annex.MEMBER] = {_REASONING: tokens.reasoning}  # AWS counts it as output and nowhere else
    return usage


# -- errors -------------------------------------------------------------------------------------------------


class _Named(NamedTuple):
    """An exception of the service in OpenAI's terms."""

    kind: str
    code: str


_BAD, _API = "invalid_request_error", "api_error"
_EXCEPTIONS = {
    "ValidationException": _Named(_BAD, _BAD),
    "AccessDeniedException": _Named("permission_error", "permission_denied"),
    "UnrecognizedClientException": _Named("authentication_error", "invalid_api_key"),
    "ExpiredTokenException": _Named("authentication_error", "invalid_api_key"),
    "InvalidSignatureException": _Named("authentication_error", "invalid_api_key"),
    "MissingAuthenticationTokenException": _Named("authentication_error", "invalid_api_key"),
    "ResourceNotFoundException": _Named(_BAD, "model_not_found"),
    "ThrottlingException": _Named("rate_limit_error", "rate_limit_exceeded"),
    "ServiceQuotaExceededException": _Named("rate_limit_error", "rate_limit_exceeded"),
    "ModelNotReadyException": _Named("rate_limit_error", "overloaded"),
    "ModelTimeoutException": _Named(_API, "timeout"),
    "ModelErrorException": _Named(_API, "server_error"),
    "ModelStreamErrorException": _Named(_API, "server_error"),
    "InternalServerException": _Named(_API, "server_error"),
    "ServiceUnavailableException": _Named(_API, "overloaded"),
}
_STATUS_NAMES = {
    401: "UnrecognizedClientException",
    402: "AccessDeniedException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
    529: "ServiceUnavailableException",
}
_TOO_LONG = ("input is too long", "prompt is too long", "maximum context length")


def error_type(status: int) -> str:
    """What AWS calls an error of this status, as the header beside its body names it."""
    return _STATUS_NAMES.get(status) or ("ValidationException" if status < 500 else "InternalServerException")


def read_failure(body: Json, name: str = "") -> Failure:
    """An error body; `name` is what the header beside it says, where known, else `__type` is asked."""
    message = body.get("message") or body.get("Message") or ""
    called = str(name or body.get("__type") or "").partition(":")[0].rpartition("#")[2]
    kind, code = openai_terms(called, str(message))
    return Failure(str(message or body), kind, code, own=Own(_CONVERSE, {}, {"body": body}))


def openai_terms(name: str, message: str) -> tuple[str | None, str | None]:
    """Kind and code; None for both where the exception is not known."""
    if any(words in message.lower() for words in _TOO_LONG):
        return _BAD, "context_length_exceeded"
    known = _EXCEPTIONS.get(name)
    return (None, None) if known is None else known


def write_failure(failure: Failure, status: int = 500) -> Json:
    """An error body; its type follows the status where the error came from another dialect."""
    held = spelt(failure.own, _CONVERSE, "body")
    if isinstance(held, dict):
        return held
    return {"__type": error_type(status), "message": failure.message}


# -- whole --------------------------------------------------------------------------------------------------


def read_reply(body: Json) -> Reply:
    """A whole answer. Its id and model stand outside of the body, so both are "" unless it was translated."""
    rest = Rest(body, _CONVERSE, "")
    output = Rest(rest.need("output", dict), _CONVERSE, "output")
    message = Rest(output.need("message", dict), _CONVERSE, "output.message")
    parts = read_blocks(message.need("content", list), "output.message.content", answer=True)
    message.members.pop("role", None)
    kept = message.members.pop(annex.MEMBER, None)
    choice = Choice(annex.restore(parts, kept), None)
    word = rest.take("stopReason", str)
    if word is not None:
        called = any(isinstance(part, Call) for part in choice.parts)
        choice.finish = FINISH.get(word, Finish.OTHER).with_calls(called)
        if FINISH_WORDS[choice.finish] != word:
            rest.spelling["stopReason"] = word
    rest.spelling["metrics"] = rest.members.pop("metrics", None)
    rest.spelling["output"] = output.members
    report = read_report(body.get("usage"), body)
    if report is not None:
        del rest.members["usage"]
    choice.own = message.own()
    name, model = identity(kept)
    return Reply(name, model, [choice], report, own=rest.own())


def identity(kept: object) -> tuple[str, str]:
    """Id and model of an answer that came from another dialect."""
    if not isinstance(kept, dict):
        return "", ""
    name, model = kept.get("id"), kept.get("model")
    return name if isinstance(name, str) else "", model if isinstance(model, str) else ""


def with_identity(kept: Json | None, name: str, model: str) -> Json | None:
    if not name and not model:
        return kept
    return {**(kept or {}), "id": name, "model": model}


def write_reply(reply: Reply) -> Json:
    """A whole answer as a body; this dialect knows one choice. A latency that nobody told is told as 0."""
    choice = reply.choices[0] if reply.choices else Choice([], None)
    own = reply.own
    message: Json = {"role": "assistant", "content": write_blocks(choice.parts, Names(answer=True))}
    kept = with_identity(annex.for_reply(reply, choice, _CONVERSE), reply.id, reply.model)
    if kept is not None:
        message[annex.MEMBER] = kept
    put_back(message, choice.own, _CONVERSE)
    body: Json = {"output": {"message": message, **(spelt(own, _CONVERSE, "output") or {})}}
    if choice.finish is not None:
        body["stopReason"] = spelt(own, _CONVERSE, "stopReason") or FINISH_WORDS[choice.finish]
    ours = own is not None and own.dialect is _CONVERSE
    if reply.report is not None or not ours:
        body["usage"] = write_report(reply.report or Report(Tokens()))
    metrics = spelt(own, _CONVERSE, "metrics")
    if metrics is not None or not ours:
        body["metrics"] = metrics if metrics is not None else {"latencyMs": 0}
    return put_back(body, own, _CONVERSE)
