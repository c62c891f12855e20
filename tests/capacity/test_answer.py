"""What one replica gives: memory first, then the metrics, then what a user says of the engine."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from baseload.capacity.anchors import Anchor
from baseload.capacity.answer import Factors, answer
from baseload.capacity.launch import launch_command
from baseload.capacity.memory import check, most_at_once
from baseload.capacity.search import Wanted, fullest, search
from baseload.capacity.terms import Load, Setup, has_arithmetic_for
from baseload.catalog.gpus import gpu
from baseload.catalog.models import open_model
from baseload.core import Slo
from baseload.errors import UnknownName, UsageError

LLAMA, H100 = open_model("llama-3.3-70b"), gpu("h100")
PAIR = Setup(LLAMA, H100, "fp8", tensor=2)
LOAD = Load(32, 1024, 1024)


def test_memory_caps_the_concurrency_and_says_so() -> None:
    """bf16 weights leave two H100s room for a dozen such requests, an 8-bit cache for twice as many."""
    setup = Setup(LLAMA, H100, "bf16", tensor=2)
    found = answer(setup, Load(64, 1024, 1024))
    assert (found.concurrency_asked, found.capped_by) == (64, "memory")
    assert found.concurrency == most_at_once(setup, 2048) < 20
    small = answer(setup, Load(64, 1024, 1024), Factors(kv_precision="fp8"))
    assert small.concurrency == pytest.approx(2 * found.concurrency, abs=1)


def test_the_engines_limit_caps_too() -> None:
    """An admission limit below memory's is the one that is named."""
    found = answer(PAIR, Load(64, 512, 64), max_sequences=8)
    assert (found.concurrency, found.capped_by) == (8, "the engine's limit of sequences")


def test_what_does_not_fit_is_refused() -> None:
    """Weights too large, or a request larger than the room or the context window."""
    with pytest.raises(UsageError, match="does not fit 1 x H100-SXM"):
        answer(Setup(LLAMA, H100, "bf16"), LOAD)
    with pytest.raises(UsageError, match="does not fit 2 x H100-SXM"):
        answer(Setup(LLAMA, H100, "bf16", tensor=2), Load(1, 60_000, 1000))
    with pytest.raises(UsageError, match="context window"):
        answer(PAIR, Load(1, 140_000, 10))


def test_throughput_follows_from_the_metrics() -> None:
    """C·osl / (TTFT + (osl − 1)·TPOT), and the interval contains it."""
    found = answer(PAIR, LOAD)
    e2e_ms = found.ttft_ms + 1023 * found.tpot_ms
    assert found.e2e_ms == pytest.approx(e2e_ms)
    assert found.output_tokens_per_s == pytest.approx(32 * 1024 / e2e_ms * 1e3)
    assert found.output_tokens_per_s_low < found.output_tokens_per_s < found.output_tokens_per_s_high
    assert found.tpot_ms_low < found.tpot_ms < found.tpot_ms_high
    assert found.ttft_ms_low < found.ttft_ms < found.ttft_ms_high


def test_factors_do_what_they_say() -> None:
    """Cached prompts help both metrics, speculation divides TPOT, adapters multiply it, small chunks wait."""
    load = Load(32, 8192, 1024)
    plain = answer(PAIR, load)
    cached = answer(PAIR, load, Factors(cached_share=0.8))
    assert cached.ttft_ms < plain.ttft_ms
    assert cached.tpot_ms < plain.tpot_ms
    assert answer(PAIR, load, Factors(accepted_tokens=2.0)).tpot_ms == pytest.approx(plain.tpot_ms / 2)
    assert answer(PAIR, load, Factors(lora_slowdown=1.2)).tpot_ms == pytest.approx(plain.tpot_ms * 1.2)
    chunked = answer(PAIR, load, Factors(chunk_tokens=512))
    assert chunked.ttft_ms > plain.ttft_ms
    assert chunked.longest_gap_ms < plain.longest_gap_ms


@pytest.mark.parametrize("wrong", [{"cached_share": 1.0}, {"chunk_tokens": 0}, {"accepted_tokens": 0.5}])
def test_impossible_factors_are_refused(wrong: dict[str, float]) -> None:
    """A share of all, no chunk, fewer than one token a step."""
    with pytest.raises(UsageError):
        answer(PAIR, LOAD, Factors(**wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "factors",
    [
        Factors(accepted_tokens=2.5),
        Factors(lora_slowdown=1.3),
        Factors(cached_share=0.7),
        Factors(chunk_tokens=512, lora_slowdown=1.1, cached_share=0.3),
    ],
)
def test_what_an_anchor_has_in_it_counts_once(factors: Factors) -> None:
    """Points that a model says of an engine with factors change nothing: the factors are in both already."""
    setup = Setup(open_model("mixtral-8x22b"), H100, "fp8", tensor=8)
    load = Load(16, 4096, 512)
    before = answer(setup, load, factors)
    point = Anchor(load, before.tpot_ms / 1e3, before.ttft_ms / 1e3)
    after = answer(setup, load, factors, [point])
    assert after.tpot_ms == pytest.approx(before.tpot_ms)
    assert after.ttft_ms == pytest.approx(before.ttft_ms)
    assert after.tpot_ms_high < before.tpot_ms_high
    assert after.ttft_ms_high < before.ttft_ms_high


def test_tokens_that_are_accepted_replace_what_measured_runs_guessed() -> None:
    """2.5 accepted tokens halve and more the TPOT of an engine that does not guess, said or not."""
    setup = Setup(open_model("deepseek-v3"), gpu("b200"), "fp8", "trtllm", tensor=8, expert=8)
    plain = answer(replace(setup, speculative=0.0), LOAD)
    for said in (None, 0.0, 1.0):
        found = answer(replace(setup, speculative=said), LOAD, Factors(accepted_tokens=2.5))
        assert found.tpot_ms == pytest.approx(plain.tpot_ms / 2.5)


def test_anchors_that_contradict_are_named() -> None:
    """TPOT three times the measured configuration's; an agreeing point is not."""
    before = answer(PAIR, LOAD)
    agreeing = answer(PAIR, LOAD, anchors=[Anchor(LOAD, before.tpot_ms / 1e3)])
    against = answer(PAIR, LOAD, anchors=[Anchor(LOAD, 3 * before.tpot_ms / 1e3)])
    assert "contradicts" not in agreeing.basis
    assert "their TPOT contradicts it" in against.basis
    assert against.tpot_ms_high / against.tpot_ms_low > before.tpot_ms_high / before.tpot_ms_low


def test_the_search_finds_the_cheapest_that_keeps_the_slo() -> None:
    """Everything found keeps the SLO, is in order of price, and one more request at once breaks it."""
    slo = Slo(2.0, 0.03)
    wanted = Wanted(1024, 1024, slo)
    found = search(LLAMA, [H100], wanted, engines=("vllm",), counts=(2, 4))
    assert found
    prices = [each.usd_per_million_output_tokens for each in found]
    assert prices == sorted(prices)
    for each in found:
        assert each.answer.tpot_ms <= 30
        assert each.answer.ttft_ms <= 2000
        more = answer(each.setup, Load(each.answer.concurrency + 1, 1024, 1024))
        assert more.tpot_ms > 30 or more.ttft_ms > 2000 or more.capped_by


def test_a_load_takes_as_many_replicas_as_it_needs() -> None:
    """By dollars an hour, whole replicas."""
    found = search(
        LLAMA, [H100], Wanted(1024, 1024, Slo(2, 0.04), tokens_per_s=10_000), engines=("vllm",), counts=(2,)
    )
    best = found[0]
    assert best.replicas * best.answer.output_tokens_per_s >= 10_000
    assert (best.replicas - 1) * best.answer.output_tokens_per_s < 10_000
    assert best.usd_per_hour == pytest.approx(best.replicas * best.usd_per_replica_hour)


def test_an_slo_nobody_keeps_finds_nothing() -> None:
    """A tenth of a millisecond a token; and caution finds no more than the middle does."""
    assert fullest(PAIR, Wanted(1024, 1024, Slo(2.0, 0.0001))) is None
    middle = fullest(PAIR, Wanted(1024, 1024, Slo(2.0, 0.03)))
    cautious = fullest(PAIR, Wanted(1024, 1024, Slo(2.0, 0.03), cautious=True))
    assert middle is not None
    assert cautious is not None
    assert cautious.concurrency < middle.concurrency


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ("vllm", ["vllm serve", "--data-parallel-size 8", "--enable-expert-parallel"]),
        (
            "sglang",
            ["sglang.launch_server", "--tp-size 8", "--dp-size 8 --enable-dp-attention", "--ep-size 8"],
        ),
        ("trtllm", ["trtllm-serve", "--tp_size 8", "--ep_size 8"]),
    ],
)
def test_the_launch_command_says_the_setup(engine: str, words: list[str]) -> None:
    """Each engine's own flags, the checkpoint, and the split."""
    setup = Setup(open_model("deepseek-v3"), gpu("h200"), "fp8", engine, data=8, expert=8)
    command = launch_command(setup)
    for word in (*words, "deepseek-ai/DeepSeek-V3"):
        assert word in command


def test_a_checkpoint_nobody_knows_is_asked_for() -> None:
    """NVFP4 weights are not made while loading: the command says what to look for."""
    assert "'<nvfp4 checkpoint of llama-3.3-70b>'" in launch_command(Setup(LLAMA, gpu("b200"), "nvfp4"))


def test_a_search_proposes_no_format_that_the_gpu_cannot_compute_in() -> None:
    """NVFP4 needs FP4 arithmetic, FP8 its own: an H100 is offered no NVFP4, an A100 neither, a B200 both."""
    wanted = Wanted(1024, 256, Slo(ttft_s=5.0, tpot_s=0.1))
    proposed = {
        name: {found.setup.precision for found in search(LLAMA, [gpu(name)], wanted)}
        for name in ("a100", "h100", "b200")
    }
    assert proposed["a100"].isdisjoint({"nvfp4", "fp8"})
    assert "nvfp4" not in proposed["h100"]
    assert "fp8" in proposed["h100"]
    assert {"nvfp4", "fp8"} <= proposed["b200"]


def test_a_search_proposes_no_engine_that_the_gpu_cannot_run() -> None:
    """TensorRT-LLM and NVFP4 are NVIDIA's: an Instinct is offered neither."""
    proposed = search(LLAMA, [gpu("mi300x")], Wanted(1024, 256, Slo(ttft_s=5.0, tpot_s=0.1)))
    assert {found.setup.engine for found in proposed} == {"vllm", "sglang"}
    with pytest.raises(UsageError, match="TensorRT-LLM does not run"):
        check(Setup(LLAMA, gpu("mi355x"), "fp8", "trtllm"))
    assert not has_arithmetic_for(gpu("mi355x"), "nvfp4")


def test_instances_are_rented_whole() -> None:
    """What serves the wanted tokens/s costs a whole number of instances with room for whole replicas."""
    for tokens_per_s in (100.0, 5_000.0, 60_000.0):
        for found in search(LLAMA, [H100], Wanted(1024, 256, Slo(5.0, 0.1), tokens_per_s=tokens_per_s)):
            assert found.offer.gpus >= found.setup.gpus
            instances = found.usd_per_hour / (found.offer.usd_nano_per_hour / 1e9)
            assert instances == pytest.approx(round(instances))
            assert round(instances) * (found.offer.gpus // found.setup.gpus) >= found.replicas


def test_a_search_for_nothing_is_refused() -> None:
    """An engine that is none and a wish that is none say so; they are no SLO that cannot be kept."""
    wanted = Wanted(1024, 256, Slo(5.0, 0.1))
    with pytest.raises(UnknownName, match="engine"):
        search(LLAMA, [H100], wanted, engines=("foo",))
    with pytest.raises(UsageError, match="16 GPUs"):
        search(LLAMA, [H100], wanted, counts=(16,))
    for wish in (0.0, -5.0, float("nan")):
        with pytest.raises(UsageError, match="positive"):
            search(LLAMA, [H100], Wanted(1024, 256, Slo(5.0, 0.1), tokens_per_s=wish))


def test_the_command_starts_with_a_context_that_fits() -> None:
    """Where the cache holds less than the model's whole context the engine is told so, else left alone."""
    small = Setup(open_model("llama-3.1-8b"), gpu("l4"), "bf16")
    assert "--max-model-len" in launch_command(small)
    assert "--max-model-len" not in launch_command(PAIR)
