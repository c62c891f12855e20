"""The nouns that everything else speaks: frozen types without I/O.

Units: money is `int` nano-dollars (1e-9 USD); token prices are nano-dollars per million tokens; names end
in `_s` or `_ns` where they hold a time. `None` means unknown or unlimited, as each docstring says; never 0.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

UNPLACED = frozenset({"any", "cross-region", "global", "multi-region", "unknown", "worldwide"})
"""Words for regions that name no place: never admissible for a class that asks for regions, and no class may
list them."""

AZURE_AUTHORITY = "https://login.microsoftonline.com"
AZURE_SCOPE = "https://cognitiveservices.azure.com/.default"
GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class Side(StrEnum):
    """How serving is paid: by the hour (owned) or by the token (metered)."""

    OWNED = "owned"
    METERED = "metered"


class Format(StrEnum):
    """The format that a target speaks, or a path of the data port."""

    OPENAI = "openai"
    RESPONSES = "responses"  # OpenAI's responses alone
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"  # Gemini API and Vertex AI
    BEDROCK = "bedrock"  # Converse
    ANTHROPIC_VERTEX = "anthropic-vertex"  # Claude on Vertex AI: Anthropic's within Google's calls


class Reason(StrEnum):
    """Why a target was chosen; sent to the client as `x-baseload-reason`."""

    OWNED = "owned"  # lowest dispatch price, on an owned replica
    METERED = "metered"  # lowest dispatch price, and no owned replica was admissible by rule
    SPILL = "spill"  # metered, since every admissible owned replica was dearer at that moment
    FALLBACK = "fallback"  # another attempt failed, or the model's own targets cannot serve it
    PINNED = "pinned"  # the request narrowed its targets to this one
    CACHED = "cached"  # no attempt was made: the answer that this target gave before is given again


class Outcome(StrEnum):
    """How an attempt ended."""

    COMPLETED = "completed"
    CLIENT_GONE = "client_gone"  # the client went away; upstream was cancelled
    FAILED = "failed"  # failed before the commit point: nothing reached the client
    CUT = "cut"  # failed after the commit point: the client holds a part
    REJECTED = "rejected"  # the target's own refusal (4xx) was passed on
    UNKNOWN = "unknown"  # begun, never ended: the writer died


class Apart(Struct, array_like=True, frozen=True, gc=False):
    """What an attempt used that has a price of its own; most attempts use none of it.

    `cache_write_1h` is in `Tokens.cache_write`, `input_audio` in `input`, `cached_audio` in `cached_input`
    and in `input_audio`, `output_audio` and `output_image` in `output`. `searches` are web searches, charged
    each. `tier` is the service tier that is priced apart ("" is the standard one). `unpriced`: the target
    reported something that may cost money and that we do not know: no cost is known.
    The journal holds them as this array: fields are added at the end.
    """

    cache_write_1h: int = 0
    input_audio: int = 0
    output_audio: int = 0
    cached_audio: int = 0
    output_image: int = 0
    searches: int = 0
    tier: str = ""
    unpriced: bool = False


class Tokens(Struct, array_like=True, frozen=True, gc=False):
    """Token counts of an attempt; `cached_input` and `cache_write` are in `input`, `reasoning` in `output`.

    `estimated`: counted by us and not by the target. `apart`: what of it has a price of its own; None where
    nothing has. The journal holds them as this array: fields are added at the end.
    """

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    estimated: bool = False
    apart: Apart | None = None


class LongContext(Struct, frozen=True, gc=False):
    """Prices that hold for the whole request once its input exceeds `above` tokens.

    None where the provider names no such price: cached tokens are then charged as this input, written ones
    as this input or as the short request's `cache_write`, whichever is dearer; so are tokens written for an
    hour and audio, with the short request's own prices.
    """

    above: int
    input: int
    output: int
    cached_input: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None


class TokenPrice(Struct, frozen=True):
    """A price per token of a metered target, in nano-dollars per million tokens, with where it comes from.

    `cached_input` and `cache_write` are None where the provider names no such price: those tokens are then
    charged as input. What can be dearer than input has no such stand-in: without `cache_write_1h`,
    `input_audio`, `output_audio`, `output_image`, `searches` (per million) or the tier's own price the cost
    of an attempt with any of these is unknown. `cached_audio` None: as `input_audio`. `source` and `as_of`
    (ISO date) are shown wherever the price is.
    """

    input: int
    output: int
    cached_input: int | None = None
    cache_write: int | None = None
    long_context: LongContext | None = None
    source: str = ""
    as_of: str = ""
    cache_write_1h: int | None = None
    input_audio: int | None = None
    output_audio: int | None = None
    cached_audio: int | None = None
    output_image: int | None = None
    searches: int | None = None
    tiers: dict[str, TokenPrice] | None = None


class UnitPrice(Struct, frozen=True, gc=False):
    """What a metered target charges for what is not counted in tokens, in nano-dollars each.

    `request` is charged for every request besides the rest. `input_image` is per million tokens of images
    read. None is unknown.
    """

    request: int | None = None
    image: int | None = None
    second: int | None = None
    character: int | None = None
    search: int | None = None
    input_image: int | None = None


class StepTime(Struct, frozen=True):
    """How long one step of a replica's engine takes, in seconds: what a prediction needs and no more.

    decode step with `n` running sequences holding `k` KV tokens together:
        `base_s + n * per_sequence_s + k * per_kv_token_s`
    prefill of `m` uncached tokens adds `m * per_prefill_token_s`.
    `kv_tokens` is the KV cache's room in tokens, `max_sequences` the engine's admission limit.
    `error` is the relative half-width of the 80% interval; `source` says measured, fitted or physical.
    """

    base_s: float
    per_sequence_s: float
    per_kv_token_s: float
    per_prefill_token_s: float
    kv_tokens: int
    max_sequences: int
    error: float = 0.0
    source: str = ""


class Slo(Struct, frozen=True, gc=False):
    """The promise per model: time to first token and mean time per output token after it."""

    ttft_s: float = 2.0
    tpot_s: float = 0.1


class Limits(Struct, frozen=True, gc=False):
    """Admission limits of a key, tenant or model, and a metered target's quota; None is unlimited."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None


class DataClass(Struct, frozen=True):
    """Where a request's data may be processed. `regions` None means anywhere; it never bends."""

    name: str
    regions: frozenset[str] | None = None
    zero_retention: bool = False


class Timeouts(Struct, frozen=True, gc=False):
    """Deadlines of one attempt, in seconds; each has its own error code."""

    connect_s: float = 5.0
    ttft_s: float = 60.0
    idle_s: float = 30.0
    total_s: float = 900.0


class EntraLogin(Struct, frozen=True):
    """Client credentials of Microsoft Entra: `secret`, or the PEM file `certificate` with its private key."""

    tenant: str
    client: str
    secret: str = ""
    certificate: str = ""
    authority: str = AZURE_AUTHORITY
    scope: str = AZURE_SCOPE

    def __repr__(self) -> str:
        return f"EntraLogin({self.tenant!r}, {self.client!r})"


class GoogleLogin(Struct, frozen=True):
    """A service account by the JSON text of its key file; "" for what the environment names.

    `token_url` "" is the one that the key names.
    """

    service_account: str = ""
    scope: str = GOOGLE_SCOPE
    token_url: str = ""

    def __repr__(self) -> str:
        return f"GoogleLogin({'a service account' if self.service_account else 'the environment'})"


class AwsLogin(Struct, frozen=True):
    """Keys that sign for a region, by themselves or to assume `role`; `access_key` "" for the environment's.

    `sts_url` "" is the region's own endpoint.
    """

    region: str
    access_key: str = ""
    secret_key: str = ""
    session_token: str = ""
    role: str = ""
    external_id: str = ""
    sts_url: str = ""
    service: str = "bedrock"

    def __repr__(self) -> str:
        return f"AwsLogin({self.region!r}, {self.access_key or 'the environment'!r}, {self.role!r})"


LoginSettings = EntraLogin | GoogleLogin | AwsLogin
"""How a metered target is signed in to where one lasting key does not do; `repr` leaves every secret out."""


class Target(Struct, frozen=True):
    """One place that serves a model: an owned replica, or a provider's model behind one credential.

    `model` is the name the upstream knows; None passes the client's own name on. `region` None is unknown.
    `drop_unsupported`: what its `format` cannot carry is left out of a request instead of refused.
    `responses`: besides chat completions it serves OpenAI's responses itself.
    Owned: `usd_nano_per_hour`, `step`. Metered: `price` (None: unknown, alarms), `unit_price` of what passes
    through, `quota`.
    `credential` is a lasting key, a secret: never logged (`repr` leaves it out), in the header `key_header`
    ("": its format's). `login` stands in its place where the target is signed in to otherwise. `headers` go
    with every call, their values as secret; `api_version` is Azure's query parameter.
    """

    name: str
    side: Side
    url: str
    model: str | None = None
    region: str | None = None
    zero_retention: bool = False
    format: Format = Format.OPENAI
    drop_unsupported: bool = False
    responses: bool = False
    engine: str | None = None
    provider: str | None = None
    usd_nano_per_hour: int | None = None
    price: TokenPrice | None = None
    step: StepTime | None = None
    context_tokens: int | None = None
    quota: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    ca_file: str | None = None
    credential: str = ""
    key_header: str = ""
    login: LoginSettings | None = None
    unit_price: UnitPrice = UnitPrice()
    headers: tuple[tuple[str, str], ...] = ()
    api_version: str = ""

    def __repr__(self) -> str:
        return f"Target({self.name!r}, {self.side.value}, {self.url!r})"


class Model(Struct, frozen=True):
    """The name a client asks for and the targets that serve it, in the order written.

    Its answers are kept for `cache_ttl_s`; None keeps none.
    """

    name: str
    targets: tuple[Target, ...]
    slo: Slo = Slo()
    limits: Limits = Limits()
    price_cap: int | None = (
        None  # reference of congestion where no metered target is admissible, nano-dollars
    )
    fallback: Fallback | None = None
    cache_ttl_s: float | None = None


class Fallback(Struct, frozen=True):
    """Where requests for a model go when its own targets do not do, by the cause: lists in order.

    An entry is a `Model` without fallback lists of its own: another one with its targets, or a single target
    under its own name.
    """

    context_length: tuple[Model, ...] = ()
    content_policy: tuple[Model, ...] = ()
    error: tuple[Model, ...] = ()

    @property
    def targets(self) -> tuple[Target, ...]:
        """Every target that a list leads to, once."""
        lists = (*self.context_length, *self.content_policy, *self.error)
        return tuple({target.name: target for entry in lists for target in entry.targets}.values())


class Tenant(Struct, frozen=True):
    """Who pays: class of data, limits, and the models it may ask for (None: all).

    `cache`: the tenant lets its answers be kept in memory.
    """

    name: str
    data_class: DataClass
    limits: Limits = Limits()
    models: frozenset[str] | None = None
    cache: bool = False


class CacheBounds(Struct, frozen=True, gc=False):
    """The most that is kept of answers: `size` in bytes, and `entries`."""

    size: int = 256 * 1024 * 1024
    entries: int = 100_000


class Snapshot(Struct, frozen=True):
    """The whole configuration at one moment; a request keeps the one it started with.

    `version` identifies the configuration's text and the prices it was compiled with. `passthrough` holds the
    targets of each group of paths that pass through, as a model named after it.
    """

    version: str
    models: dict[str, Model]
    targets: dict[str, Target]
    tenants: dict[str, Tenant]
    classes: dict[str, DataClass]
    open: bool = False
    passthrough: dict[str, Model] = {}
    cache: CacheBounds = CacheBounds()
