"""What baseload.yaml may say: one class a section; names, notations and defaults are the published schema's.

A docstring under a key is its line in docs/config.md and its description in the JSON schema. What one value
alone decides is checked here; what takes two (a name used here and defined there) is in `references.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)

from baseload.catalog.gpus import gpu
from baseload.catalog.models import BITS_PER_WEIGHT, open_model
from baseload.config import units
from baseload.errors import UnknownName, nearest

ENGINES = ("vllm", "sglang", "tensorrt-llm", "tgi", "llama.cpp", "openvino")
NOWHERE = frozenset({"any", "anywhere", "global", "worldwide", "cross-region", "unknown"})
"""Regions that name no place: a target there is admissible only for classes whose regions are `any`."""

NO_KEY = "none"
"""What `key` says where an endpoint takes no credential."""

_REFERENCE = r"\$\{[^}]*\}"


def _notation(pattern: str, example: str | int, *, number: bool = False) -> WithJsonSchema:
    text: dict[str, Any] = {"type": "string", "pattern": f"^(?:{pattern}|{_REFERENCE})$"}
    schema = {"anyOf": [{"type": "number", "minimum": 0}, text]} if number else text
    return WithJsonSchema({**schema, "examples": [example]})


def _more_than_zero(value: float) -> float:
    if value <= 0:
        raise ValueError("must be more than zero")
    return value


def _at_most(limit: float, words: str) -> Callable[[float], float]:
    def check(value: float) -> float:
        if value > limit:
            raise ValueError(f"must be at most {words}")
        return value

    return check


def _flag(value: object) -> bool:
    """true or false, as a YAML word or as the text a reference stands for."""
    found = {True: True, False: False, "true": True, "false": False}.get(value) if _is_word(value) else None
    if found is None:
        raise ValueError("must be true or false")
    return found


def _is_word(value: object) -> bool:
    return isinstance(value, bool | str)


def _one_of(kind: str, known: Iterable[str]) -> Callable[[object], str]:
    names = tuple(known)

    def check(value: object) -> str:
        if not isinstance(value, str) or value.lower() not in names:
            near = nearest(str(value).lower(), names)
            hint = f"did you mean {near!r}?" if near else f"known are {', '.join(names)}"
            raise ValueError(f"unknown {kind}; {hint}")
        return value.lower()

    return check


def _gpus(value: object) -> units.GpuSet:
    found = units.gpu_set(value)
    try:
        return found._replace(name=gpu(found.name).name)
    except UnknownName as unknown:
        raise ValueError(f"unknown GPU; {unknown.hint}" if unknown.hint else "unknown GPU") from None


def _open_model(value: str) -> str:
    try:
        return open_model(value).name
    except UnknownName as unknown:
        raise ValueError(f"unknown model; {unknown.hint}" if unknown.hint else "unknown model") from None


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018  (raises for a bad port)
    except ValueError:
        raise ValueError("not a URL") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("must begin with http:// or https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("credentials do not belong in a URL: write them as `key`")
    if not parts.hostname or parts.query or parts.fragment or not re.fullmatch(r"[!-~]+", value):
        raise ValueError("must be scheme, host, port and path only, like https://api.example.com/v1")
    return value.rstrip("/")


def _credential(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]{1,4096}", value.get_secret_value()):
        raise ValueError("must be visible ASCII without spaces")
    return value


def _path(value: object, info: ValidationInfo) -> Path:
    """Relative paths are seen from the file's own folder, wherever the command was started."""
    if not isinstance(value, str) or not value or "\x00" in value:
        raise ValueError("must be a path")
    if "://" in value:
        raise ValueError("databases by URL are not in this version: write a folder")
    base = (info.context or {}).get("base", Path())
    return Path(base, value).absolute()


def _readable(path: Path) -> Path:
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None


def _regions(value: object) -> frozenset[str] | None:
    if value == "any":
        return None
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise ValueError("must be `any` or a list of regions, like [eu-west, eu-central]")
    if nowhere := sorted(NOWHERE & {item.lower() for item in value}):
        raise ValueError(f"{nowhere[0]} names no place: write the regions, or `any` for all")
    return frozenset(item.lower() for item in value)


Name = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$"),
]
Duration = Annotated[
    float,
    BeforeValidator(units.duration_s),
    AfterValidator(_more_than_zero),
    AfterValidator(_at_most(86_400, "24h")),
    _notation(r"[0-9]+(?:\.[0-9]+)? ?(?:ns|us|µs|ms|s|m|h)", "1.5s"),
]
Count = Annotated[
    int,
    BeforeValidator(units.count),
    AfterValidator(_more_than_zero),
    _notation(r"[0-9]+(?:\.[0-9]+)? ?[kM]?", "400k", number=True),
]
Size = Annotated[
    int,
    BeforeValidator(units.size_bytes),
    AfterValidator(_more_than_zero),
    _notation(r"[0-9]+(?:\.[0-9]+)? ?(?:B|kB|MB|GB|KiB|MiB|GiB)?", "32MiB", number=True),
]
Usd = Annotated[
    int, BeforeValidator(units.usd_nano), _notation(r"[0-9]+(?:\.[0-9]{1,9})?", "2.50", number=True)
]
Address = Annotated[
    units.Address, BeforeValidator(units.address), _notation(r".+:[0-9]{1,5}", "127.0.0.1:4000")
]
Gpus = Annotated[
    units.GpuSet,
    BeforeValidator(_gpus),
    _notation(r"(?:[1-9][0-9]* ?[x×] ?)?[A-Za-z][A-Za-z0-9._-]*", "2 x h100"),
]
Flag = Annotated[
    bool,
    BeforeValidator(_flag),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": f"^{_REFERENCE}$"}]}),
]
FilePath = Annotated[Path, BeforeValidator(_path), WithJsonSchema({"type": "string"})]
ReadableFile = Annotated[
    Path, BeforeValidator(_path), AfterValidator(_readable), WithJsonSchema({"type": "string"})
]
Url = Annotated[
    str, AfterValidator(_url), _notation(r"https?://.+", "https://api.example.com/v1")
]
Credential = Annotated[SecretStr, AfterValidator(_credential)]
Engine = Annotated[
    str, BeforeValidator(_one_of("engine", ENGINES)), WithJsonSchema({"enum": list(ENGINES)})
]
Precision = Annotated[
    str, BeforeValidator(_one_of("precision", BITS_PER_WEIGHT)), WithJsonSchema({"enum": list(BITS_PER_WEIGHT)})
]
Region = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", to_lower=True)]
Regions = Annotated[
    frozenset[str] | None,
    BeforeValidator(_regions),
    WithJsonSchema(
        {
            "anyOf": [{"const": "any"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
            "examples": ["[eu-west]"],
        }
    ),
]


class Section(BaseModel):
    """A mapping of the file: unknown keys are refused, values never change, inputs stay out of messages."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )


class LimitsSection(Section):
    """How much may be asked; what is not written is unlimited."""

    requests_per_minute: Count | None = None
    """Requests a minute."""
    tokens_per_minute: Count | None = None
    """Input and output tokens a minute."""
    concurrent: Count | None = None
    """Requests in flight at once."""


class TlsSection(Section):
    """TLS on the data port."""

    cert: ReadableFile
    """PEM file of the certificate and its chain."""
    key: ReadableFile
    """PEM file of the private key."""


class HttpSection(Section):
    """Limits and deadlines of the data port (docs/http.md)."""

    body: Size = Field("32MiB", validate_default=True)
    """Longest request body; longer ones are answered 413."""
    connections: Count = Field("4096", validate_default=True)
    """Client connections at once; further ones wait in the listen queue."""
    header_deadline: Duration = Field("10s", validate_default=True)
    """From a request's first byte to the end of its headers."""
    body_deadline: Duration = Field("30s", validate_default=True)
    """From the headers to the end of the body, plus a second per 64 KiB received."""
    keep_alive: Duration = Field("60s", validate_default=True)
    """How long an idle connection is kept."""
    stall_deadline: Duration = Field("60s", validate_default=True)
    """Without progress towards a client that does not read, its request is cut."""
    drain_deadline: Duration = Field("30s", validate_default=True)
    """How long a stopping gateway waits for running requests."""


class JournalSection(Section):
    """The write-ahead record of every request (docs/ledger.md)."""

    strict: Flag = False
    """Flush to disk before an answer is sent, not in groups."""
    segment: Size = Field("64MiB", validate_default=True)
    """Length at which a segment file is closed and the next one begun."""
    fsync: Duration = Field("50ms", validate_default=True)
    """How often written frames are flushed to disk where `strict` is false."""


class LongContextSection(Section):
    """Prices of the whole request once its input exceeds a length."""

    above: Count
    """Input tokens above which these prices hold."""
    input: Usd
    """USD per million uncached input tokens."""
    output: Usd
    """USD per million output tokens."""
    cached_input: Usd | None = None
    """USD per million cached input tokens; not written: as input."""


class PriceSection(Section):
    """A price per million tokens that replaces the catalog's."""

    input: Usd
    """USD per million uncached input tokens."""
    output: Usd
    """USD per million output tokens."""
    cached_input: Usd | None = None
    """USD per million input tokens read from the provider's cache; not written: as input."""
    cache_write: Usd | None = None
    """USD per million input tokens written to the provider's cache; not written: as input."""
    long_context: LongContextSection | None = None
    """Prices of requests with a long input."""
    source: str = "configuration"
    """Where this price is from; shown wherever it is used."""
    as_of: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | None = None
    """The day this price was read, as YYYY-MM-DD."""


class CapacitySection(Section):
    """A measured step time that replaces the capacity model's (docs/capacity.md)."""

    base: Duration
    """Time of a decode step with nothing in it."""
    per_sequence: Duration
    """What each running sequence adds to a step."""
    per_kv_token: Duration
    """What each token held in the KV cache adds to a step."""
    per_prefill_token: Duration
    """What each uncached input token takes to prefill."""
    kv_tokens: Count
    """Tokens the KV cache holds."""
    error: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Relative half-width of the 80% interval of these figures, as a fraction."""


class OwnedSection(Section):
    """A replica paid by the hour."""

    engine: Engine
    """The serving software."""
    usd_per_hour: Usd
    """What the replica costs per hour in USD, all its GPUs together."""
    gpus: Gpus | None = None
    """How many of which GPU; with `precision` and a known model the capacity model predicts its speed."""
    precision: Precision | None = None
    """Precision of the weights; not written: the one the model's maker publishes."""
    open_model: Annotated[str, AfterValidator(_open_model)] | None = None
    """The catalog's name of the model, where the target's own `model` is not one of its names."""
    max_sequences: Count | None = None
    """The engine's admission limit (vLLM `--max-num-seqs`)."""
    capacity: CapacitySection | None = None
    """Measured step time, in place of the predicted one."""
    key: Credential | None = None
    """The credential the engine asks for, if any."""


class MeteredSection(Section):
    """A provider's model behind one credential, paid by the token."""

    provider: Name
    """The provider's name in the price catalog, or one of your own with `url` and `price`."""
    key: Credential
    """The credential, as `${ENV}` or `${file:PATH}`; `none` for an endpoint that takes none."""
    price: PriceSection | None = None
    """A price in place of the catalog's."""


class TimeoutsSection(Section):
    """Deadlines of one attempt at this target; each has its own error code."""

    connect: Duration = Field("5s", validate_default=True)
    """Connecting, TLS included."""
    ttft: Duration = Field("60s", validate_default=True)
    """From sending the request to the first token."""
    idle: Duration = Field("30s", validate_default=True)
    """Between two chunks of a stream."""
    total: Duration = Field("900s", validate_default=True)
    """The whole attempt."""


class TargetSection(Section):
    """One place that serves a model: owned or metered, one of the two."""

    owned: OwnedSection | None = None
    """A replica paid by the hour."""
    metered: MeteredSection | None = None
    """An API paid by the token."""
    url: Url | None = None
    """Base URL of its OpenAI-format API; may be left out for providers whose URL is known."""
    model: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,256}$")] | None = None
    """The name the upstream knows; not written: the name the client asked for."""
    region: Region | None = None
    """Where it processes data; not written, or a word like `global`: unknown, so no class with regions."""
    zero_retention: Flag = False
    """An agreement is in force that it keeps nothing."""
    quota: LimitsSection | None = None
    """The provider's own limits for this credential (metered targets)."""
    timeouts: TimeoutsSection = TimeoutsSection()
    """Deadlines of one attempt."""
    context: Count | None = None
    """Longest input and output together, in tokens."""
    ca: ReadableFile | None = None
    """PEM file of the authority that signs its certificate, in place of the system's."""


class SloSection(Section):
    """The promise to clients of this model; spill starts where an owned replica would break it."""

    ttft: Duration = Field("2s", validate_default=True)
    """Time to first token."""
    tpot: Duration = Field("100ms", validate_default=True)
    """Mean time per output token after the first."""


class ModelSection(Section):
    """A name clients ask for, and the targets that serve it."""

    owned: tuple[Name, ...] = ()
    """Owned targets that serve it."""
    metered: tuple[Name, ...] = ()
    """Metered targets that serve it."""
    slo: SloSection | None = None
    """The promise to its clients."""
    limits: LimitsSection = LimitsSection()
    """Limits of all requests for this model together."""
    price_cap: Usd | None = None
    """USD a request is worth where no metered target may serve it: the reference of congestion."""


class ClassSection(Section):
    """Where the data of this class may be processed; the rule never bends."""

    regions: Regions
    """`any`, or the regions where processing may occur."""
    zero_retention: Flag = False
    """Only targets with an agreement to keep nothing."""


class TenantSection(Section):
    """Who pays: the class of its data, its limits, and the models it may ask for."""

    data_class: Name = Field("default", alias="class")
    """The class of its requests' data."""
    limits: LimitsSection = LimitsSection()
    """Limits of all its keys together."""
    models: tuple[Name, ...] | None = None
    """The models it may ask for; not written: all."""


class Config(Section):
    """The whole of baseload.yaml."""

    listen: Address = Field("127.0.0.1:4000", validate_default=True)
    """The data port, where clients connect."""
    control: Address = Field("127.0.0.1:4001", validate_default=True)
    """The control port: metrics, health, admin. Keep it private."""
    data: FilePath = Field("./baseload-data", validate_default=True)
    """Folder of journal, ledger and keys; relative to this file."""
    tls: TlsSection | None = None
    """TLS on the data port; not written: plain HTTP."""
    open: Flag = False
    """Answer requests without a key, as the tenant `default`."""
    http: HttpSection = HttpSection()
    """Limits and deadlines of the data port."""
    journal: JournalSection = JournalSection()
    """How requests are recorded."""
    targets: dict[Name, TargetSection]
    """The places that serve models, by name."""
    models: dict[Name, ModelSection]
    """The names clients ask for."""
    classes: dict[Name, ClassSection]
    """Where data may be processed, by class; `default` must be written."""
    tenants: dict[Name, TenantSection] = {}
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
        """Every file it was read from: the YAML itself, secrets, certificates. A change of one asks for a reload."""
        return self._sources


Side = Literal["owned", "metered"]
