"""Every error baseload raises or answers with, as data: code, status, source, what to do next.

    BaseloadError
    ├── UsageError            the command or its arguments are wrong                 (exit 2)
    ├── EnvironmentProblem    a file, port, package or service is missing            (exit 3)
    ├── ConfigError           baseload.yaml: file, line, key, nearest valid name     (exit 2)
    ├── DataError             a trace, price list or table cannot be read            (exit 2)
    ├── UnknownName           a model, GPU or provider the catalog does not hold     (exit 2)
    └── RequestError          what a client of the data port is told (one per `Fault`)

A `Fault` is a row of the table below; docs/errors.md is compared with it by a test.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Source(StrEnum):
    """Whose fault an error is."""

    CLIENT = "client"
    GATEWAY = "gateway"
    UPSTREAM = "upstream"


class BaseloadError(Exception):
    """Root of the tree. `exit_code` is what a command ends with; `hint` says what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UsageError(BaseloadError):
    """The command line or a call's arguments are wrong."""

    exit_code = 2


class EnvironmentProblem(BaseloadError):
    """Something outside is missing: a file, a free port, a package, a service, room on the disk."""

    exit_code = 3


class DataError(BaseloadError):
    """A trace, price list or measurement file cannot be read as what it claims to be."""

    exit_code = 2


class UnknownName(BaseloadError):
    """A name that the catalog does not hold; says the nearest ones."""

    exit_code = 2

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown {kind} {name!r}", hint=_nearest_of(name, list(known)))
        self.kind, self.name = kind, name


class ConfigError(BaseloadError):
    """baseload.yaml is refused. `line` counts from 1; `key` is the dotted path."""

    exit_code = 2

    def __init__(self, file: str, line: int, key: str, message: str, *, hint: str = "") -> None:
        where = f"{file}:{line}" if line else file
        super().__init__(f"{where}: {key}: {message}" if key else f"{where}: {message}", hint=hint)
        self.file, self.line, self.key, self.reason = file, line, key, message


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, or None when none is close."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def _nearest_of(name: str, known: list[str]) -> str:
    """The known name that is meant, or the three least unlike it where none is close."""
    if near := nearest(name, known):
        return f"did you mean {near!r}?"
    least = difflib.get_close_matches(name, known, n=3, cutoff=0.0)
    return f"the nearest names are {', '.join(least)}" if least else ""


def number_hint(value: object) -> str:
    """What to write for a number that YAML 1.1 reads as text (`1e9` has no dot); "" for other text."""
    try:
        number = float(value) if isinstance(value, str) else None
    except ValueError:
        return ""
    if number is None or not math.isfinite(number):
        return ""
    mantissa, _, power = f"{number:e}".partition("e")
    dotted = f"{float(mantissa)}e{int(power):+d}"
    return f"YAML reads {value} as text: write {number:.15g} or {dotted}"


class Fault(NamedTuple):
    """One kind of error answer of the data port. `type` is OpenAI's error type."""

    code: str
    status: int
    type: str
    source: Source
    retryable: bool
    next: str


class RequestError(BaseloadError):
    """What a client of the data port is told; carries its `Fault` and, where known, when to come back."""

    def __init__(
        self,
        fault: Fault,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, hint=fault.next)
        self.fault = fault
        self.param = param
        self.retry_after_s = retry_after_s


def _fault(code: str, status: int, type_: str, source: Source, retryable: bool, next_: str) -> Fault:
    fault = Fault(code, status, type_, source, retryable, next_)
    FAULTS[code] = fault
    return fault


FAULTS: dict[str, Fault] = {}
_C, _G, _U = Source.CLIENT, Source.GATEWAY, Source.UPSTREAM
_BAD, _AUTH, _PERM, _RATE, _API = (
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "rate_limit_error",
    "api_error",
)

# HTTP itself (docs/http.md holds the cases)
BAD_REQUEST_SYNTAX = _fault("bad_http", 400, _BAD, _C, False, "send HTTP/1.1 as RFC 9112 says")
HEADERS_TOO_LARGE = _fault("headers_too_large", 431, _BAD, _C, False, "send at most 100 headers, 32 KiB")
TARGET_TOO_LONG = _fault("uri_too_long", 414, _BAD, _C, False, "send a request target of at most 8 KiB")
BODY_TOO_LARGE = _fault("body_too_large", 413, _BAD, _C, False, "send at most 32 MiB")
UNSUPPORTED_ENCODING = _fault("unsupported_encoding", 415, _BAD, _C, False, "send the body uncompressed")
NOT_IMPLEMENTED = _fault(
    "not_implemented", 501, _BAD, _C, False, "use GET, HEAD or POST; chunked, or no coding"
)
HTTP_VERSION = _fault("http_version", 505, _BAD, _C, False, "use HTTP/1.1 or HTTP/1.0")
EXPECTATION_FAILED = _fault("expectation_failed", 417, _BAD, _C, False, "only 100-continue is understood")
REQUEST_TIMEOUT = _fault("request_timeout", 408, _BAD, _C, True, "send the request faster")
METHOD_NOT_ALLOWED = _fault("method_not_allowed", 405, _BAD, _C, False, "see the Allow header")
NOT_FOUND = _fault("not_found", 404, _BAD, _C, False, "see the paths named in the message")

# The request
INVALID_JSON = _fault("invalid_json", 400, _BAD, _C, False, "send one JSON object")
DUPLICATE_KEY = _fault("duplicate_key", 400, _BAD, _C, False, "send each key once")
INVALID_FIELD = _fault("invalid_field", 400, _BAD, _C, False, "correct the field named in param")
UNSUPPORTED_PARAMETER = _fault(
    "unsupported_parameter", 400, _BAD, _C, False, "leave out the field named in param, or ask another model"
)
STORED_NOT_FOUND = _fault(
    "stored_not_found", 404, _BAD, _C, False, "send the whole conversation, or an id that this key was given"
)
MODEL_NOT_FOUND = _fault("model_not_found", 404, _BAD, _C, False, "GET /v1/models lists the models")
CONTEXT_TOO_LONG = _fault("context_length_exceeded", 400, _BAD, _C, False, "shorten the prompt or the answer")
CONTENT_REFUSED = _fault(
    "content_policy", 400, _BAD, _C, False, "change the prompt, or ask a model that answers it"
)

# Who may
MISSING_KEY = _fault("missing_api_key", 401, _AUTH, _C, False, "send Authorization: Bearer KEY")
INVALID_KEY = _fault("invalid_api_key", 401, _AUTH, _C, False, "use a key of `baseload keys create`")
MODEL_NOT_ALLOWED = _fault("model_not_allowed", 403, _PERM, _C, False, "ask the operator for this model")
RESIDENCY = _fault("residency", 403, _PERM, _C, False, "no target may process data of this class")

# Not now
RATE_LIMITED = _fault("rate_limit_exceeded", 429, _RATE, _C, True, "wait as Retry-After says")
TOO_LARGE_FOR_LIMIT = _fault(
    "request_too_large", 429, _RATE, _C, False, "the request alone exceeds the limit"
)
CONCURRENCY_LIMITED = _fault("concurrency_limit_exceeded", 429, _RATE, _C, True, "wait for an answer first")
NO_TARGET = _fault(
    "no_target_available", 503, _API, _G, True, "every target is down; wait as Retry-After says"
)
OVERLOADED = _fault("overloaded", 503, _API, _G, True, "wait as Retry-After says")
DRAINING = _fault("draining", 503, _API, _G, True, "this gateway is stopping; connect again")
JOURNAL_FULL = _fault("journal_unavailable", 503, _API, _G, True, "the gateway's disk is full or broken")

# Upstream
UPSTREAM_CONNECT = _fault("upstream_connect", 502, _API, _U, True, "the target could not be reached")
UPSTREAM_BROKEN = _fault("upstream_broken", 502, _API, _U, True, "the target broke off or spoke bad HTTP")
UPSTREAM_ERROR = _fault("upstream_error", 502, _API, _U, True, "the target answered with an error")
UPSTREAM_REJECTED = _fault(
    "upstream_rejected", 400, _BAD, _C, False, "correct the request as the target says"
)
UPSTREAM_NO_ROOM = _fault("upstream_no_room", 429, _RATE, _U, True, "wait as Retry-After says")
UPSTREAM_CREDENTIALS = _fault(
    "upstream_credentials", 502, _API, _U, False, "the operator's credential is refused"
)
UPSTREAM_MODEL = _fault("upstream_model", 502, _API, _U, False, "the target does not serve this model")
TIMEOUT_CONNECT = _fault("timeout_connect", 504, _API, _U, True, "the target did not accept in time")
TIMEOUT_FIRST_TOKEN = _fault("timeout_first_token", 504, _API, _U, True, "no first token in time")
TIMEOUT_IDLE = _fault("timeout_idle", 504, _API, _U, True, "the stream stalled")
TIMEOUT_TOTAL = _fault("timeout_total", 504, _API, _U, False, "the answer took longer than allowed")
INTERNAL = _fault(
    "internal", 500, _API, _G, True, "a defect of the gateway; it is logged with the request id"
)
