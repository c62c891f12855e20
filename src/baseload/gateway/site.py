"""What requests run on: a snapshot of the configuration, made ready for the data path.

Everything that is the same for many requests is built once here: request heads, limits' gates, the parts of
ledger records, the target whose price is the counterfactual. A request keeps its site from start to end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from baseload.config import DEFAULT_TENANT
from baseload.config.headers import FORMAT_HEADERS
from baseload.core import AwsLogin, DataClass, Format, Model, Side, Slo, Snapshot, Target, Tenant
from baseload.gateway.login import Call, KeyHeader, Login, Logins
from baseload.gateway.metrics import TargetCounts
from baseload.keys import Key
from baseload.ledger.record import Caller as CallerRecord
from baseload.ledger.record import Fleet, Versions
from baseload.policy.dispatch import Route
from baseload.policy.estimate import TokenEstimate
from baseload.policy.fallback import Fallbacks
from baseload.policy.limits import Gate, Limiter, Party
from baseload.policy.load import TargetLoad
from baseload.policy.retry import RetryBudget
from baseload.wire import anthropic, responses
from baseload.wire.dialects.crossing import Crossing
from baseload.wire.dialects.nouns import Dialect
from baseload.wire.dialects.returned import THOUGHTLESS
from baseload.wire.forms import FORMS, Form
from baseload.wire.openai import RequestFields, read_request

if TYPE_CHECKING:
    from baseload.gateway.upstream import Pool

MAX_GATES = 65_536
"""Prepared gates kept; when there are more keys than that the cache starts afresh."""


class Endpoint(Struct, frozen=True):
    """A path of the data port that reaches models; `suffix` follows a target's base URL.

    `generates`: whether it makes output tokens. Requests for a target of another format than `format` are
    translated, from and to `dialect`; None where no other format has its like. `passes`: the client's header
    fields that go on to a target of the same format, each with what is sent in its absence. `free`: its
    answers cost nothing and count no tokens. `teaches`: its whole answers teach how many tokens to expect.
    `stores`: its provider may keep the answer under its id. `by_path`: its calls name their model in the path
    (`gateway.google`).
    """

    name: str
    suffix: bytes
    format: Format = Format.OPENAI
    dialect: Dialect | None = None
    generates: bool = True
    free: bool = False
    teaches: bool = True
    passes: tuple[tuple[bytes, bytes], ...] = ()
    stores: bool = False
    by_path: bool = False
    read: Callable[[bytes], RequestFields] = read_request

    @property
    def form(self) -> Form:
        """How answers of this path are read and errors told."""
        return FORMS[self.format]


_ANTHROPICS = ((b"anthropic-version", anthropic.VERSION), (b"anthropic-beta", b""))

_RESPONSES = Endpoint(
    "responses", b"/responses", Format.RESPONSES, Dialect.RESPONSES, stores=True, read=responses.read_request
)

ENDPOINTS: dict[bytes, Endpoint] = {
    b"/v1/chat/completions": Endpoint("chat.completions", b"/chat/completions", dialect=Dialect.CHAT),
    b"/v1/completions": Endpoint("completions", b"/completions"),
    b"/v1/embeddings": Endpoint("embeddings", b"/embeddings", generates=False),
    b"/v1/responses": _RESPONSES,
    b"/v1/responses/compact": replace(
        _RESPONSES, name="responses.compact", suffix=b"/responses/compact", dialect=None
    ),
    b"/v1/responses/input_tokens": replace(
        _RESPONSES,
        name="responses.input_tokens",
        suffix=b"/responses/input_tokens",
        dialect=None,
        generates=False,
        free=True,
        teaches=False,
    ),
    b"/v1/messages": Endpoint(
        "messages",
        b"/messages",
        Format.ANTHROPIC,
        Dialect.MESSAGES,
        passes=_ANTHROPICS,
    ),
    b"/v1/messages/count_tokens": Endpoint(
        "messages.count_tokens",
        b"/messages/count_tokens",
        Format.ANTHROPIC,
        generates=False,
        free=True,
        teaches=False,
        passes=_ANTHROPICS,
    ),
}


_KEY_HEADERS = {header.value.partition(b":")[0].decode(): header for header in KeyHeader}
"""How a lasting key is written in each header it can go in."""
_ALWAYS = {Format.ANTHROPIC: b"anthropic-version: %b\r\n" % anthropic.VERSION}
"""Header lines that every translated call to a target of this format carries."""


def passed_on(endpoint: Endpoint, fields: Mapping[bytes, bytes]) -> bytes:
    """The header lines of a client's request that go on to a target of the same format."""
    lines = b""
    for name, absent in endpoint.passes:
        value = fields.get(name) or absent
        if value:
            lines += b"%b: %b\r\n" % (name, value)
    return lines


class Place:
    """One target in use: its connections, its live load, and the request heads it is sent."""

    __slots__ = (
        "_common",
        "_heads",
        "_query",
        "_signed_in",
        "counts",
        "format",
        "load",
        "login",
        "name",
        "owned",
        "pool",
        "side",
        "slo",
        "target",
        "thoughtless",
    )

    def __init__(
        self, target: Target, pool: Pool, load: TargetLoad, counts: TargetCounts, logins: Logins
    ) -> None:
        self.target = target
        self.counts = counts
        self.name = target.name.encode()
        self.side = target.side.value
        self.owned = target.side is Side.OWNED
        self.slo: Slo | None = None  # the strictest of the models it serves
        self.pool = pool
        self.load = load
        self.format = target.format
        self.thoughtless = target.format is Format.OPENAI and target.provider in THOUGHTLESS
        """Whether it refuses reasoning in the history of chats."""
        login = logins.of(target, _KEY_HEADERS[target.key_header or FORMAT_HEADERS[target.format]])
        self.login: Login | None = login if target.login is not None else None
        """What signs each call; None where a constant line does."""
        nothing = Call("POST", "", "", b"")
        constant = login.header_lines(nothing, 0.0) if target.login is None and target.credential else b""
        own = b"".join(b"%b: %b\r\n" % (name.encode(), value.encode()) for name, value in target.headers)
        self._signed_in = b"host: %b\r\n%b%buser-agent: baseload\r\n" % (pool.authority, constant, own)
        self._common = (
            b"host: %b\r\n%b%bcontent-type: application/json\r\n"
            b"accept: application/json, text/event-stream, application/vnd.amazon.eventstream\r\n"
            b"user-agent: baseload\r\nx-request-id: " % (pool.authority, constant, own)
        )
        self._query = b"api-version=%b" % target.api_version.encode() if target.api_version else b""
        self._heads = {
            endpoint.name: self._line(endpoint.suffix) + self._common
            for endpoint in ENDPOINTS.values()
            if self.serves(endpoint)
        }

    def serves(self, endpoint: Endpoint) -> bool:
        """Whether the target takes this endpoint's requests as they are."""
        if endpoint.format is self.format:
            return True
        return endpoint.format is Format.RESPONSES and self.target.responses

    def _line(self, suffix: bytes) -> bytes:
        return b"POST %b HTTP/1.1\r\n" % self._path(suffix)

    def _path(self, suffix: bytes) -> bytes:
        """The call's path and query."""
        path = self.pool.base_path + suffix
        return path + (b"&" if b"?" in suffix else b"?") + self._query if self._query else path

    def request_head(
        self, endpoint: Endpoint, request_id: str, number: int, body: bytes, more: bytes = b""
    ) -> bytes:
        """The head of an attempt; the target may log its id, which names its row in the ledger.

        `more` are further header lines. Raises RequestError (upstream_credentials).
        """
        if self.login is not None:
            more += self._signed(endpoint.suffix, body)
        return b"%b%b.%d\r\n%bcontent-length: %d\r\n\r\n" % (
            self._heads.get(endpoint.name) or self._line(endpoint.suffix) + self._common,
            request_id.encode(),
            number,
            more,
            len(body),
        )

    def crossing_head(self, crossing: Crossing, request_id: str, number: int) -> bytes:
        """As `request_head`, of a request that was translated."""
        suffix, body = crossing.suffix(), crossing.body
        more = _ALWAYS.get(self.format, b"") + crossing.passed()
        if self.login is not None:
            more += self._signed(suffix, body)
        return b"%b%b%b.%d\r\n%bcontent-length: %d\r\n\r\n" % (
            self._line(suffix),
            self._common,
            request_id.encode(),
            number,
            more,
            len(body),
        )

    def passed_head(self, method: bytes, suffix: bytes, lines: bytes, body: bytes) -> bytes:
        """The head of a request that passes through; `lines` are its other header lines.

        `body` is what is signed where the login signs bodies (`signs_bodies`). Raises RequestError
        (upstream_credentials).
        """
        if self.login is not None:
            lines += self._signed(suffix, body, method.decode())
        first = b"%b %b HTTP/1.1\r\n" % (method, self._path(suffix))
        return b"%b%b%b\r\n" % (first, self._signed_in, lines)

    @property
    def signs_bodies(self) -> bool:
        """Whether a call is signed with its body, which then must be here whole before any of it goes out."""
        return isinstance(self.target.login, AwsLogin)

    def _signed(self, suffix: bytes, body: bytes, method: str = "POST") -> bytes:
        assert self.login is not None
        path = self._path(suffix).decode()
        return self.login.header_lines(
            Call(method, path, self.pool.authority.decode(), body), time.monotonic()
        )


class ModelPlace:
    """A model clients may ask for: its targets prepared for dispatch, and what its traffic taught."""

    __slots__ = (
        "estimate",
        "fallbacks",
        "metered_reference",
        "model",
        "owned_reference",
        "retry_budget",
        "route",
    )

    def __init__(self, model: Model, loads: Mapping[str, TargetLoad], estimate: TokenEstimate) -> None:
        self.model = model
        self.fallbacks = Fallbacks(model, loads) if model.fallback is not None else None
        """Its fallback lists; None without any."""
        self.route = self.fallbacks.own if self.fallbacks is not None else Route(model, loads)
        self.estimate = estimate
        self.retry_budget = RetryBudget()
        owned = [t for t in model.targets if t.side is Side.OWNED and t.usd_nano_per_hour is not None]
        priced = [(t.price.input + t.price.output, t) for t in model.targets if t.price is not None]
        self.owned_reference = next((t for t in owned if t.step is not None), None)
        """The owned target whose hour a metered answer is compared with."""
        self.metered_reference = min(priced, key=lambda pair: pair[0])[1] if priced else None
        """The metered target whose price an owned answer is compared with."""


class Caller(Struct, frozen=True):
    """Who asks: a key's tenant and the rights that follow from it. Built once per key and site."""

    tenant: Tenant
    data_class: DataClass
    key: Key | None
    record: CallerRecord


class Site:
    """A snapshot in use."""

    def __init__(
        self,
        snapshot: Snapshot,
        places: dict[str, Place],
        models: dict[str, ModelPlace],
        groups: dict[str, ModelPlace],
        limiter: Limiter,
        prices_version: str,
    ) -> None:
        self.snapshot = snapshot
        self.places = places
        self.models = models
        self.groups = groups
        """What serves paths that pass through, by group, where a request names no model of `models`."""
        self.mixed = len({target.format for target in snapshot.targets.values()}) > 1
        """Whether targets speak several formats: clients may send to one of them what another answered."""
        for model in snapshot.models.values():
            for target in model.targets:
                place = places[target.name]
                if place.slo is None or model.slo.ttft_s < place.slo.ttft_s:
                    place.slo = model.slo
        self.versions = Versions(snapshot.version, prices_version)
        self.rights = object()
        """Another object whenever what a caller may do has changed."""
        self._limiter = limiter
        self._callers: dict[str, Caller] = {}
        self._verified: dict[bytes, Caller] = {}
        self._gates: dict[tuple[str, str, str], Gate] = {}

    def caller(self, key: Key | None, tenant: str) -> Caller | None:
        """The rights of a key (None: an open gateway's client); None where its tenant is not configured."""
        name = key.id if key is not None else ""
        caller = self._callers.get(name)
        if caller is None or caller.key is not key:
            found = self.snapshot.tenants.get(tenant)
            if found is None:
                return None
            record = CallerRecord(found.name, name, found.data_class.name)
            caller = self._callers[name] = Caller(found, found.data_class, key, record)
        return caller

    def anyone(self) -> Caller:
        """The caller without a key, where the configuration says `open: true`."""
        caller = self.caller(None, DEFAULT_TENANT)
        assert caller is not None
        return caller

    def verified(self, credential: bytes) -> Caller | None:
        """Whom this very credential was verified for before, since the keys last changed.

        Nothing is learned from how long the look-up takes: bytes are compared only where a 64-bit hash under
        a secret of this process (SipHash) is the same.
        """
        return self._verified.get(credential)

    def remember(self, credential: bytes, caller: Caller) -> None:
        """The key store verified this credential."""
        if len(self._verified) >= MAX_GATES:
            self._verified.clear()
        self._verified[credential] = caller

    def gate(self, caller: Caller, model: Model) -> Gate:
        """The limits of key, tenant and model together."""
        key_id = caller.record.key_id
        name = (key_id, caller.tenant.name, model.name)
        gate = self._gates.get(name)
        if gate is None:
            if len(self._gates) >= MAX_GATES:
                self._gates.clear()
            parties = [Party("tenant", caller.tenant.name, caller.tenant.limits)]
            parties.append(Party("model", model.name, model.limits))
            if caller.key is not None:
                parties.append(Party("key", key_id, caller.key.limits))
            gate = self._gates[name] = self._limiter.gate(parties, time.monotonic())
        return gate

    def forget_callers(self) -> None:
        """Keys changed: their rights and limits are looked up anew."""
        self.rights = object()
        self._callers.clear()
        self._verified.clear()
        self._gates.clear()

    def fleet(self, *, stopping: bool = False) -> Fleet:
        """The owned targets that are paid for, as the ledger records them."""
        owned = tuple(
            (t.name, t.usd_nano_per_hour)
            for t in self.snapshot.targets.values()
            if t.side is Side.OWNED and t.usd_nano_per_hour is not None
        )
        return Fleet(time.time_ns(), self.snapshot.version, owned, stopping)
