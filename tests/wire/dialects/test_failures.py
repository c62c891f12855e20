"""What a target's error means, from every format's own shape of it to the verdict on the target."""

from __future__ import annotations

import json
from typing import Any

import pytest

from baseload.policy.retry import Kind, classify
from baseload.wire.dialects.crossing import Crossing, cross
from baseload.wire.dialects.nouns import Broken, Dialect
from baseload.wire.dialects.speakers import SPEAKERS
from baseload.wire.openai import ErrorDetail

ASKED = b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}'


def crossing(target: Dialect) -> Crossing:
    """A request on its way to a target that speaks `target`."""
    source = Dialect.MESSAGES if target is Dialect.CHAT else Dialect.CHAT
    return cross(ASKED, source, target, asked="m", model=None)


def chat(message: str, **rest: Any) -> Any:
    """OpenAI's shape."""
    return {"error": {"message": message, "param": None, **rest}}


def anthropic(kind: str, message: str) -> Any:
    """Anthropic's shape."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def google(code: int, word: str, message: str, *details: Any) -> Any:
    """Google's shape."""
    return {"error": {"code": code, "status": word, "message": message, "details": list(details)}}


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}
BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
CASES: list[tuple[Dialect, int, str, Any, Kind]] = [
    (Dialect.CHAT, 429, "", chat("Slow down", code="rate_limit_exceeded"), Kind.NO_ROOM),
    (Dialect.CHAT, 429, "", chat("Pay first", code="insufficient_quota"), Kind.DEAD_CREDENTIAL),
    (Dialect.CHAT, 401, "", chat("Wrong key", code="invalid_api_key"), Kind.DEAD_CREDENTIAL),
    (Dialect.CHAT, 400, "", chat("Bad n", type="invalid_request_error"), Kind.CLIENT_MISTAKE),
    (Dialect.CHAT, 400, "", chat("Too long", code="context_length_exceeded"), Kind.CONTEXT_LENGTH),
    (Dialect.CHAT, 404, "", chat("No such model", code="model_not_found"), Kind.MODEL_MISSING),
    (Dialect.CHAT, 500, "", chat("Oops", type="server_error"), Kind.TROUBLE),
    (Dialect.MESSAGES, 529, "", anthropic("overloaded_error", "Overloaded"), Kind.NO_ROOM),
    (Dialect.MESSAGES, 429, "", anthropic("rate_limit_error", "Too many"), Kind.NO_ROOM),
    (Dialect.MESSAGES, 401, "", anthropic("authentication_error", "invalid x-api-key"), Kind.DEAD_CREDENTIAL),
    (Dialect.MESSAGES, 403, "", anthropic("permission_error", "No access"), Kind.DEAD_CREDENTIAL),
    (
        Dialect.MESSAGES,
        400,
        "",
        anthropic("invalid_request_error", "Your credit balance is too low to go on"),
        Kind.DEAD_CREDENTIAL,
    ),
    (Dialect.MESSAGES, 400, "", anthropic("invalid_request_error", "max_tokens: > 0"), Kind.CLIENT_MISTAKE),
    (
        Dialect.MESSAGES,
        400,
        "",
        anthropic("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"),
        Kind.CONTEXT_LENGTH,
    ),
    (Dialect.MESSAGES, 404, "", anthropic("not_found_error", "model: m"), Kind.MODEL_MISSING),
    (Dialect.MESSAGES, 500, "", anthropic("api_error", "Internal"), Kind.TROUBLE),
    (Dialect.GEMINI, 429, "", google(429, "RESOURCE_EXHAUSTED", "Quota", RETRY), Kind.NO_ROOM),
    (Dialect.GEMINI, 503, "", google(503, "UNAVAILABLE", "The model is overloaded"), Kind.NO_ROOM),
    (Dialect.GEMINI, 400, "", google(400, "INVALID_ARGUMENT", "Key", BAD_KEY), Kind.DEAD_CREDENTIAL),
    (Dialect.GEMINI, 401, "", google(401, "UNAUTHENTICATED", "Expired token"), Kind.DEAD_CREDENTIAL),
    (Dialect.GEMINI, 403, "", google(403, "PERMISSION_DENIED", "No"), Kind.DEAD_CREDENTIAL),
    (Dialect.GEMINI, 400, "", google(400, "INVALID_ARGUMENT", "Bad part"), Kind.CLIENT_MISTAKE),
    (
        Dialect.GEMINI,
        400,
        "",
        google(400, "INVALID_ARGUMENT", "The input exceeds the maximum number of tokens allowed"),
        Kind.CONTEXT_LENGTH,
    ),
    (Dialect.GEMINI, 404, "", google(404, "NOT_FOUND", "models/m is not found"), Kind.MODEL_MISSING),
    (Dialect.GEMINI, 500, "", google(500, "INTERNAL", "Oops"), Kind.TROUBLE),
    (Dialect.CONVERSE, 429, "ThrottlingException", {"message": "Too many"}, Kind.NO_ROOM),
    (
        Dialect.CONVERSE,
        429,
        "ThrottlingException:http://internal.amazon.com/coral/",
        {"message": "Too many"},
        Kind.NO_ROOM,
    ),
    (Dialect.CONVERSE, 400, "ServiceQuotaExceededException", {"message": "Quota"}, Kind.NO_ROOM),
    (Dialect.CONVERSE, 503, "ServiceUnavailableException", {"message": "Busy"}, Kind.NO_ROOM),
    (Dialect.CONVERSE, 403, "AccessDeniedException", {"message": "No access"}, Kind.DEAD_CREDENTIAL),
    (Dialect.CONVERSE, 403, "UnrecognizedClientException", {"message": "No token"}, Kind.DEAD_CREDENTIAL),
    (Dialect.CONVERSE, 403, "ExpiredTokenException", {"message": "Expired"}, Kind.DEAD_CREDENTIAL),
    (Dialect.CONVERSE, 403, "InvalidSignatureException", {"message": "Clock"}, Kind.DEAD_CREDENTIAL),
    (Dialect.CONVERSE, 403, "MissingAuthenticationTokenException", {"message": ""}, Kind.DEAD_CREDENTIAL),
    (Dialect.CONVERSE, 400, "ValidationException", {"message": "Bad role"}, Kind.CLIENT_MISTAKE),
    (
        Dialect.CONVERSE,
        400,
        "ValidationException",
        {"message": "Input is too long for requested model."},
        Kind.CONTEXT_LENGTH,
    ),
    (Dialect.CONVERSE, 404, "ResourceNotFoundException", {"message": "No model"}, Kind.MODEL_MISSING),
    (Dialect.CONVERSE, 500, "InternalServerException", {"message": "Oops"}, Kind.TROUBLE),
]


@pytest.mark.parametrize(("target", "status", "named", "body", "kind"), CASES)
def test_every_formats_errors_mean_the_same_things(
    target: Dialect, status: int, named: str, body: Any, kind: Kind
) -> None:
    """No room, a dead credential, a model that is not there, the client's own mistake, trouble."""
    answer = crossing(target).read_answer(json.dumps(body).encode(), status, named)
    assert answer is not None
    assert answer.tokens is None
    detail = answer.error
    assert isinstance(detail, ErrorDetail)
    assert classify(status, detail.code, detail.type, detail.message).kind is kind


def test_google_says_in_the_error_when_to_come_again() -> None:
    """RetryInfo's delay in seconds; others say it in a header, or not at all."""
    told = google(429, "RESOURCE_EXHAUSTED", "Quota", RETRY)
    answer = crossing(Dialect.GEMINI).read_answer(json.dumps(told).encode(), 429)
    assert answer is not None
    assert answer.retry_after_s == 7.0
    answer = crossing(Dialect.MESSAGES).read_answer(b'{"type":"error","error":{"type":"x"}}', 429)
    assert answer is not None
    assert answer.retry_after_s is None


@pytest.mark.parametrize("target", sorted(SPEAKERS))
def test_an_error_whose_words_are_none_is_told_all_the_same(target: Dialect) -> None:
    """A list where the type should be spoils no stream."""
    failure = SPEAKERS[Dialect.CHAT].read_failure(
        {"error": {"message": "Fell over.", "type": [None], "param": {}}}
    )
    assert (failure.kind, failure.param) == (None, None)
    writer = SPEAKERS[target].writer(model="m", usage=True)
    assert b"Fell over." in writer.write(Broken(failure))
