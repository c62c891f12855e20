"""Open models: names, what the KV cache takes, what the weights weigh; all from the configuration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.catalog.models import BITS_PER_WEIGHT, open_model, open_models
from baseload.catalog.tables import normal
from baseload.catalog.weights import count_parameters
from baseload.errors import UnknownName

NAMES = [each.name for each in open_models()]

NEEDED = (
    "llama-3.1-8b llama-3.1-70b llama-3.1-405b llama-3.3-70b llama-4-scout llama-4-maverick qwen2.5-72b "
    "qwen3-32b qwen3-235b-a22b deepseek-v3 mixtral-8x22b mixtral-8x7b gpt-oss-20b gpt-oss-120b"
)


def test_the_models_people_own_are_held() -> None:
    """Every model the planner is asked about has a row, and no two rows share a name."""
    assert set(NEEDED.split()) - set(NAMES) == set()
    names = [name for each in open_models() for name in {normal(name) for name in (each.name, *each.aliases)}]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "name",
    ["llama-3.3-70b", "meta-llama/Llama-3.3-70B-Instruct", "Llama_3.3_70B", "unsloth/Llama-3.3-70B-Instruct"],
)
def test_a_model_answers_to_its_spellings(name: str) -> None:
    """Our short name, the Hugging Face id, any owner's copy of it, in any case."""
    assert open_model(name).name == "llama-3.3-70b"


def test_an_unknown_model_names_the_nearest() -> None:
    """A model that is not held is answered with one that is."""
    with pytest.raises(UnknownName) as caught:
        open_model("llama-3.4-70b")
    assert "llama-3" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("llama-3.3-70b", 327_680),  # 2 · 80 layers · 8 heads · 128 · 2 bytes
        ("llama-3.1-8b", 131_072),
        ("qwen3-235b-a22b", 192_512),
        ("deepseek-v3", 70_272),  # (512 + 64) · 61 layers · 2 bytes
        ("gpt-oss-120b", 73_728),
        ("qwen3.5-397b-a17b", 30_720),  # 15 of 60 layers have a cache, the others a state
        ("glm-5", 109_824),  # (512 + 64 + an index key of 128) · 78 layers · 2 bytes
    ],
)
def test_kv_bytes_follow_from_the_configuration(name: str, expected: int) -> None:
    """Grouped-query: 2·layers·heads·dim·2; latent: (latent + rotary)·layers·2."""
    assert open_model(name).kv_bytes_per_token == expected


@pytest.mark.parametrize(
    ("name", "card_b"),
    [("qwen3.5-397b-a17b", 397), ("glm-5", 744), ("minimax-m2.5", 229), ("deepseek-v3.2", 685)],
)
def test_newer_architectures_are_counted_too(name: str, card_b: float) -> None:
    """Linear, sparse and gated attention: within 3% of the card (which may count a prediction module)."""
    assert open_model(name).parameters == pytest.approx(card_b * 1e9, rel=0.03)


def test_windowed_layers_stop_growing() -> None:
    """Half of gpt-oss' layers see 128 tokens: beyond, a token costs half."""
    oss = open_model("gpt-oss-20b")
    assert oss.kv_bytes(100) == 100 * oss.kv_bytes_per_token
    assert oss.kv_bytes(10_001) - oss.kv_bytes(10_000) == oss.kv_bytes_per_token // 2


@given(st.sampled_from(NAMES), st.integers(0, 10_000_000))
def test_windows_never_cost_more(name: str, tokens: int) -> None:
    """The cache of a sequence is at most its tokens at the full rate, half of that in fp8."""
    model = open_model(name)
    assert 0 <= model.kv_bytes(tokens) <= tokens * model.kv_bytes_per_token
    assert model.kv_bytes(tokens, "fp8") * 2 == model.kv_bytes(tokens)


@pytest.mark.parametrize(
    ("name", "precision", "published_gb"),
    [
        ("llama-3.3-70b", "fp8", 72.7),
        ("gpt-oss-20b", "mxfp4", 13.8),
        ("gpt-oss-120b", "mxfp4", 65.2),
        ("kimi-k2.5", "int4", 594.0),
    ],
)
def test_weights_weigh_what_checkpoints_do(name: str, precision: str, published_gb: float) -> None:
    """Within 1% of published checkpoints, which keep embeddings (and gpt-oss its attention) at 16 bits."""
    assert open_model(name).weight_bytes(precision) == pytest.approx(published_gb * 1e9, rel=0.01)


def test_every_model_is_whole() -> None:
    """Active weights are a part of all, the precisions are known, source, date and check are not empty."""
    for each in open_models():
        assert 0 < each.active_parameters <= each.parameters
        assert 0 <= each.expert_parameters < each.parameters
        assert set(each.precisions) <= set(BITS_PER_WEIGHT)
        assert each.context_tokens >= 32_768
        assert all((each.source, each.as_of, each.checked, each.licence)), each.name


def test_weights_are_counted_as_published() -> None:
    """DeepSeek-V3's main model: 671B, of which a token meets 37B with its embedding."""
    model = open_model("deepseek-v3")
    assert model.parameters == 671_026_419_200
    with_embedding = model.active_parameters + model.vocabulary * model.hidden_size
    assert with_embedding == pytest.approx(37e9, rel=0.02)


def test_an_unknown_architecture_cannot_be_counted() -> None:
    """Better no count than a wrong one."""
    with pytest.raises(ValueError, match="retnet"):
        count_parameters("retnet", {"layers": 2, "hidden_size": 8})


def test_a_user_can_add_a_model() -> None:
    """A fine-tune of another shape, with only what is needed."""
    mine = open_model("mine", {"mine": {"parameters": 1_000_000, "layers": 2, "kv_heads": 1, "head_dim": 4}})
    assert (mine.active_parameters, mine.kv_bytes_per_token) == (1_000_000, 32)
    assert mine.source == "user override"


def test_a_named_quantised_checkpoint_is_a_precision() -> None:
    """Whatever an alias says it is quantised to can be asked for."""
    for each in open_models():
        for alias in each.aliases:
            for word, precision in (("nvfp4", "nvfp4"), ("-fp8", "fp8")):
                assert word not in alias.lower() or precision in each.precisions, alias


def test_experts_alone_are_quantised_where_the_checkpoint_does_so() -> None:
    """Kimi's attention and shared expert stay at 16 bits: more bytes than 4 bits for everything."""
    kimi = open_model("kimi-k2.5")
    rest = kimi.parameters - kimi.expert_parameters
    assert kimi.weight_bytes("int4") == round(rest * 2 + kimi.expert_parameters * 4.5 / 8)
    assert kimi.expert_bits("int4") == 4.5
    assert open_model("mixtral-8x7b").expert_bits("int4") == 4.25
