"""What the journal records: plain structs, small enough to build and encode within a request's budget.

A record is encoded as a MessagePack array, its kind first. Fields are only ever added at the end of a struct
and with a default, which raises the minor version: a reader then accepts older segments as they are.
Structs are grouped by how long their values live, since a struct that is kept costs a request nothing: a
`Caller` lives as long as its key, `Versions` as long as a snapshot, a `Call` as long as its request.
They are also small because msgspec's constructor takes time quadratic in the number of keywords.

Enums are held as their plain strings (`Side.OWNED.value`). `None` is unknown or not applicable, never 0.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from baseload.core import Tokens

MAJOR, MINOR = 1, 1
"""Version of these structs; another major cannot be read, a newer minor neither."""


class Caller(Struct, array_like=True, frozen=True, gc=False):
    """Who asked: built once per key. `key_id` is the key's public part, empty in open mode."""

    tenant: str
    key_id: str
    data_class: str


class Versions(Struct, array_like=True, frozen=True, gc=False):
    """The configuration and the price list a decision was made with: built once per snapshot."""

    config: str
    prices: str


class Call(Struct, array_like=True, frozen=True, gc=False):
    """What was asked, the same for every attempt of a request; the token counts are estimates."""

    model: str
    endpoint: str  # "chat.completions", "completions", "embeddings"
    stream: bool
    input_estimate: int
    output_estimate: int
    tags: dict[str, str] | None = None


class Chosen(Struct, array_like=True, frozen=True, gc=False):
    """The target and why: the three terms of its dispatch price and what it was predicted to do."""

    target: str
    side: str  # core.Side
    reason: str  # core.Reason
    money_nano: int = 0
    congestion_nano: int = 0
    quality_nano: int = 0
    predicted_ttft_ms: float | None = None
    predicted_tpot_ms: float | None = None


class Begin(Struct, array_like=True, tag=1, gc=False):
    """An attempt is about to be sent; in the journal before its first byte leaves.

    `attempt` counts from 1. `reserved_nano` is the most it may cost (None: price unknown): what it is charged
    if nobody ever learns how it ended.
    """

    request_id: str
    attempt: int
    at_ns: int
    caller: Caller
    call: Call
    chosen: Chosen
    versions: Versions
    reserved_nano: int | None = None


class Bill(Struct, array_like=True, frozen=True, gc=False):
    """What an attempt cost, in nano-dollars.

    `cost_nano` is marginal: 0 on an owned target, None where the price is unknown. The counterfactual is what
    the same tokens would have cost at the named target on the other side. `room_ns` is the replica-time an
    owned attempt used (`capacity.predict.room_ns`), by which the hour's price is shared out.
    """

    cost_nano: int | None
    counterfactual_nano: int | None = None
    counterfactual_target: str | None = None
    room_ns: int = 0


class End(Struct, array_like=True, tag=2, gc=False):
    """An attempt is over; in the journal before the last byte goes to the client. Exactly one per `Begin`.

    `ttft_ns` runs from the attempt's begin to its first content; None if there was none.
    """

    request_id: str
    attempt: int
    at_ns: int
    outcome: str  # core.Outcome
    status: int
    duration_ns: int
    usage: Tokens
    bill: Bill
    ttft_ns: int | None = None
    error_code: str | None = None  # code of an errors.Fault
    upstream_request_id: str | None = None


class Refusal(Struct, array_like=True, tag=3, gc=False):
    """A request that got no attempt: told `code` (of an `errors.Fault`) instead.

    Tenant, key and model are empty where the request was refused before they were known.
    """

    request_id: str
    at_ns: int
    tenant: str
    key_id: str
    model: str
    code: str
    status: int
    source: str  # errors.Source


class Fleet(Struct, array_like=True, tag=4, gc=False):
    """Which owned targets are paid for, and their price per hour, from `at_ns` on.

    Written at start, at every reload, once an hour, and with `stopping` at a clean stop: hours are charged by
    what these records testify (see `hours.paid`).
    """

    at_ns: int
    version: str
    owned: tuple[tuple[str, int], ...]  # (target, nano-dollars per hour)
    stopping: bool = False


Record = Begin | End | Refusal | Fleet

encode = msgspec.msgpack.Encoder().encode
"""A record as the payload of a frame."""

decode = msgspec.msgpack.Decoder(Record).decode
"""The record in a payload; raises msgspec.DecodeError or ValidationError for what is none."""
