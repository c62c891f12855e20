"""Where a provider's model is found and how it is paid, by the name another gateway gives the provider."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlsplit

from baseload.catalog.providers import provider as catalog_provider
from baseload.config.importing.pricing import is_priced
from baseload.config.providers import ENDPOINTS, RESPONSES
from baseload.core import Format

ENGINES = {
    "hosted-vllm": "vllm",
    "vllm": "vllm",
    "sglang": "sglang",
    "tgi": "tgi",
    "ollama": "llama.cpp",
    "ollama-chat": "llama.cpp",
    "llama-cpp": "llama.cpp",
    "llamafile": "llama.cpp",
    "lm-studio": "llama.cpp",
}
"""Serving software of one's own, by its name elsewhere: such targets are owned, paid by the hour."""

URLS = {
    "deepinfra": "https://api.deepinfra.com/v1/openai",
    "nebius": "https://api.studio.nebius.ai/v1",
    "nscale": "https://inference.api.nscale.com/v1",
}
"""OpenAI-format endpoints of catalog providers that `config.providers` leaves out, as public documents have
them (November 2026)."""

OWN_HOSTS = {
    **RESPONSES,
    "aws": ("amazonaws.com",),
    "azure": (*RESPONSES["azure"], "models.ai.azure.com"),
    "google": ("googleapis.com",),
}
"""Providers' own hosts, those below them included, besides the ones of their endpoints."""

COHERE_URL = "https://api.cohere.com/v1"
"""Where Cohere reranks in the form that passes through."""

ALIASES = {
    "azure-text": "azure",
    "text-completion-openai": "openai",
    "custom-openai": "openai-compatible",
    "openai-like": "openai-compatible",
    "bedrock-converse": "bedrock",
    "vertex-ai-beta": "vertex-ai",
    "google-vertex": "vertex-ai",
    "gemini": "google",
    "google-ai-studio": "google",
    "fireworks-ai": "fireworks",
    "together-ai": "together",
    "mistral-ai": "mistral",
    "mistralai": "mistral",
    "perplexity-ai": "perplexity",
    "novita-ai": "novita",
    "amazon-bedrock": "bedrock",
    "azure-openai": "azure",
    "azure-ai": "azure",
    "x-ai": "x-ai",
    "xai": "x-ai",
    "moonshot": "moonshotai",
    "litellm-proxy": "litellm",
}
"""Names elsewhere, in small letters with hyphens, and ours."""

FOREIGN = {
    "cohere": "its own format is not spoken, and its OpenAI-format endpoint refuses `stream_options`",
    "cohere-chat": "its own format is not spoken, and its OpenAI-format endpoint refuses `stream_options`",
    "sagemaker": "SageMaker's format is not spoken",
    "sagemaker-chat": "SageMaker's format is not spoken",
    "watsonx": "watsonx's format is not spoken",
    "replicate": "Replicate's format is not spoken",
    "triton": "Triton's own format is not spoken",
    "oobabooga": "its format is not spoken",
    "petals": "its format is not spoken",
    "palm": "this API has ended",
    "workers-ai": "its URL holds the account; write a target with `url` https://api.cloudflare.com/"
    "client/v4/accounts/ACCOUNT/ai/v1",
}
"""Providers that cannot be a target in this version, and why."""


class Upstream(NamedTuple):
    """What is known of a place that serves a model: the other gateway's words, checked and in our notation.

    `url` and `key` may hold `${NAME}`; `login` is one of `entra`, `google`, `aws` with its section. `unit` is
    what a path that passes through counts (a key of `unit_price`), for a model of such a path.
    """

    provider: str
    model: str | None = None
    url: str | None = None
    key: str | None = None
    login: dict[str, Any] | None = None
    price: dict[str, Any] | None = None
    format: Format | None = None
    unit_price: dict[str, Any] | None = None
    unit: str | None = None
    responses: bool = False


class Refused(NamedTuple):
    """Why no target can be made, and what to do."""

    why: str
    do: str


class Placed(NamedTuple):
    """A target's own keys, and the figures that are still to be given: (path in the target, what it is)."""

    section: dict[str, Any]
    owned: bool
    wanted: tuple[tuple[tuple[str, ...], str], ...] = ()


def provider_name(written: str) -> str:
    """Our name of a provider as another gateway writes it."""
    name = written.strip().lower().replace("_", "-")
    return ALIASES.get(name, name)


def place(upstream: Upstream) -> Placed | Refused:
    """The target for an upstream: owned for engines of one's own, else metered."""
    name = provider_name(upstream.provider)
    if upstream.unit == "search" and name.startswith("cohere"):
        name, upstream = "cohere", upstream._replace(url=upstream.url or COHERE_URL)
    elif why := FOREIGN.get(name):
        return Refused(f"{upstream.provider} cannot be a target in this version: {why}", "leave it behind")
    section: dict[str, Any] = {}
    if upstream.url:
        section["url"] = upstream.url
    if upstream.model:
        section["model"] = upstream.model
    format_ = upstream.format
    if upstream.unit is not None:  # what passes through is in OpenAI's format
        if format_ is not None or name == "bedrock":
            why = f"{upstream.provider} does not serve this kind of model in OpenAI's format"
            return Refused(why, "leave it behind")
    elif format_ is None and name == "google" and not upstream.url and _generates(upstream.model):
        format_ = Format.GEMINI
    if format_ is Format.BEDROCK and not _generates(upstream.model):
        return Refused(
            "Converse has no embeddings, and Bedrock's own format of them is not spoken", "leave it"
        )
    if format_ is not None:
        section["format"] = format_.value
    if upstream.responses:
        section["responses"] = True
    if name in ENGINES:
        return _owned(ENGINES[name], upstream, section)
    known = catalog_provider("google" if name == "vertex-ai" else name)
    metered: dict[str, Any] = {"provider": known.name if known else name}
    if upstream.login:
        metered.update(upstream.login)
    else:
        metered["key"] = upstream.key or "none"
    if upstream.price:
        metered["price"] = upstream.price
    if upstream.unit_price:
        metered["unit_price"] = upstream.unit_price
    if known and not upstream.url:
        if known.name in URLS:
            section["url"] = URLS[known.name]
        elif known.name not in ENDPOINTS or upstream.login:
            return Refused(f"{upstream.provider} has no one URL", "write a target with its `url`")
    elif not known and not upstream.url:
        return Refused(
            f"where {upstream.provider} is served is not written", "write a target with its `url` and `price`"
        )
    wanted = () if upstream.price or upstream.unit_price else _unpriced(metered, upstream)
    return Placed({"metered": metered, **section}, False, wanted)


_Wanted = tuple[tuple[tuple[str, ...], str], ...]

UNITS = {
    "image": "USD an image made",
    "second": "USD a second of audio read",
    "character": "USD a character spoken",
    "search": "USD a search unit of a rerank",
    "request": "USD a request, 0 where it is free",
}
"""What a price by anything but tokens is of, by its key in `unit_price`."""


def _unpriced(metered: dict[str, Any], upstream: Upstream) -> _Wanted:
    """The figures to ask for where the catalog has no price of what this provider calls the model."""
    model = upstream.model or ""
    if catalog_provider(metered["provider"]) and ("${" in model or not model):
        return ()  # which model it is will be seen when the variable is set
    if upstream.unit != "request" and is_priced(metered["provider"], model):
        return ()
    if upstream.unit is not None:
        metered["unit_price"] = {}
        return ((("metered", "unit_price", upstream.unit), UNITS[upstream.unit]),)
    metered["price"] = {}
    return (
        (("metered", "price", "input"), "USD per million input tokens"),
        (("metered", "price", "output"), "USD per million output tokens"),
    )


def _owned(engine: str, upstream: Upstream, section: dict[str, Any]) -> Placed | Refused:
    if not upstream.url:
        return Refused("the engine's address is not written", "write a target with its `url`")
    owned: dict[str, Any] = {"engine": engine}
    if upstream.key and upstream.key != "none":
        owned["key"] = upstream.key
    wanted = ((("owned", "usd_per_hour"), "what the replica costs per hour in USD"),)
    return Placed({"owned": owned, **section}, True, wanted)


def _generates(model: str | None) -> bool:
    """Whether it is no model of embeddings, which Google's own format does not carry here."""
    return model is None or "embed" not in model


def bedrock(
    model: str | None, url: str | None, login: dict[str, Any], price: dict[str, Any] | None = None
) -> Upstream:
    """A model of Bedrock, by Converse; at an address that says so by its OpenAI-compatible endpoint."""
    if url and url.endswith("/v1"):
        return Upstream("bedrock", model, url, None, login, price)
    url = url or f"https://bedrock-runtime.{login['aws']['region']}.amazonaws.com"
    return Upstream("bedrock", model, url, None, login, price, Format.BEDROCK)


class VertexPlace(NamedTuple):
    """A Google Cloud project, and where in it."""

    project: str
    location: str


def vertex(
    model: str, place: VertexPlace, login: dict[str, Any], price: dict[str, Any] | None = None
) -> Upstream:
    """A model of Vertex AI: Gemini and Claude in formats of their own, others in OpenAI's."""
    project, location = place
    host = "aiplatform" if location == "global" else f"{location}-aiplatform"
    base = f"https://{host}.googleapis.com/v1/projects/{project}/locations/{location}"
    publisher, _, name = model.rpartition("/")
    maker = publisher.rpartition("/")[2]
    name = name.removeprefix("anthropic.")
    if maker in ("", "anthropic") and name.startswith("claude"):
        url = f"{base}/publishers/anthropic"
        return Upstream("vertex-ai", name, url, None, login, price, Format.ANTHROPIC_VERTEX)
    if maker in ("", "google") and name.startswith("gemini") and _generates(name):
        return Upstream("vertex-ai", name, f"{base}/publishers/google", None, login, price, Format.GEMINI)
    named = f"google/{name}" if name and not publisher else model
    return Upstream("vertex-ai", named or None, f"{base}/endpoints/openapi", None, login, price)


def azure(model: str | None, base: str, key: str | None, entra: dict[str, Any] | None) -> Upstream:
    """A model on Azure, from any address of its resource: Claude in its own format, others in OpenAI's."""
    url, format_ = azure_url(base), None
    if model and model.startswith("claude"):
        url, format_ = f"{url.removesuffix('/openai/v1').removesuffix('/v1')}/anthropic/v1", Format.ANTHROPIC
    return Upstream("azure", model, url, key, entra, format=format_)


def azure_url(base: str) -> str:
    """The version-free OpenAI endpoint of an Azure resource, from any address on it."""
    base = base.rstrip("/")
    host = urlsplit(base).hostname or ""
    if host.endswith(".models.ai.azure.com"):  # a deployment with a host of its own
        return with_v1(base)
    if own_host("azure", base) and "${" not in base:
        return f"{urlsplit(base).scheme}://{urlsplit(base).netloc}/openai/v1"
    for end in ("/openai/v1", "/openai"):
        if base.endswith(end):
            return f"{base.removesuffix(end)}/openai/v1"
    return f"{base.partition('/openai/')[0]}/openai/v1"


def own_host(provider: str, url: str | None) -> bool:
    """Whether a URL, or none, is of the provider itself, so that its well-known key may be sent there."""
    if not url:
        return True
    known = catalog_provider("google" if provider == "vertex-ai" else provider)
    if known is None:
        return False
    listed = (ENDPOINTS.get(known.name), URLS.get(known.name))
    hosts = {urlsplit(each).hostname or "" for each in listed if each} | {*OWN_HOSTS.get(known.name, ())}
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return urlsplit(url).scheme == "https" and any(host == own or host.endswith(f".{own}") for own in hosts)


def with_v1(base: str) -> str:
    """A base URL that ends with `/v1`."""
    base = base.rstrip("/")
    return base if base.endswith("/v1") else f"{base}/v1"
