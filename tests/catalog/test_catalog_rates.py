"""Rates: the price of a day, compiled once, cached whole, never 0 for a price nobody knows."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from genai_prices import Usage, calc_price
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.catalog import rates
from baseload.catalog.providers import provider, provider_names, providers
from baseload.catalog.published import model_ids
from baseload.catalog.rates import RateTable, compile_rates, load_or_compile, pair_key
from baseload.core import LongContext, TokenPrice, Tokens
from baseload.errors import EnvironmentProblem
from baseload.money import NANO, token_cost

DAY = date(2026, 11, 22)
USD = NANO


def price(provider: str, model: str, on: date = DAY) -> TokenPrice | None:
    """The compiled price of one pair."""
    return compile_rates([(provider, model)], on).price(provider, model)


def known(provider: str, model: str, on: date = DAY) -> TokenPrice:
    """The compiled price of one pair that has one."""
    found = price(provider, model, on)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("on", "expected"), [(date(2025, 6, 1), (10, 40)), (date(2025, 6, 20), (2, 8))], ids=["before", "after"]
)
def test_the_day_decides(on: date, expected: tuple[int, int]) -> None:
    """o3 cost $10/$40 until its price fell to $2/$8 on 10 June 2025."""
    o3 = known("openai", "o3", on)
    assert (o3.input, o3.output) == (expected[0] * USD, expected[1] * USD)
    assert o3.as_of == on.isoformat()
    assert o3.source.startswith("genai-prices ")


def test_prices_are_exact_integers() -> None:
    """GPT-4o's $2.50, $10 and $1.25 come out to the nano-dollar."""
    gpt_4o = known("openai", "gpt-4o")
    assert (gpt_4o.input, gpt_4o.output, gpt_4o.cached_input) == (
        2_500_000_000,
        10_000_000_000,
        1_250_000_000,
    )


def test_long_prompts_have_their_own_price() -> None:
    """Gemini 2.5 Pro doubles above 200,000 input tokens, for the whole request."""
    tier = known("google", "gemini-2.5-pro").long_context
    assert tier == LongContext(200_000, 2_500_000_000, 15_000_000_000, 250_000_000)


def test_long_prompts_write_caches_at_their_own_price() -> None:
    """Claude Sonnet 4.5 doubles above 200,000 input tokens, tokens written to a cache too."""
    price = known("anthropic", "claude-sonnet-4-5")
    assert price.cache_write == 3_750_000_000
    assert price.long_context == LongContext(
        200_000, 6_000_000_000, 22_500_000_000, 600_000_000, 7_500_000_000, cache_write_1h=12_000_000_000
    )


def test_a_price_by_the_hour_is_the_dearest() -> None:
    """DeepSeek's day and night prices: nothing is booked below its cost, and the source says so."""
    chat = known("deepseek", "deepseek-chat", date(2025, 6, 1))
    assert (chat.input, chat.output) == (270_000_000, 1_100_000_000)
    assert chat.source.endswith("(dearest hour of the day)")


@pytest.mark.parametrize(
    "pair", [("no-such-firm", "gpt-4o"), ("openai", "no-such-model"), ("github-copilot", "gpt-4o")]
)
def test_what_nobody_prices_is_none(pair: tuple[str, str]) -> None:
    """An unknown provider, an unknown model and a model listed without a price are None, not 0."""
    table = compile_rates([pair], DAY)
    assert {pair_key(*pair): None} == table.rates
    assert [pair_key(*pair)] == table.unknown()


def test_the_frozen_table_fills_the_gaps_from_its_date_on() -> None:
    """DeepInfra is not in genai-prices: priced from the frozen table, but not before that was taken."""
    pair = ("deepinfra", "meta-llama/Llama-3.3-70B-Instruct")
    found = known(*pair)
    assert (found.input, found.output, found.source) == (230_000_000, 400_000_000, "litellm 1.109.1")
    assert price(*pair, date(2026, 11, 21)) is None


def test_a_providers_model_ids_are_those_it_is_asked_by() -> None:
    """By any of its names; nobody has none."""
    assert {"gpt-4o", "gpt-4o-mini"} <= set(model_ids("openai"))
    assert model_ids("bedrock") == model_ids("aws")
    assert model_ids("nobody") == ()


@pytest.mark.parametrize(
    ("written", "meant"),
    [("bedrock", "aws"), ("together_ai", "together"), ("Gemini", "google"), ("xai", "x-ai")],
)
def test_providers_answer_to_what_people_write(written: str, meant: str) -> None:
    """Aliases in any case lead to the provider, and every alias is offered when a name is wrong."""
    found = provider(written)
    assert found is not None
    assert found.name == meant
    assert written.lower().replace("_", "-") in provider_names()


def test_the_provider_ids_exist_in_genai_prices() -> None:
    """A provider renamed upstream would silently lose its prices: this notices."""
    from genai_prices.data_snapshot import get_snapshot

    held = {each.id for each in get_snapshot().providers}
    assert {each.genai_prices for each in providers() if each.genai_prices} - held == set()


SAMPLED = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-5.4"),
    ("google", "gemini-2.5-pro"),
    ("anthropic", "claude-sonnet-4-5"),
    ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
]
TABLE = compile_rates(SAMPLED, DAY)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(SAMPLED),
    st.integers(0, 1_000_000),
    st.integers(0, 200_000),
    st.floats(0, 1),
)
def test_costs_equal_genai_prices_own(pair: tuple[str, str], input_: int, output: int, share: float) -> None:
    """For every request, our integer cost is genai-prices' decimal one, rounded to the nano-dollar once."""
    compiled = TABLE.price(*pair)
    assert compiled is not None
    cached = int(input_ * share) if compiled.cached_input is not None else 0
    usage = Usage(input_tokens=input_, cache_read_tokens=cached, output_tokens=output)
    theirs = calc_price(usage, pair[1], provider_id=pair[0]).total_price
    ours = token_cost(Tokens(input=input_, cached_input=cached, output=output), compiled)
    assert int((theirs * NANO).to_integral_value(rounding="ROUND_HALF_EVEN")) == ours
    assert isinstance(theirs, Decimal)


def test_the_cache_answers_without_the_heavy_import(tmp_path: Path) -> None:
    """Loading a day's table imports neither genai-prices nor pydantic: the gateway's memory depends on it."""
    code = (
        "import sys; from datetime import date; from pathlib import Path\n"
        "from baseload.catalog.rates import load_or_compile\n"
        f"table = load_or_compile([('openai', 'gpt-4o')], date(2026, 11, 22), Path({str(tmp_path)!r}))\n"
        "heavy = {'genai_prices', 'pydantic', 'numpy'} & set(sys.modules)\n"
        "print(table.price('openai', 'gpt-4o').input, heavy or None)"
    )
    for _ in range(2):  # compiled by a subprocess, then read
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
        assert done.stdout.split() == ["2500000000", "None"]


def test_the_cache_is_used_and_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A held pair costs no compilation; a new one is added to those held."""
    asked: list[set[tuple[str, str]]] = []

    def counted(pairs: set[tuple[str, str]], on: date) -> RateTable:
        asked.append(pairs)
        return compile_rates(pairs, on)

    monkeypatch.setattr(rates, "_compile_in_subprocess", counted)
    gpt, nobody = ("openai", "gpt-4o"), ("no-such-firm", "x/y")
    load_or_compile([gpt, nobody], DAY, tmp_path)
    assert load_or_compile([nobody], DAY, tmp_path).price(*nobody) is None
    load_or_compile([("openai", "o3")], DAY, tmp_path)
    assert asked == [{gpt, nobody}, {gpt, nobody, ("openai", "o3")}]
    load_or_compile([gpt], date(2026, 11, 23), tmp_path)
    assert len(asked) == 3


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b'{"day": "2026-11-22"}', b"\x00\xff"])
def test_a_damaged_cache_is_compiled_anew(
    document: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a file, another format, binary noise: replaced by a whole table."""
    monkeypatch.setattr(rates, "_compile_in_subprocess", compile_rates)
    cache = tmp_path / "rates-2026-11-22.json"
    cache.write_bytes(document)
    table = load_or_compile([("openai", "gpt-4o")], DAY, tmp_path)
    assert table == RateTable.from_json(cache.read_bytes())
    assert [cache] == list(tmp_path.iterdir())


def test_a_cache_of_other_versions_is_compiled_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade of genai-prices or baseload takes effect the same day."""
    monkeypatch.setattr(rates, "_compile_in_subprocess", compile_rates)
    cache = tmp_path / "rates-2026-11-22.json"
    load_or_compile([("openai", "gpt-4o")], DAY, tmp_path)
    stale = json.loads(cache.read_bytes()) | {"made_with": "baseload 0.0.0, genai-prices 0.0.0"}
    stale["rates"]["openai/gpt-4o"]["input"] = 1
    cache.write_text(json.dumps(stale))
    fresh = load_or_compile([("openai", "gpt-4o")], DAY, tmp_path).price("openai", "gpt-4o")
    assert fresh == known("openai", "gpt-4o")


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file where the cache folder should be: the error names it."""
    monkeypatch.setattr(rates, "_compile_in_subprocess", compile_rates)
    blocked = tmp_path / "cache"
    blocked.write_text("a file")
    with pytest.raises(EnvironmentProblem, match="cache"):
        load_or_compile([("openai", "gpt-4o")], DAY, blocked)


def test_a_failing_compilation_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line of what the compiling process complained about, and what to do."""
    monkeypatch.setattr(rates, "COMPILER", "baseload.catalog.no_such_module")
    with pytest.raises(EnvironmentProblem, match="no_such_module") as caught:
        load_or_compile([("openai", "gpt-4o")], DAY, tmp_path)
    assert "pip install" in caught.value.hint
