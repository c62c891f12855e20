"""What baseload.yaml may say: one class a section; names, notations and defaults are the published schema's.

A docstring under a key is its line in docs/config.md and its description in the JSON schema. What one value
alone decides is checked here; what takes two (a name used here and defined there) is in `references.py`.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from baseload.config.caching import CacheSection, ModelCacheSection
from baseload.config.fields import (
    Address,
    ApiVersion,
    CertificateFile,
    ClassName,
    Count,
    Credential,
    Day,
    Duration,
    Engine,
    FilePath,
    Flag,
    Fraction,
    Gpus,
    Headers,
    KeyHeaderName,
    ModelNames,
    Name,
    OpenModelName,
    Precision,
    PrivateKeyFile,
    ProviderName,
    Region,
    Regions,
    Size,
    TargetNames,
    TargetOrModelNames,
    UpstreamName,
    Url,
    Usd,
    Words,
)
from baseload.config.logins import AwsSection, EntraSection, GoogleSection
from baseload.config.passing import PassthroughSection, UnitPriceSection
from baseload.config.section import Section
from baseload.core import Format

DEFAULT_LISTEN, DEFAULT_CONTROL = "127.0.0.1:4000", "127.0.0.1:4001"
DEFAULT_DATA = "./baseload-data"
DEFAULT_TENANT = "default"
"""The tenant of requests without a key (`open: true`); it exists even where the file does not write it."""


class LimitsSection(Section):
    """How much may be asked; what is not written is unlimited."""

    requests_per_minute: Count | None = Field(default=None, examples=["600"])
    """Requests a minute."""
    tokens_per_minute: Count | None = None
    """Input and output tokens a minute."""
    concurrent: Count | None = Field(default=None, examples=["50"])
    """Requests in flight at once."""


class TlsSection(Section):
    """TLS on the data port."""

    cert: CertificateFile = Field(examples=["tls/server.pem"])
    """PEM file of the certificate and its chain."""
    key: PrivateKeyFile = Field(examples=["tls/server.key"])
    """PEM file of the private key, without a passphrase."""

    @model_validator(mode="after")
    def _belong_together(self) -> TlsSection:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.cert, self.key, password="")
        except OSError:  # ssl.SSLError is one
            raise ValueError(
                "`key` is not the certificate's, or has a passphrase; write the pair, the key unencrypted"
            ) from None
        return self


class HttpSection(Section):
    """Limits and deadlines of the data port (docs/http.md)."""

    body: Size = Field(default="32MiB", validate_default=True)
    """Longest request body; longer ones are answered 413."""
    upload: Size = Field(default="512MiB", validate_default=True)
    """Longest upload that passes through as it comes (docs/passthrough.md); longer ones are answered 413."""
    bodies: Size = Field(default="1GiB", validate_default=True)
    """Request bodies in memory at once, those up to 64 KiB left out; beyond it requests are answered 503."""
    connections: Count = Field(default="4096", validate_default=True)
    """Client connections at once; beyond it idle ones are closed, and without such new ones answered 503."""
    header_deadline: Duration = Field(default="10s", validate_default=True)
    """From a request's first byte to the end of its headers."""
    body_deadline: Duration = Field(default="30s", validate_default=True)
    """From the headers to the end of the body, plus a second per 64 KiB received."""
    keep_alive: Duration = Field(default="60s", validate_default=True)
    """How long an idle connection is kept."""
    stall_deadline: Duration = Field(default="60s", validate_default=True)
    """Without progress towards a client that does not read, its request is cut."""
    drain_deadline: Duration = Field(default="30s", validate_default=True)
    """How long a stopping gateway waits for running requests."""


class JournalSection(Section):
    """The write-ahead record of every request (docs/ledger.md)."""

    strict: Flag = False
    """Flush to disk before an answer is sent, not in groups."""
    segment: Size = Field(default="64MiB", validate_default=True)
    """Length at which a segment file is closed and the next one begun."""
    fsync: Duration = Field(default="50ms", validate_default=True)
    """How often written frames are flushed to disk where `strict` is false."""


class LongContextSection(Section):
    """Prices of the whole request once its input exceeds a length."""

    above: Count = Field(examples=["200k"])
    """Input tokens above which these prices hold."""
    input: Usd
    """USD per million uncached input tokens."""
    output: Usd = Field(examples=["10.00"])
    """USD per million output tokens."""
    cached_input: Usd | None = Field(default=None, examples=["1.25"])
    """USD per million cached input tokens; not written: as input."""
    cache_write: Usd | None = Field(default=None, examples=["7.50"])
    """USD per million input tokens written to a cache; not written: as input, not below a short request's."""
    cache_write_1h: Usd | None = Field(default=None, examples=["12.00"])
    """USD per million input tokens written to be kept for an hour; not written: as in a short request."""


class TierSection(Section):
    """Prices of one service tier, per million tokens."""

    input: Usd
    """USD per million uncached input tokens."""
    output: Usd = Field(examples=["10.00"])
    """USD per million output tokens."""
    cached_input: Usd | None = Field(default=None, examples=["1.25"])
    """USD per million input tokens read from the provider's cache; not written: as input."""
    cache_write: Usd | None = Field(default=None, examples=["3.75"])
    """USD per million input tokens written to the provider's cache; not written: as input."""
    cache_write_1h: Usd | None = Field(default=None, examples=["6.00"])
    """USD per million input tokens written for an hour; not written: costs with any are unknown."""
    input_audio: Usd | None = Field(default=None, examples=["32.00"])
    """USD per million audio input tokens; not written: costs with any are unknown."""
    output_audio: Usd | None = Field(default=None, examples=["64.00"])
    """USD per million audio output tokens; not written: costs with any are unknown."""
    cached_audio: Usd | None = Field(default=None, examples=["0.40"])
    """USD per million audio input tokens read from the cache; not written: as audio input."""
    output_image: Usd | None = Field(default=None, examples=["30.00"])
    """USD per million output tokens of pictures; not written: costs with any are unknown."""
    long_context: LongContextSection | None = None
    """Prices of requests with a long input."""


class PriceSection(TierSection):
    """Prices per million tokens."""

    thousand_searches: Usd | None = Field(default=None, examples=["10.00"])
    """USD per thousand web searches of the provider's; not written: costs with any are unknown."""
    tiers: dict[Words, TierSection] = Field(default_factory=dict)
    """Prices by what the provider calls its service tier; costs in a tier that is not written are unknown."""
    source: Words = "configuration"
    """Where this price is from; shown wherever it is used."""
    as_of: Day | None = None
    """The day this price was read, as YYYY-MM-DD."""


class CapacitySection(Section):
    """A measured step time that replaces the capacity model's (docs/capacity.md)."""

    base: Duration = Field(examples=["16ms"])
    """Time of a decode step with nothing in it."""
    per_sequence: Duration = Field(examples=["50us"])
    """What each running sequence adds to a step."""
    per_kv_token: Duration = Field(examples=["79ns"])
    """What each token held in the KV cache adds to a step."""
    per_prefill_token: Duration = Field(examples=["65us"])
    """What each uncached input token takes to prefill."""
    kv_tokens: Count = Field(examples=["240k"])
    """Tokens the KV cache holds."""
    error: Fraction = 0.0
    """Relative half-width of the 80% interval of these figures, as a fraction."""


class OwnedSection(Section):
    """A replica paid by the hour."""

    engine: Engine
    """The serving software."""
    usd_per_hour: Usd = Field(examples=["8.00"])
    """What the replica costs per hour in USD, all its GPUs together."""
    gpus: Gpus | None = None
    """How many of which GPU; with `precision` and a known model the capacity model predicts its speed."""
    precision: Precision | None = None
    """Precision of the weights; not written: the one the model's maker publishes."""
    open_model: OpenModelName | None = None
    """The catalog's name of the model, where the target's own `model` is not one of its names."""
    max_sequences: Count | None = Field(default=None, examples=["256"])
    """The engine's admission limit (vLLM `--max-num-seqs`)."""
    capacity: CapacitySection | None = None
    """Measured step time, in place of the predicted one."""
    key: Credential | None = None
    """The credential the engine asks for, if any."""


class MeteredSection(Section):
    """A provider's model behind one credential, paid by the token: `key`, `entra`, `google` or `aws`."""

    provider: ProviderName
    """The provider's name in the price catalog, or one of your own with `url` and `price`."""
    key: Credential | None = None
    """A lasting key, as `${ENV}` or `${file:PATH}`; `none` for an endpoint that takes none."""
    key_header: KeyHeaderName | None = None
    """The header that the key goes in; not written: its format's, and `api-key` for Azure OpenAI."""
    entra: EntraSection | None = None
    """Signed in to with Microsoft Entra, in place of a key (docs/credentials.md)."""
    google: GoogleSection | None = None
    """Signed in to with a Google service account, in place of a key."""
    aws: AwsSection | None = None
    """Requests signed with AWS keys, in place of a key."""
    api_version: ApiVersion | None = None
    """Azure's `api-version`, where the URL is not its version-free `/openai/v1`."""
    price: PriceSection | None = None
    """A price in place of the catalog's."""
    unit_price: UnitPriceSection = UnitPriceSection()
    """Prices of what is not counted in tokens (docs/passthrough.md)."""


class TimeoutsSection(Section):
    """Deadlines of one attempt at this target; each has its own error code."""

    connect: Duration = Field(default="5s", validate_default=True)
    """Connecting, TLS included."""
    ttft: Duration = Field(default="60s", validate_default=True)
    """From sending the request to the first token."""
    idle: Duration = Field(default="30s", validate_default=True)
    """Between two chunks of a stream."""
    total: Duration = Field(default="900s", validate_default=True)
    """The whole attempt."""


class TargetSection(Section):
    """One place that serves a model: owned or metered, one of the two."""

    owned: OwnedSection | None = None
    """A replica paid by the hour."""
    metered: MeteredSection | None = None
    """An API paid by the token."""
    url: Url | None = None
    """Base URL of its API, up to and with `/v1`; may be left out for providers whose URL is known."""
    format: Format | None = Field(default=None, examples=["anthropic"])
    """What it speaks; not written: the provider's own. Claude on Vertex AI speaks `anthropic-vertex`."""
    responses: Flag | None = Field(default=None, examples=["true"])
    """It serves OpenAI's responses besides chat completions; not written: what is known of its provider."""
    headers: Headers = Field(default_factory=dict)
    """Header fields that go with every call to it, as `${ENV}` where they are secret."""
    drop_unsupported: Flag = False
    """Leave out what its format cannot carry, instead of refusing such requests (docs/translation.md)."""
    model: UpstreamName | None = None
    """The name the upstream knows; not written: the name the client asked for."""
    region: Region | None = None
    """Where it processes data; not written, or a word like `global`: unknown, so no class with regions."""
    zero_retention: Flag = False
    """An agreement is in force that it keeps nothing."""
    quota: LimitsSection | None = None
    """The provider's own limits for this credential (metered targets)."""
    timeouts: TimeoutsSection = TimeoutsSection()
    """Deadlines of one attempt."""
    context: Count | None = Field(default=None, examples=["128k"])
    """Longest input and output together, in tokens."""
    ca: CertificateFile | None = None
    """PEM file of the authority that signs its certificate, in place of the system's."""


class SloSection(Section):
    """The promise to clients of this model; spill starts where an owned replica would break it."""

    ttft: Duration = Field(default="2s", validate_default=True)
    """Time to first token."""
    tpot: Duration = Field(default="100ms", validate_default=True)
    """Mean time per output token after the first."""


class FallbackSection(Section):
    """Where requests go when the model's own targets do not do: targets or other models, in order."""

    context_length: TargetOrModelNames = ()
    """Once a target says that a request is too long for it, or where none is long enough."""
    content_policy: TargetOrModelNames = ()
    """Once a target refuses a request for what it says."""
    error: TargetOrModelNames = ()
    """Once every target failed, is out, or has no room."""


class ModelSection(Section):
    """A name clients ask for, and the targets that serve it."""

    owned: TargetNames = ()
    """Owned targets that serve it."""
    metered: TargetNames = ()
    """Metered targets that serve it."""
    slo: SloSection | None = None
    """The promise to its clients."""
    limits: LimitsSection = LimitsSection()
    """Limits of all requests for this model together."""
    fallback: FallbackSection | None = None
    """Where its requests go when its own targets do not do (docs/dispatch.md)."""
    cache: ModelCacheSection | None = None
    """Its answers are kept and given again to the same request (docs/cache.md); not written: none are."""
    price_cap: Usd | None = Field(default=None, examples=["0.05"])
    """USD a request is worth where no metered target may serve it: the reference of congestion."""


class ClassSection(Section):
    """Where the data of this class may be processed; the rule never bends."""

    regions: Regions
    """`any`, or the regions where processing may occur."""
    zero_retention: Flag = False
    """Only targets with an agreement to keep nothing."""


class TenantSection(Section):
    """Who pays: the class of its data, its limits, and the models it may ask for."""

    data_class: ClassName = Field(default="default", alias="class")
    """The class of its requests' data."""
    limits: LimitsSection = LimitsSection()
    """Limits of all its keys together."""
    models: ModelNames | None = None
    """The models it may ask for; not written: all."""
    cache: Flag = False
    """Its answers may be kept in memory, where a model's `cache` says so."""


class Config(Section):
    """The whole of baseload.yaml."""

    listen: Address = Field(default=DEFAULT_LISTEN, validate_default=True)
    """The data port, where clients connect."""
    control: Address = Field(default=DEFAULT_CONTROL, validate_default=True)
    """The control port: metrics, health, admin. Keep it private."""
    data: FilePath = Field(default=DEFAULT_DATA, validate_default=True)
    """Folder of journal, ledger and keys; relative to this file."""
    tls: TlsSection | None = None
    """TLS on the data port; not written: plain HTTP."""
    open: Flag = False
    """Answer requests without a key, as the tenant `default`."""
    http: HttpSection = HttpSection()
    """Limits and deadlines of the data port."""
    journal: JournalSection = JournalSection()
    """How requests are recorded."""
    cache: CacheSection = CacheSection()
    """The most that is kept of answers, where models and tenants ask for it."""
    targets: dict[Name, TargetSection]
    """The places that serve models, by name."""
    models: dict[Name, ModelSection]
    """The names clients ask for."""
    passthrough: PassthroughSection = PassthroughSection()
    """The targets of paths that pass through, for requests whose model no section of `models` names."""
    classes: dict[Name, ClassSection]
    """Where data may be processed, by class; `default` must be written."""
    tenants: dict[Name, TenantSection] = Field(default_factory=dict)
    """Who pays, by name; `default` exists even where it is not written."""

    _file: str = PrivateAttr("")
    _sources: tuple[Path, ...] = PrivateAttr(())
    _literal_keys: tuple[str, ...] = PrivateAttr(())

    @property
    def file(self) -> str:
        """The file this was read from, as it was named."""
        return self._file

    @property
    def sources(self) -> tuple[Path, ...]:
        """Every file it was read from (YAML, secrets, certificates): a change of one asks for a reload."""
        return self._sources

    @property
    def literal_keys(self) -> tuple[str, ...]:
        """The keys whose credential stands in the file itself, in the clear."""
        return self._literal_keys


class Outline(Section):
    """What commands beside the gateway need of the file: its data folder and the names in it."""

    model_config = ConfigDict(extra="ignore")

    data: FilePath = Field(default=DEFAULT_DATA, validate_default=True)
    """Folder of journal, ledger and keys."""
    tenants: dict[str, Any] = Field(default_factory=dict)
    """Written tenants."""
    models: dict[str, Any] = Field(default_factory=dict)
    """Written models."""
