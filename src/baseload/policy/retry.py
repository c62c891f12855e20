"""What an upstream's answer means, whether to try again, and after how long.

Retries are bounded three times over: at most `MOST_RETRIES` a request, `WAITING_BUDGET_S` of waiting a
request, and a retry budget of 20% of the last ten seconds' requests, so that an outage is not multiplied.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import mktime_tz, parsedate_tz
from enum import StrEnum
from typing import NamedTuple

from baseload.errors import (
    UPSTREAM_CREDENTIALS,
    UPSTREAM_ERROR,
    UPSTREAM_MODEL,
    UPSTREAM_NO_ROOM,
    UPSTREAM_REJECTED,
    Fault,
)
from baseload.policy.mistranslation import refuses_a_field

MOST_RETRIES = 2
WAITING_BUDGET_S = 60.0
BUDGET_SHARE = 0.2
BUDGET_RESERVE = 3
WINDOW_S = 10
SHORTEST_BACKOFF_S = 0.1
LONGEST_BACKOFF_S = 5.0
LONGEST_RETRY_AFTER_S = 60.0


class Kind(StrEnum):
    """What an upstream's refusal or failure is (DESIGN: failure)."""

    TROUBLE = "trouble"  # the target failed
    NO_ROOM = "no_room"  # it is full and will be well again
    DEAD_CREDENTIAL = "dead_credential"  # ours is refused, expired or out of money
    MODEL_MISSING = "model_missing"  # the target does not serve the model or the path
    TRANSLATION = "translation"  # what we sent is not what it speaks
    MISTRANSLATED = "mistranslated"  # what we made of another format's request has a field it does not take
    CONTEXT_LENGTH = "context_length"  # too long for it; has its own fallback list
    CONTENT_POLICY = "content_policy"  # refused for what it says; has its own fallback list
    CLIENT_MISTAKE = "client_mistake"  # the client's own error


class Verdict(NamedTuple):
    """What to do with an upstream's error answer.

    `fault` is what the client is told once no other target serves it; None passes the upstream's answer on,
    as no other target would serve it. `ejects`: a failure in the eyes of `Health`. `alarm`: an operator must
    look.
    """

    kind: Kind
    fault: Fault | None
    ejects: bool
    alarm: bool


VERDICTS: dict[Kind, Verdict] = {
    kind: Verdict(kind, fault, ejects, alarm)
    for kind, fault, ejects, alarm in (
        (Kind.TROUBLE, UPSTREAM_ERROR, True, False),
        (Kind.NO_ROOM, UPSTREAM_NO_ROOM, False, False),
        (Kind.DEAD_CREDENTIAL, UPSTREAM_CREDENTIALS, False, True),
        (Kind.MODEL_MISSING, UPSTREAM_MODEL, True, True),
        (Kind.TRANSLATION, UPSTREAM_ERROR, True, True),
        (Kind.MISTRANSLATED, UPSTREAM_REJECTED, False, True),
        (Kind.CONTEXT_LENGTH, None, False, False),
        (Kind.CONTENT_POLICY, None, False, False),
        (Kind.CLIENT_MISTAKE, None, False, False),
    )
}

_DEAD_CODES = frozenset(
    {
        "account_deactivated",
        "billing_error",
        "billing_hard_limit_reached",
        "billing_not_active",
        "credit_balance_too_low",
        "insufficient_quota",
        "invalid_api_key",
    }
)
_DENIED_CODES = frozenset(
    {
        "accessdenied",
        "accessdeniedexception",
        "authentication_error",
        "insufficient_permissions",
        "invalid_authentication",
        "missing_scope",
        "organization_deactivated",
        "payment_required",
        "permission_denied",
        "permission_error",
        "permissiondenied",
        "permissiondeniederror",
        "unauthorized",
    }
)
"""What makes a 403 one about our credential. Any other 403 is about this request (moderation, a blocked
country): were it held against the credential, one client could take a target away from all."""

_CONTEXT_CODES = frozenset(
    {"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"}
)
_CONTENT_CODES = frozenset(
    {"content_filter", "content_policy_violation", "moderation_blocked", "responsibleaipolicyviolation"}
)
_MODEL_CODES = frozenset({"deploymentnotfound", "invalid_model", "model_not_available", "model_not_found"})
_FULL_CODES = frozenset(
    {
        "concurrency_limit_exceeded",
        "engine_overloaded",
        "overloaded",
        "overloaded_error",
        "queue_full",
        "rate_limit_error",
        "rate_limit_exceeded",
        "slow_down",
    }
)
_CONTEXT_PHRASES = (
    "maximum context length",
    "maximum model length",
    "model's context length",
    "available context size",
    "context window",
    "prompt is too long",
    "input is too long",
    "exceeds the maximum number of tokens",
    "exceed context limit",
)
"""Engines and providers that give no code for it: vLLM, SGLang, llama.cpp, Anthropic, Bedrock, Gemini."""

_CONTENT_PHRASES = (
    "content management policy",
    "content filtering policy",
    "blocked by our content filter",
    "violating our usage policy",
    "your input was flagged",
)
"""Providers whose refusals for what a prompt says have a code for any request or none: Azure, Anthropic,
Bedrock, OpenAI (`invalid_prompt`), OpenRouter."""

_NO_CREDIT = "your credit balance is too low"
"""How Anthropic's 400 begins. Matched at the beginning only: clients' own words may be quoted further on."""


def classify(
    status: int,
    code: str | int | None = None,
    type_: str | None = None,
    message: str = "",
    param: str | None = None,
    *,
    crossed: bool = False,
) -> Verdict:
    """What an error answer of an upstream means, by its status and the fields of its error object.

    `crossed`: the request was translated, so its fields are of our writing and not the client's.
    """
    if status == 404 and code in (None, 404) and param and not param.startswith("model"):
        return VERDICTS[Kind.CLIENT_MISTAKE]  # OpenAI and vLLM, of an earlier response that they did not keep
    codes, message = {str(code).lower(), str(type_).lower()}, message[:2000].lower()
    kind = _kind(status, codes, message)
    if crossed and kind is Kind.CLIENT_MISTAKE and refuses_a_field(status, codes, message):
        kind = Kind.MISTRANSLATED
    return VERDICTS[kind]


def _kind(status: int, codes: set[str], message: str) -> Kind:
    if codes & _DEAD_CODES or (status == 400 and message.startswith(_NO_CREDIT)):
        return Kind.DEAD_CREDENTIAL
    if status in (400, 403, 413, 422):
        if codes & _CONTEXT_CODES or any(phrase in message for phrase in _CONTEXT_PHRASES):
            return Kind.CONTEXT_LENGTH
        if codes & _CONTENT_CODES or any(phrase in message for phrase in _CONTENT_PHRASES):
            return Kind.CONTENT_POLICY
    if status in (401, 402) or (status == 403 and codes & _DENIED_CODES):
        return Kind.DEAD_CREDENTIAL
    if codes & _MODEL_CODES:
        return Kind.MODEL_MISSING
    if status == 404:
        # A named thing other than the model (a file, an earlier response) is the client's.
        others = any(code.endswith("_not_found") for code in codes)
        return Kind.CLIENT_MISTAKE if others else Kind.MODEL_MISSING
    if status in (429, 529) or codes & _FULL_CODES:
        return Kind.NO_ROOM
    if status >= 500 or status in (408, 409, 425):
        return Kind.TROUBLE
    if status < 400 or status in (405, 406, 411, 415, 426):
        return Kind.TRANSLATION
    return Kind.CLIENT_MISTAKE


def retry_after_s(headers: Mapping[bytes, bytes], now_unix_s: float) -> float | None:
    """How long the upstream asks to be left alone, in seconds; None where it does not say or asks nothing.

    Reads `retry-after-ms`, `x-ms-retry-after-ms` and `retry-after` (seconds or HTTP date, RFC 9110 §10.2.3),
    names in lower case. More than `LONGEST_RETRY_AFTER_S` counts as that: the target is asked again then.
    """
    for name, unit in ((b"retry-after-ms", 1e-3), (b"x-ms-retry-after-ms", 1e-3), (b"retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        wait_s = _seconds(value, unit, now_unix_s)
        if wait_s is not None and wait_s > 0.0:
            return min(wait_s, LONGEST_RETRY_AFTER_S)
    return None


def _seconds(value: bytes, unit: float, now_unix_s: float) -> float | None:
    text = value.decode("latin-1").strip()
    if text.replace(".", "", 1).isdecimal() and text.isascii() and len(text) < 20:
        return float(text) * unit
    date = parsedate_tz(text) if unit == 1.0 and len(text) < 64 else None
    return mktime_tz(date) - now_unix_s if date is not None else None


def backoff_s(retry: int, uniform: float) -> float:
    """Seconds to wait before retry number `retry` (from 0): full jitter, uniform · min(5, 0.1 · 2^retry).

    `uniform` is drawn from [0, 1). Source: the exponential backoff with full jitter of AWS's architecture
    blog, which spreads clients best.
    """
    return uniform * min(LONGEST_BACKOFF_S, SHORTEST_BACKOFF_S * 2.0 ** min(retry, 30))


class RetryBudget:
    """Retries of one model's route: at most 20% of the last ten seconds' requests, plus 3."""

    __slots__ = ("_newest_s", "_requests", "_requests_in", "_retries", "_retries_in", "_slot", "_until_s")

    def __init__(self) -> None:
        self._newest_s = -WINDOW_S
        self._slot = 0
        self._until_s = 0.0  # where the newest second ends
        self._requests = self._retries = 0
        self._requests_in = [0] * WINDOW_S
        self._retries_in = [0] * WINDOW_S

    def request(self, now_s: float) -> None:
        """Count a request of a client."""
        if now_s >= self._until_s:
            self._turn(int(now_s))
        self._requests += 1
        self._requests_in[self._slot] += 1

    def take(self, now_s: float) -> bool:
        """Count a retry if the budget has one left; False refuses it."""
        if now_s >= self._until_s:
            self._turn(int(now_s))
        if self._retries >= BUDGET_SHARE * self._requests + BUDGET_RESERVE:
            return False
        self._retries += 1
        self._retries_in[self._slot] += 1
        return True

    def _turn(self, second: int) -> None:
        """Forget the seconds that the window has left behind."""
        for passed in range(max(self._newest_s + 1, second - WINDOW_S + 1), second + 1):
            slot = passed % WINDOW_S
            self._requests -= self._requests_in[slot]
            self._retries -= self._retries_in[slot]
            self._requests_in[slot] = self._retries_in[slot] = 0
        self._newest_s, self._slot, self._until_s = second, second % WINDOW_S, second + 1.0
