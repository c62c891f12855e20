"""Whether a request may be answered from what is kept, and what "the same request" is: pure decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

import msgspec
from msgspec import Raw, Struct

from baseload.core import DataClass, Model, Target, Tenant
from baseload.policy.residency import may_process

UNANSWERED = {"chat.completions": frozenset({"metadata", "prompt_cache_key", "prompt_cache_retention"})}
"""By endpoint: members of a request that no answer depends on, nor repeats."""


class Caching(Struct, frozen=True, gc=False):
    """What a caller's head entitles to at one model: found out once for as long as both stand.

    `reads`: a kept answer will do, if it is younger than `most_age_s`. `keeps`: the answer may be kept, for
    `ttl_s`.
    """

    ttl_s: float
    most_age_s: float
    reads: bool
    keeps: bool


class Directives(Struct, frozen=True, gc=False):
    """What `cache-control` of a request asks for (RFC 9111 section 5.2.1)."""

    no_store: bool = False
    no_cache: bool = False
    max_age_s: float | None = None


def directives(value: bytes) -> Directives:
    """The directives of a header's value; those that do not concern us are ignored.

    An age that is no number is read as 0, the side on which a stale answer is not taken for a fresh one
    (section 4.2.1).
    """
    no_store = no_cache = False
    max_age_s: float | None = None
    for part in value.decode("latin-1").lower().split(","):
        name, _, argument = part.partition("=")
        name, argument = name.strip(), argument.strip().strip('"')
        if name == "no-store":
            no_store = True
        elif name == "no-cache":
            no_cache = True
        elif name == "max-age":
            digits = argument.isascii() and argument.isdecimal()
            age_s = float(argument[:12]) if digits else 0.0
            max_age_s = age_s if max_age_s is None else min(age_s, max_age_s)
    return Directives(no_store, no_cache, max_age_s)


def caching_of(model: Model, tenant: Tenant, headers: Mapping[bytes, bytes]) -> Caching | None:
    """What holds for such a request; None where its model keeps no answers or its tenant did not opt in."""
    ttl_s = model.cache_ttl_s
    if ttl_s is None or not tenant.cache:
        return None
    asked = directives(headers.get(b"cache-control", b""))
    most_age_s = ttl_s if asked.max_age_s is None else min(ttl_s, asked.max_age_s)
    reads = not (asked.no_store or asked.no_cache or most_age_s <= 0)
    return Caching(ttl_s, most_age_s, reads, not asked.no_store)


class Scope(Struct, frozen=True, array_like=True, gc=False):
    """Whose request it is and what narrows it, what it asks for and in which form the answer comes."""

    tenant: str
    data_class: str
    model: str
    only: tuple[str, ...] | None
    path: bytes
    passed: bytes  # header lines that go on to a target
    stream: bool


def request_key(
    secret: bytes, scope: Scope, members: Iterable[tuple[str, Raw]], unanswered: frozenset[str]
) -> bytes:
    """What this request's answer is kept under: a keyed hash (BLAKE2b), so that nothing of it can be guessed.

    The order of the body's members does not matter, and those of `unanswered` are left out; all else is
    compared byte by byte.
    """
    asked = sorted((name, bytes(value)) for name, value in members if name not in unanswered)
    return blake2b(msgspec.msgpack.encode((scope, asked)), digest_size=32, key=secret).digest()


def maker_of(secret: bytes, target: Target) -> bytes:
    """What a target is, as far as an answer depends on it; its price and credential are not part of that."""
    facts = (
        target.name,
        target.url,
        target.model,
        target.format,
        target.region,
        target.zero_retention,
        target.drop_unsupported,
        target.responses,
        target.headers,
        target.api_version,
    )
    return blake2b(msgspec.msgpack.encode(facts), digest_size=32, key=secret).digest()


def may_answer(model: Model, data_class: DataClass, only: frozenset[str] | None, target: Target) -> bool:
    """Whether an answer of this target may be given to such a request: what dispatch would ask of it now."""
    return (
        (only is None or target.name in only)
        and any(one.name == target.name for one in model.targets)
        and may_process(data_class, target)
    )
