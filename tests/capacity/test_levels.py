"""What setups have in common: groups from all to one configuration, and what names a network."""

from __future__ import annotations

from baseload.capacity.levels import BASIS, DIFFER, GROUPED, LEVELS, Reach, basis, family, keys, kind, levels
from baseload.capacity.terms import TERMS, Load, Setup
from baseload.catalog.gpus import gpu
from baseload.catalog.models import open_model

LLAMA, H100 = open_model("llama-3.3-70b"), gpu("h100")


def test_one_network_is_one_family() -> None:
    """Llama 3.3 70B is 3.1's network, R1 is V3's; Kimi K2.5, though of the same form, is its own."""
    assert family(LLAMA) == "llama-3.1-70b"
    assert family(open_model("deepseek-r1")) == "deepseek-v3"
    assert family(open_model("kimi-k2.5")) != "deepseek-v3"


def test_networks_of_a_kind_run_with_the_same_kernels() -> None:
    """Latent attention before experts; a dense one is neither."""
    kinds = {name: kind(open_model(name)) for name in ("llama-3.1-8b", "gpt-oss-120b", "deepseek-v3")}
    assert kinds == {"llama-3.1-8b": "dense", "gpt-oss-120b": "experts", "deepseek-v3": "latent"}


def test_a_setup_has_a_group_at_every_level() -> None:
    """Named by the level's attributes; the last is the configuration, which names all of them."""
    found = keys(Setup(LLAMA, H100, "fp8", tensor=2))
    assert len(found) == len(LEVELS)
    assert found[0] == ""
    assert found[-1] == "llama-3.1-70b|H100-SXM|vllm|fp8|tp2|dp1|ep1"
    assert dict(zip(GROUPED, found, strict=True))["kind+engine+gpu"] == "dense|vllm|H100-SXM"


def test_six_figures_say_how_wide_all_levels_are() -> None:
    """A level is as wide as what its groups hold together."""
    assert set(DIFFER) == set(Reach)
    for level in levels({Reach.ALL: (1.0, 2.0), Reach.KIND: (3.0, 4.0), Reach.MODEL: (5.0, 6.0)}):
        expected = (5.0, 6.0) if "model" in level.by else (3.0, 4.0) if "kind" in level.by else (1.0, 2.0)
        assert (level.shift, level.slope) == expected


def test_the_features_are_those_that_are_named() -> None:
    """As many as names; at sixteen requests of 1,024/1,024 on four GPUs only the shares are left."""
    parts = [1 / len(TERMS)] * len(TERMS)
    found = dict(
        zip(BASIS, basis(parts, Setup(LLAMA, H100, "fp8", tensor=4), Load(16, 1024, 1024)), strict=True)
    )
    assert found["one"] == 1
    assert [found[name] for name in ("concurrency", "input", "output", "gpus", "copies", "spread")] == [0] * 6
    assert 0 < found["cache"] < 1
