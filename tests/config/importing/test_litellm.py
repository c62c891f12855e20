"""LiteLLM's config.yaml: providers by prefix, prices by the million, groups and aliases as models."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from baseload.config.importing import Imported, import_text
from baseload.errors import ConfigError
from tests.config.importing.conftest import spoken


def of(*params: dict[str, Any], **sections: Any) -> Imported:
    """What a file with one deployment of `chat` for each of these parameters becomes."""
    models = [{"model_name": "chat", "litellm_params": one} for one in params]
    return import_text("litellm", yaml.safe_dump({"model_list": models, **sections}), "config.yaml")


def only(**params: Any) -> dict[str, Any]:
    """The one target of these parameters."""
    [section] = of(params).config["targets"].values()
    assert isinstance(section, dict)
    return section


@pytest.mark.parametrize(
    ("model", "provider", "name", "key"),
    [
        ("gpt-4o", "openai", "gpt-4o", "OPENAI_API_KEY"),
        ("openai/gpt-4o", "openai", "gpt-4o", "OPENAI_API_KEY"),
        ("claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5", "ANTHROPIC_API_KEY"),
        ("gemini/gemini-2.5-pro", "google", "gemini-2.5-pro", "GEMINI_API_KEY"),
        ("together_ai/openai/gpt-oss-120b", "together", "openai/gpt-oss-120b", "TOGETHERAI_API_KEY"),
        ("xai/grok-4", "x-ai", "grok-4", "XAI_API_KEY"),
        ("openrouter/openai/gpt-4o", "openrouter", "openai/gpt-4o", "OPENROUTER_API_KEY"),
    ],
)
def test_the_prefix_is_the_provider(model: str, provider: str, name: str, key: str) -> None:
    """And where no key is written, the variable is the one that LiteLLM itself looks at."""
    section = only(model=model)
    assert section["metered"] == {"provider": provider, "key": f"${{{key}}}"}
    assert section["model"] == name


def test_an_engine_of_ones_own_is_owned() -> None:
    """What its hour costs is asked for; nothing makes it up."""
    found = of(
        {"model": "hosted_vllm/llama", "api_base": "http://10.0.0.7:8000/v1", "api_key": "os.environ/K"}
    )
    assert found.config["targets"]["chat"] == {
        "owned": {"engine": "vllm", "key": "${K}", "usd_per_hour": "${CHAT_USD_PER_HOUR}"},
        "url": "http://10.0.0.7:8000/v1",
        "model": "llama",
    }
    assert found.config["models"] == {"chat": {"owned": ["chat"]}}


def test_a_price_per_token_is_one_per_million_exactly() -> None:
    """The figures of the file, times a million; a price without its other half is listed."""
    section = only(model="gpt-4o", input_cost_per_token=2.1e-6, output_cost_per_token=8.4e-6)
    price = section["metered"]["price"]
    assert (price["input"], price["output"]) == (Decimal("2.1"), Decimal("8.4"))
    half = of({"model": "gpt-4o", "input_cost_per_token": 2.1e-6})
    assert "price" not in half.config["targets"]["chat"]["metered"]
    assert [one.key for one in half.not_carried] == ["model_list[0].litellm_params.input_cost_per_token"]


def test_a_wildcard_is_listed_and_not_made_up() -> None:
    """Nothing says which models it stands for."""
    found = of({"model": "openai/*"})
    assert found.config == {}
    assert len(found.not_carried) == 2


def test_the_nearest_timeout_holds() -> None:
    """A deployment's own before the router's, the router's before that of all requests."""
    router, settings = {"timeout": 200, "stream_timeout": 40}, {"request_timeout": 120}
    own = {"model": "gpt-4o", "timeout": 30, "stream_timeout": 5}
    found = of(own, {"model": "gpt-4o"}, router_settings=router, litellm_settings=settings)
    assert [section["timeouts"] for section in found.config["targets"].values()] == [
        {"ttft": "5s", "total": "30s"},
        {"ttft": "40s", "total": "200s"},
    ]
    assert [one.key for one in found.not_carried] == ["litellm_settings.request_timeout"]


def test_azure_and_bedrock_are_signed_in_to() -> None:
    """With Entra where an application is written, with AWS keys of the environment where none are."""
    azure = only(
        model="azure/dep", api_base="https://x.openai.azure.com", tenant_id="t", client_id="c",
        client_secret="os.environ/S",
    )  # fmt: skip
    assert azure["metered"]["entra"] == {"tenant": "t", "client": "c", "secret": "${S}"}
    assert azure["url"] == "https://x.openai.azure.com/openai/v1"
    bedrock = only(model="bedrock/us.anthropic.claude-sonnet-4", aws_region_name="us-east-1")
    assert bedrock["metered"]["aws"] == {"region": "us-east-1"}
    assert "region" not in bedrock  # an inference profile processes in several


@pytest.mark.parametrize(
    ("text", "line", "key", "message"),
    [
        ("model_list:\n  - model_name: a\n", 2, "model_list[0].litellm_params", "is required"),
        ("model_list: {a: 1}\n", 1, "model_list", "must be a list"),
        (
            "model_list:\n- model_name: a\n  litellm_params:\n    model: gpt-4o\n    rpm: lots\n",
            5,
            "model_list[0].litellm_params.rpm",
            "must be a number",
        ),
    ],
)
def test_a_broken_file_is_refused_with_its_place(text: str, line: int, key: str, message: str) -> None:
    """File, line and key of the first thing that is wrong."""
    with pytest.raises(ConfigError) as caught:
        import_text("litellm", text, "config.yaml")
    error = caught.value
    assert (error.file, error.line, error.key, error.reason) == ("config.yaml", line, key, message)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_]{1,20}", fullmatch=True),
        st.recursive(
            st.text(st.characters(codec="ascii", categories=("L", "N")), max_size=8) | st.integers(0, 9),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2)
            ),
            max_leaves=6,
        ),
        max_size=6,
    )
)
def test_whatever_is_written_is_listed(settings: dict[str, Any]) -> None:
    """Keys that nobody has heard of, at any depth, are in the list of what was not carried."""
    text = yaml.safe_dump({"general_settings": settings, "model_list": []})
    found = import_text("litellm", text, "config.yaml")
    listed = {one.path[:2] for one in spoken(found)}
    assert {("general_settings", name) for name in settings} <= listed


def groups(*names: str, **sections: Any) -> Imported:
    """What a file with one deployment for each of these groups becomes."""
    models = [
        {"model_name": name, "litellm_params": {"model": "gpt-4o", "api_key": "os.environ/K"}}
        for name in names
    ]
    return import_text("litellm", yaml.safe_dump({"model_list": models, **sections}), "config.yaml")


def lists_of(found: Imported) -> dict[str, Any]:
    """The fallback lists of every model that has some."""
    return {name: model["fallback"] for name, model in found.config["models"].items() if "fallback" in model}


def test_fallbacks_are_lists_of_models_by_cause() -> None:
    """Each of LiteLLM's three lists is one of ours, in order."""
    found = groups(
        "a",
        "b",
        "c",
        router_settings={
            "fallbacks": [{"a": ["b", "c"]}],
            "context_window_fallbacks": [{"a": ["c"]}],
            "content_policy_fallbacks": [{"b": ["a"]}],
        },
    )
    assert lists_of(found) == {
        "a": {"context_length": ["c"], "error": ["b", "c"]},
        "b": {"content_policy": ["a"]},
    }
    assert [one for one in found.not_carried if "fallbacks" in one.key] == []


def test_a_list_for_errors_is_for_the_other_causes_where_they_have_none() -> None:
    """LiteLLM asks `fallbacks` after every failure for which the file has no list of its own kind."""
    found = groups("a", "b", litellm_settings={"fallbacks": [{"a": ["b"]}]})
    assert lists_of(found) == {"a": {"context_length": ["b"], "content_policy": ["b"], "error": ["b"]}}


def test_a_default_is_for_every_group_without_a_list() -> None:
    """By `default_fallbacks` or the group `*`; no group falls back to itself."""
    sections: list[dict[str, Any]] = [
        {"fallbacks": [{"a": ["b"]}], "default_fallbacks": ["c"]},
        {"fallbacks": [{"a": ["b"]}, {"*": ["c"]}]},
    ]
    for settings in sections:
        found = groups("a", "b", "c", litellm_settings={"context_window_fallbacks": [], **settings})
        assert {name: lists["error"] for name, lists in lists_of(found).items()} == {"a": ["b"], "b": ["c"]}


def test_the_routers_list_holds_before_the_librarys() -> None:
    """As in LiteLLM; the other one is listed."""
    found = groups(
        "a",
        "b",
        "c",
        router_settings={"fallbacks": [{"a": ["b"]}]},
        litellm_settings={"fallbacks": [{"a": ["c"]}]},
    )
    assert lists_of(found)["a"]["error"] == ["b"]
    assert [one.key for one in found.not_carried] == ["litellm_settings.fallbacks[0].a"]


def test_a_fallback_to_nothing_is_listed() -> None:
    """A group that was not carried, and one with parameters of its own; what remains is carried."""
    found = groups("a", "b", router_settings={"fallbacks": [{"a": ["gone", "b"]}, {"b": [{"model": "x"}]}]})
    assert lists_of(found)["a"]["error"] == ["b"]
    reasons = {one.key: one.why for one in found.not_carried}
    assert reasons["router_settings.fallbacks[0].a"] == "gone: nothing of this name was carried"
    assert "router_settings.fallbacks[1].b[0].model" in reasons


def test_targets_speak_the_format_that_the_file_used() -> None:
    """Converse at Bedrock, Gemini's and Claude's own at Google, OpenAI's for what else Vertex serves."""
    base = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5"
    vertex = {"vertex_project": "p", "vertex_location": "us-east5"}
    cases: list[tuple[dict[str, Any], tuple[str | None, str | None, str]]] = [
        (
            {"model": "bedrock/anthropic.claude-x", "aws_region_name": "eu-west-1"},
            ("bedrock", "https://bedrock-runtime.eu-west-1.amazonaws.com", "anthropic.claude-x"),
        ),
        (
            {
                "model": "bedrock/openai.gpt-oss",
                "aws_region_name": "eu-west-1",
                "aws_bedrock_runtime_endpoint": "https://host/openai/v1",
            },
            (None, "https://host/openai/v1", "openai.gpt-oss"),
        ),
        ({"model": "gemini/gemini-2.5-pro"}, ("gemini", None, "gemini-2.5-pro")),
        ({"model": "gemini/gemini-embedding-001"}, (None, None, "gemini-embedding-001")),
        (
            {"model": "vertex_ai/gemini-2.5-pro", **vertex},
            ("gemini", f"{base}/publishers/google", "gemini-2.5-pro"),
        ),
        (
            {"model": "vertex_ai/claude-sonnet-4-5@20250929", **vertex},
            ("anthropic-vertex", f"{base}/publishers/anthropic", "claude-sonnet-4-5@20250929"),
        ),
        (
            {"model": "vertex_ai/meta/llama-4", **vertex},
            (None, f"{base}/endpoints/openapi", "meta/llama-4"),
        ),
        ({"model": "claude-sonnet-4-5"}, (None, None, "claude-sonnet-4-5")),
    ]
    for params, wanted in cases:
        section = only(**params)
        assert (section.get("format"), section.get("url"), section["model"]) == wanted


def test_an_engine_that_asks_for_no_key_gets_none() -> None:
    """What stands for no key is none, and no variable that may be somebody's real key takes its place."""
    for word in ("none", "EMPTY", "not-needed"):
        section = only(model="openai/mine", api_base="http://10.0.0.9:8000/v1", api_key=word)
        assert section["metered"]["key"] == "none"
        assert "key" not in only(model="hosted_vllm/m", api_base="http://10.0.0.9/v1", api_key=word)["owned"]


def test_a_well_known_key_goes_to_its_provider_alone() -> None:
    """At another host, or over plain HTTP, the key has a variable of its own."""
    for base, key in (
        (None, "${OPENAI_API_KEY}"),
        ("https://eu.api.openai.com/v1", "${OPENAI_API_KEY}"),
        ("http://api.openai.com/v1", "${CHAT_API_KEY}"),
        ("https://api.openai.com.example.com/v1", "${CHAT_API_KEY}"),
        ("http://10.0.0.9:8000/v1", "${CHAT_API_KEY}"),
    ):
        section = only(model="openai/gpt-4o", **({"api_base": base} if base else {}))
        assert section["metered"]["key"] == key, base


def test_a_model_without_a_known_price_has_one_asked_for() -> None:
    """A deployment's name says nothing, nor does a model of one's own behind a provider's name."""
    azure = {
        "model": "azure/our-deployment",
        "api_base": "https://x.openai.azure.com",
        "api_key": "os.environ/K",
    }
    asked = {"input": "${CHAT_INPUT_USD}", "output": "${CHAT_OUTPUT_USD}"}
    assert only(**azure)["metered"]["price"] == asked
    assert only(model="openai/mine", api_base="http://10.0.0.9/v1")["metered"]["price"] == asked
    assert "price" not in only(model="gpt-4o")["metered"]


def test_a_base_model_gives_its_price() -> None:
    """The catalog's price of what the deployment says it is; carried, not thrown away."""
    text = {
        "model_list": [
            {
                "model_name": "chat",
                "litellm_params": {"model": "azure/gpt-4o-eu", "api_base": "https://x.openai.azure.com"},
                "model_info": {"base_model": "azure/gpt-4o"},
            }
        ]
    }
    found = import_text("litellm", yaml.safe_dump(text), "config.yaml")
    price = found.config["targets"]["chat"]["metered"]["price"]
    assert (price["input"], price["output"]) == (Decimal("2.5"), Decimal(10))
    assert "azure/gpt-4o" in price["source"]
    assert found.not_carried == ()


@pytest.mark.parametrize(
    ("base", "model", "url"),
    [
        (
            "https://x.services.ai.azure.com/models",
            "mistral-large",
            "https://x.services.ai.azure.com/openai/v1",
        ),
        ("https://x.openai.azure.com/openai/v1/", "gpt", "https://x.openai.azure.com/openai/v1"),
        ("https://x.services.ai.azure.com", "claude-x", "https://x.services.ai.azure.com/anthropic/v1"),
        ("https://phi.eastus2.models.ai.azure.com", "phi", "https://phi.eastus2.models.ai.azure.com/v1"),
    ],
)
def test_any_address_of_an_azure_resource_leads_to_its_endpoint(base: str, model: str, url: str) -> None:
    """The one that serves this model, whatever the path they had."""
    section = only(model=f"azure_ai/{model}", api_base=base, api_key="os.environ/K")
    assert (section["url"], section["model"]) == (url, model)


def test_a_model_that_is_asked_by_responses_says_so() -> None:
    """The word for it is no part of the model's name."""
    section = only(model="openai/responses/gpt-5", api_key="os.environ/K")
    assert (section["model"], section["responses"]) == ("gpt-5", True)


def test_header_fields_are_the_targets_and_hidden() -> None:
    """A literal value becomes a variable, since it may be a secret; the credential's own place is listed."""
    params = {"model": "gpt-4o", "api_key": "os.environ/K", "organization": "org-7"}
    found = of({**params, "extra_headers": {"X-Team": "seven", "x-b": "os.environ/B", "api-key": "z"}})
    assert found.config["targets"]["chat"]["headers"] == {
        "x-team": "${CHAT_X_TEAM}",
        "x-b": "${B}",
        "openai-organization": "${CHAT_OPENAI_ORGANIZATION}",
    }
    assert [one.key.rpartition(".")[2] for one in found.not_carried] == ["api-key"]


def test_an_owned_targets_token_prices_are_listed_with_advice_it_can_follow() -> None:
    """It is paid by the hour; a `price` it cannot have is not spoken of."""
    engine = {"model": "hosted_vllm/m", "api_base": "http://10.0.0.9:8000/v1", "input_cost_per_token": 1e-6}
    [listed] = of(engine).not_carried
    assert "hour" in listed.why
    assert "price" not in listed.do


def test_an_alias_has_the_lists_of_its_group() -> None:
    """Who asks by the alias is served as who asks for the group."""
    router = {"fallbacks": [{"a": ["b"]}], "model_group_alias": {"also": "a"}}
    models = groups("a", "b", router_settings=router).config["models"]
    assert models["also"] == models["a"]
    assert models["also"]["fallback"]["error"] == ["b"]


def test_a_teams_model_is_for_its_tenant_alone() -> None:
    """Every tenant then lists what it may ask for; a model served to all by another deployment stays so."""

    def entry(name: str, **info: str) -> dict[str, Any]:
        params = {"model": "gpt-4o", "api_key": "os.environ/K"}
        return {"model_name": name, "litellm_params": params, **({"model_info": info} if info else {})}

    listed = [entry("open"), entry("theirs", team_id="t1"), entry("both", team_id="t1"), entry("both")]
    found = import_text("litellm", yaml.safe_dump({"model_list": listed}), "config.yaml")
    assert {name: tenant["models"] for name, tenant in found.config["tenants"].items()} == {
        "default": ["open", "both"],
        "t1": ["open", "both", "theirs"],
    }
    assert [one.key for one in found.not_carried] == ["model_list[2].model_info.team_id"]


@pytest.mark.parametrize(
    ("mode", "unit"),
    [
        ("image_generation", "image"),
        ("audio_transcription", "second"),
        ("audio_speech", "character"),
        ("moderation", "request"),
        ("rerank", "search"),
    ],
)
def test_what_is_not_counted_in_tokens_has_its_own_price_asked_for(mode: str, unit: str) -> None:
    """By what its path counts, as a model that is asked there."""
    listed = [
        {
            "model_name": "special",
            "litellm_params": {"model": "openai/some-model", "api_key": "os.environ/K"},
            "model_info": {"mode": mode},
        }
    ]
    found = import_text("litellm", yaml.safe_dump({"model_list": listed}), "config.yaml")
    metered = found.config["targets"]["special"]["metered"]
    assert metered["unit_price"] == {unit: f"${{SPECIAL_{unit.upper()}_USD}}"}
    assert found.not_carried == ()


def test_a_mode_without_a_path_is_listed_whole() -> None:
    """A model of realtime sessions must not be asked for chats."""
    params = {"model": "openai/gpt-realtime", "api_key": "os.environ/K"}
    listed = [{"model_name": "live", "litellm_params": params, "model_info": {"mode": "realtime"}}]
    found = import_text("litellm", yaml.safe_dump({"model_list": listed}), "config.yaml")
    assert (found.config, len(found.not_carried)) == ({}, 4)


def test_embeddings_of_bedrock_are_listed() -> None:
    """Converse has none, so a target made of them would answer nobody."""
    found = of({"model": "bedrock/amazon.titan-embed-text-v2:0", "aws_region_name": "us-east-1"})
    assert found.config == {}
    assert {one.why.partition(",")[0] for one in found.not_carried} == {"Converse has no embeddings"}
