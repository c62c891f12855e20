"""The kinds of value that baseload.yaml holds: what is accepted, what it becomes, its JSON schema."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)

from baseload.catalog.gpus import gpu
from baseload.catalog.models import BITS_PER_WEIGHT, open_model
from baseload.catalog.providers import provider
from baseload.config import units
from baseload.core import UNPLACED
from baseload.errors import UnknownName, nearest

ENGINES = ("vllm", "sglang", "tensorrt-llm", "tgi", "llama.cpp", "openvino")
NO_KEY = "none"
"""What `key` says where an endpoint takes no credential."""

KEY_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
"""The header fields that a lasting key can go in."""

_PEM_KEY = re.compile(rb"-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----")
_REFERENCE = r"\$\{[^}]*\}"


def _notation(kind: str, pattern: str, example: str, *, number: bool = False) -> WithJsonSchema:
    """The published schema of a notation; a reference may stand for any of them."""
    text: dict[str, Any] = {"type": "string", "pattern": f"^(?:{pattern}|{_REFERENCE})$"}
    schema = {"anyOf": [{"type": "number", "minimum": 0}, text]} if number else text
    return WithJsonSchema({"$comment": kind, **schema, "examples": [example]})


def _text(kind: str, example: str, **more: str) -> WithJsonSchema:
    return WithJsonSchema({"$comment": kind, "type": "string", **more, "examples": [example]})


def _names(of: str, example: str) -> WithJsonSchema:
    items = {"type": "string", "pattern": _NAME}
    return WithJsonSchema(
        {"$comment": f"list of {of}", "type": "array", "items": items, "examples": [example]}
    )


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


def _provider(value: str) -> str:
    """The catalog's own name of a provider written by another (`bedrock` is `aws`)."""
    known = provider(value)
    return known.name if known else value


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


def _headers(value: object) -> object:
    """Names in small letters, values as texts: what a header line may hold, and no name twice."""
    if not isinstance(value, dict):
        raise ValueError("must be a mapping of header names to values")
    found: dict[str, SecretStr] = {}
    for name, text in value.items():
        if not isinstance(name, str) or not re.fullmatch(_HEADER, name):
            raise ValueError("has a name that is no header's; write letters, digits and hyphens")
        if not isinstance(text, str) or not re.fullmatch(r"[!-~]([ -~]*[!-~])?", text):
            raise ValueError(f"{name} must be visible ASCII text; quote numbers")
        if name.lower() in found:
            raise ValueError(f"{name} is written twice; keep one")
        found[name.lower()] = SecretStr(text)
    return found


def _service_account(value: SecretStr) -> SecretStr:
    try:
        said = json.loads(value.get_secret_value())
    except ValueError:
        said = None
    wanted = ("client_email", "private_key")
    if (
        not isinstance(said, dict)
        or said.get("type") != "service_account"
        or not all(isinstance(said.get(key), str) for key in wanted)
        or _PEM_KEY.search(said["private_key"].encode()) is None
    ):
        raise ValueError("not the JSON key file of a service account; write ${file:PATH} of the file")
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


def _certificates(path: Path) -> Path:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(_readable(path))
    except OSError:  # ssl.SSLError is one
        raise ValueError(
            f"{path} holds no PEM certificate; it has a -----BEGIN CERTIFICATE----- line"
        ) from None
    return path


def _private_key(path: Path) -> Path:
    if _PEM_KEY.search(_readable(path).read_bytes()) is None:
        raise ValueError(f"{path} holds no PEM private key; it has a -----BEGIN PRIVATE KEY----- line")
    return path


def _regions(value: object) -> frozenset[str] | None:
    if value == "any":
        return None
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise ValueError("must be `any` or a list of regions, like [eu-west, eu-central]")
    if nowhere := sorted(UNPLACED & {item.lower() for item in value}):
        raise ValueError(f"{nowhere[0]} names no place: write the regions, or `any` for all")
    return frozenset(item.lower() for item in value)


_HEADER = r"[A-Za-z0-9-]{1,64}"
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$"
_REGION = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_UPSTREAM = r"^[!-~]{1,256}$"
_ROLE = r"^arn:[a-z-]{1,32}:iam::[0-9]{12}:role/[!-~]{1,512}$"
_WORDS = r"^[^\x00-\x1f\x7f-\x9f]{1,256}$"
_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"

Name = Annotated[str, StringConstraints(pattern=_NAME)]
Duration = Annotated[
    float,
    BeforeValidator(units.duration_s),
    AfterValidator(_more_than_zero),
    AfterValidator(_at_most(86_400, "24h")),
    _notation("duration", r"[0-9]+(?:\.[0-9]+)? ?(?:ns|us|µs|ms|s|m|h)", "1.5s"),
]
Count = Annotated[
    int,
    BeforeValidator(units.count),
    AfterValidator(_more_than_zero),
    _notation("count", r"[0-9]+(?:\.[0-9]+)? ?[kM]?", "400k", number=True),
]
Size = Annotated[
    int,
    BeforeValidator(units.size_bytes),
    AfterValidator(_more_than_zero),
    _notation("size", r"[0-9]+(?:\.[0-9]+)? ?(?:B|kB|MB|GB|KiB|MiB|GiB)?", "32MiB", number=True),
]
Usd = Annotated[
    int,
    BeforeValidator(units.usd_nano),
    _notation("dollars", r"[0-9]+(?:\.[0-9]{1,9})?", "2.50", number=True),
]
Fraction = Annotated[
    float,
    BeforeValidator(units.fraction),
    WithJsonSchema(
        {"$comment": "fraction", "type": "number", "minimum": 0, "exclusiveMaximum": 1, "examples": ["0.1"]}
    ),
]
Address = Annotated[
    units.Address,
    BeforeValidator(units.address),
    _notation("address", r".+:[0-9]{1,5}", "127.0.0.1:4000"),
]
Gpus = Annotated[
    units.GpuSet,
    BeforeValidator(_gpus),
    _notation("GPUs", r"(?:[1-9][0-9]* ?[x×] ?)?[A-Za-z][A-Za-z0-9._-]*", "2 x h100"),
]
Flag = Annotated[
    bool,
    BeforeValidator(_flag),
    WithJsonSchema(
        {
            "$comment": "`true` or `false`",
            "anyOf": [{"type": "boolean"}, {"type": "string", "pattern": f"^{_REFERENCE}$"}],
            "examples": ["true"],
        }
    ),
]
FilePath = Annotated[Path, BeforeValidator(_path), _text("path", "./baseload-data")]
CertificateFile = Annotated[
    Path, BeforeValidator(_path), AfterValidator(_certificates), _text("path", "certificates/ca.pem")
]
PrivateKeyFile = Annotated[
    Path, BeforeValidator(_path), AfterValidator(_private_key), _text("path", "certificates/server.key")
]
CertificateAndKeyFile = Annotated[
    Path,
    BeforeValidator(_path),
    AfterValidator(_certificates),
    AfterValidator(_private_key),
    _text("path", "certificates/entra.pem"),
]
Url = Annotated[str, AfterValidator(_url), _notation("URL", r"https?://.+", "https://api.example.com/v1")]
Credential = Annotated[
    SecretStr,
    AfterValidator(_credential),
    _text("secret", "${OPENAI_API_KEY}", format="password"),
]
Headers = Annotated[
    dict[str, SecretStr],
    BeforeValidator(_headers),
    WithJsonSchema(
        {
            "$comment": "texts by header name",
            "type": "object",
            "propertyNames": {"pattern": f"^{_HEADER}$"},
            "additionalProperties": {"type": "string"},
            "examples": ["{x-portkey-provider: openai}"],
        }
    ),
]
KeyHeaderName = Annotated[
    str,
    BeforeValidator(_one_of("header", KEY_HEADERS)),
    WithJsonSchema({"enum": list(KEY_HEADERS), "examples": ["api-key"]}),
]
ApiVersion = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,32}$"),
    _text("text", "2024-10-21", pattern=r"^[A-Za-z0-9.-]{1,32}$"),
]
ServiceAccount = Annotated[
    SecretStr,
    AfterValidator(_service_account),
    _text("secret", "${file:vertex.json}", format="password"),
]
Role = Annotated[
    str,
    StringConstraints(pattern=_ROLE),
    _text("role", "arn:aws:iam::123456789012:role/bedrock", pattern=_ROLE),
]
Engine = Annotated[
    str,
    BeforeValidator(_one_of("engine", ENGINES)),
    WithJsonSchema({"enum": list(ENGINES), "examples": ["vllm"]}),
]
Precision = Annotated[
    str,
    BeforeValidator(_one_of("precision", BITS_PER_WEIGHT)),
    WithJsonSchema({"enum": list(BITS_PER_WEIGHT), "examples": ["fp8"]}),
]
ProviderName = Annotated[Name, AfterValidator(_provider), _text("name", "openai", pattern=_NAME)]
OpenModelName = Annotated[str, AfterValidator(_open_model), _text("name", "llama-3.3-70b")]
UpstreamName = Annotated[
    str, StringConstraints(pattern=_UPSTREAM), _text("name", "gpt-4o", pattern=_UPSTREAM)
]
TargetNames = Annotated[tuple[Name, ...], _names("targets", "[llama-a]")]
TargetOrModelNames = Annotated[tuple[Name, ...], _names("targets or models", "[gpt-4o]")]
ModelNames = Annotated[tuple[Name, ...], _names("models", "[chat]")]
ClassName = Annotated[Name, _text("name", "patient", pattern=_NAME)]
Region = Annotated[
    str,
    StringConstraints(pattern=_REGION, to_lower=True),
    _text("name", "eu-west", pattern=_REGION),
]
Regions = Annotated[
    frozenset[str] | None,
    BeforeValidator(_regions),
    WithJsonSchema(
        {
            "$comment": "`any` or a list of regions",
            "anyOf": [{"const": "any"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
            "examples": ["[eu-west]"],
        }
    ),
]
Words = Annotated[
    str, StringConstraints(pattern=_WORDS), _text("text", "contract of 2026-10", pattern=_WORDS)
]
Day = Annotated[str, StringConstraints(pattern=_DAY), _text("day", "2026-11-22", pattern=_DAY)]
