"""From a file to what requests run on: prices, step times, names, versions, and what a reload may change."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.capacity.steptime import step_time
from baseload.catalog.gpus import gpu
from baseload.catalog.models import open_model
from baseload.catalog.rates import RateTable
from baseload.config import Config, InvalidConfig, parse
from baseload.core import DataClass, Limits, LongContext, Side, Slo, StepTime, Tenant, Timeouts, TokenPrice
from baseload.gateway.snapshot import (
    compile_snapshot,
    load_snapshot,
    needed_rates,
    needs_restart,
    upstream_model,
    warnings_of,
)

DAY = date(2026, 11, 22)
ENV = {"KEY": "sk-secret-1234"}
FILE = """\
targets:
  llama-a:
    owned: {engine: vllm, usd_per_hour: 8.00, gpus: 2 x h100, precision: fp8}
    url: http://10.0.0.5:8000/v1
    model: meta-llama/Llama-3.3-70B-Instruct
    region: eu-west
    timeouts: {connect: 1s, ttft: 20s, idle: 10s, total: 5m}
  gpt-4o:
    metered: {provider: openai, key: ${KEY}}
    model: gpt-4o
    region: us
    quota: {requests_per_minute: 500, tokens_per_minute: 300k}
models:
  chat: {owned: [llama-a], metered: [gpt-4o], slo: {ttft: 1.5s, tpot: 60ms}, price_cap: 0.05}
classes:
  default: {regions: any}
  patient: {regions: [EU-West], zero_retention: true}
tenants:
  clinic: {class: patient, models: [chat], limits: {concurrent: 5}}
"""
GPT_4O = TokenPrice(2_500_000_000, 10_000_000_000, 1_250_000_000, source="a test", as_of="2026-11-22")
RATES = RateTable("2026-11-22", "a test", {"openai/gpt-4o": GPT_4O})


def read(*changes: tuple[str, str], base: Path = Path(), env: dict[str, str] = ENV) -> Config:
    text = FILE
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return parse(text, str(base / "baseload.yaml"), base.absolute(), env)


def test_names_become_values() -> None:
    """A model holds its targets, owned first, a tenant its class; limits and times are the core's types."""
    snapshot = compile_snapshot(read(), RATES)
    model = snapshot.models["chat"]
    assert [target.name for target in model.targets] == ["llama-a", "gpt-4o"]
    assert (model.slo, model.price_cap) == (Slo(1.5, 0.06), 50_000_000)
    patient = DataClass("patient", frozenset({"eu-west"}), True)
    assert snapshot.classes == {"default": DataClass("default"), "patient": patient}
    assert snapshot.tenants["clinic"] == Tenant("clinic", patient, Limits(concurrent=5), frozenset({"chat"}))
    assert snapshot.targets["llama-a"].timeouts == Timeouts(1.0, 20.0, 10.0, 300.0)


def test_an_owned_target_knows_its_hour_and_its_step() -> None:
    """Its price per hour is exact, its step time the capacity model's for these GPUs and this precision."""
    target = compile_snapshot(read(), RATES).targets["llama-a"]
    expected = step_time(open_model("llama-3.3-70b"), gpu("h100"), 2, "fp8")
    assert (target.side, target.usd_nano_per_hour, target.step) == (Side.OWNED, 8_000_000_000, expected)
    assert (target.engine, target.price, target.region) == ("vllm", None, "eu-west")
    assert target.context_tokens == open_model("llama-3.3-70b").context_tokens


def test_a_metered_target_knows_its_price_url_quota_and_credential() -> None:
    """The catalog's price of its provider and model, the provider's own URL, the quota as limits."""
    target = compile_snapshot(read(), RATES).targets["gpt-4o"]
    assert (target.side, target.price, target.provider) == (Side.METERED, GPT_4O, "openai")
    assert (target.url, target.credential) == ("https://api.openai.com/v1", "sk-secret-1234")
    assert target.quota == Limits(500, 300_000, None)
    assert "sk-secret" not in repr(target)


RESPONSES = [
    ("openai", "", "", True),
    ("openai", "https://eu.api.openai.com/v1", "", True),
    ("openai", "https://gateway.example.com/v1", "", False),
    ("openai", "https://api.openai.com.example.com/v1", "", False),
    ("openai", "https://gateway.example.com/v1", "responses: true", True),
    ("openai", "", "responses: false", False),
    ("openai", "", "format: responses", False),
    ("x-ai", "", "", True),
    ("fireworks", "", "", True),
    ("groq", "", "", False),
    ("azure", "https://shop.openai.azure.com/openai/v1", "", True),
    ("azure", "https://shop.services.ai.azure.com/openai/v1/", "", True),
    ("azure", "https://shop.openai.azure.com/openai/deployments/gpt-4o", "", False),
]


@pytest.mark.parametrize(("provider", "url", "written", "serves"), RESPONSES)
def test_who_serves_responses_is_written_or_known_of_the_provider(
    provider: str, url: str, written: str, serves: bool
) -> None:
    """By the provider's own hosts alone: an endpoint that only calls itself compatible must say so."""
    lines = [line for line in (f"url: {url}" if url else "", written) if line]
    more = "".join(f"    {line}\n" for line in lines)
    price = "price: {input: 1, output: 2}"
    read_ = read(
        (
            "    metered: {provider: openai, key: ${KEY}}\n",
            f"    metered: {{provider: {provider}, key: ${{KEY}}, {price}}}\n{more}",
        )
    )
    assert compile_snapshot(read_, RATES).targets["gpt-4o"].responses is serves


def test_an_owned_target_serves_responses_where_that_is_written() -> None:
    """Engines differ and change: chat completions serve in any case."""
    url = "    url: http://10.0.0.5:8000/v1\n"
    plain, written = read(), read((url, url + "    responses: true\n"))
    served = [compile_snapshot(one, RATES).targets["llama-a"].responses for one in (plain, written)]
    assert served == [False, True]


def test_a_written_price_replaces_the_catalogs() -> None:
    """Every part of it, the long-context tier too; the catalog is not asked then."""
    price = (
        "{input: 2.25, output: 9, cached_input: 1.125, cache_write: 3, source: contract, as_of: 2026-10-01, "
        "long_context: {above: 200k, input: 4.5, output: 18, cache_write: 6}}"
    )
    config = read(("key: ${KEY}", f"key: ${{KEY}}, price: {price}"))
    expected = TokenPrice(
        2_250_000_000,
        9_000_000_000,
        1_125_000_000,
        3_000_000_000,
        LongContext(200_000, 4_500_000_000, 18_000_000_000, cache_write=6_000_000_000),
        "contract",
        "2026-10-01",
    )
    assert compile_snapshot(config, RATES).targets["gpt-4o"].price == expected
    assert needed_rates(config) == set()


def test_an_unknown_price_is_none_and_a_warning() -> None:
    """Never 0: the cost of such requests is booked as unknown, and the operator is told."""
    config = read(("model: gpt-4o", "model: gpt-9"))
    rates = RateTable("2026-11-22", "a test", {"openai/gpt-9": None})
    assert compile_snapshot(config, rates).targets["gpt-4o"].price is None
    [warning] = [line for line in warnings_of(config, rates) if line.startswith("targets.gpt-4o: no price")]
    assert "openai/gpt-9 is known on 2026-11-22" in warning


def test_prices_are_asked_by_the_upstreams_name() -> None:
    """The target's own `model`, or where it has none the name that clients ask for."""
    assert needed_rates(read()) == {("openai", "gpt-4o")}
    nameless = read(("    model: gpt-4o\n", ""))
    assert needed_rates(nameless) == {("openai", "chat")}
    assert upstream_model(nameless, "gpt-4o") == "chat"
    assert compile_snapshot(nameless, RATES).targets["gpt-4o"].model is None


def test_a_written_step_time_replaces_the_models() -> None:
    """Measured figures are taken as they are; `max_sequences` is the engine's limit beside either."""
    capacity = (
        "capacity: {base: 16ms, per_sequence: 50us, per_kv_token: 79ns, per_prefill_token: 65us, "
        "kv_tokens: 240k, error: 0.1}"
    )
    written = read(("precision: fp8", f"max_sequences: 64, {capacity}"))
    step = compile_snapshot(written, RATES).targets["llama-a"].step
    assert step == StepTime(0.016, 50e-6, 79e-9, 65e-6, 240_000, 64, 0.1, "configuration")
    predicted = compile_snapshot(read(("precision: fp8", "max_sequences: 64")), RATES)
    assert getattr(predicted.targets["llama-a"].step, "max_sequences", None) == 64


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (", gpus: 2 x h100, precision: fp8", "", "write `gpus`"),
        ("model: meta-llama/Llama-3.3-70B-Instruct", "model: our-own-tune", "write `open_model`"),
        ("2 x h100, precision: fp8", "1 x l4, precision: bf16", "does not fit"),
        ("engine: vllm", "engine: openvino", "engine 'openvino'"),
    ],
)
def test_a_speed_that_cannot_be_predicted_is_none_and_a_warning(old: str, new: str, reason: str) -> None:
    """The gateway still serves the target, by its load alone, and the operator is told what to write."""
    config = read((old, new))
    assert compile_snapshot(config, RATES).targets["llama-a"].step is None
    [warning] = [line for line in warnings_of(config, RATES) if line.startswith("targets.llama-a: its speed")]
    assert reason in warning


def test_a_tuned_model_is_as_fast_as_the_one_it_comes_from() -> None:
    """`open_model` names the figures where the target's own name is not the catalog's."""
    config = read(
        ("meta-llama/Llama-3.3-70B-Instruct", "our-own-tune"),
        ("precision: fp8", "precision: fp8, open_model: llama-3.3-70b"),
    )
    assert compile_snapshot(config, RATES).targets["llama-a"].step == step_time(
        open_model("llama-3.3-70b"), gpu("h100"), 2, "fp8"
    )


def test_requests_without_a_key_have_a_tenant() -> None:
    """`default` exists with the default class, and is the written one where it is written."""
    assert compile_snapshot(read(), RATES).tenants["default"] == Tenant("default", DataClass("default"))
    written = compile_snapshot(read(("clinic:", "default:")), RATES)
    assert written.tenants["default"].limits == Limits(concurrent=5)


def test_a_tenant_that_no_target_may_serve_is_told() -> None:
    """Residency fails closed; an operator should hear of it before the first client does."""
    [warning] = [line for line in warnings_of(read(), RATES) if line.startswith("tenants.clinic")]
    assert (
        "no target of model chat may process its data: patient (regions eu-west, zero retention)" in warning
    )


def test_none_as_key_sends_no_credential() -> None:
    """`key: none` is the absence of one, not the word."""
    config = read(
        ("key: ${KEY}", "key: none"), ("region: us", "region: us\n    url: http://127.0.0.1:8002/v1")
    )
    assert compile_snapshot(config, RATES).targets["gpt-4o"].credential == ""


def test_the_version_follows_meaning_and_prices(tmp_path: Path) -> None:
    """Another value, price or day is another version; comments, secrets and folders are not."""
    version = compile_snapshot(read(), RATES).version
    assert len(version) == 12
    same = [
        compile_snapshot(read(("targets:", "# a comment\ntargets:")), RATES),
        compile_snapshot(read(env={"KEY": "sk-rotated"}), RATES),
        compile_snapshot(read(base=tmp_path), RATES),
    ]
    assert {snapshot.version for snapshot in same} == {version}
    dearer = RateTable("2026-11-22", "a test", {"openai/gpt-4o": TokenPrice(1, 2)})
    others = [
        compile_snapshot(read(("ttft: 1.5s", "ttft: 1.6s")), RATES),
        compile_snapshot(read(("regions: [EU-West]", "regions: [EU-West, us]")), RATES),
        compile_snapshot(read(), dearer),
        compile_snapshot(read(), RateTable("2026-11-23", "a test", RATES.rates)),
    ]
    assert len({version, *(snapshot.version for snapshot in others)}) == 5


def test_the_version_is_the_same_in_every_process() -> None:
    """Several gateways with one file agree, whatever their hash seeds."""
    code = (
        "from datetime import date; from baseload.gateway.snapshot import compile_snapshot; "
        "from baseload.catalog.rates import RateTable; from baseload.config import parse; "
        "from pathlib import Path; import sys; "
        "c = parse(sys.stdin.read(), 'b.yaml', Path('.').absolute(), {'KEY': 'x'}); "
        "print(compile_snapshot(c, RateTable('2026-11-22', '', {})).version)"
    )
    regions = FILE.replace("[EU-West]", "[a, b, c, d, e, f, g]")
    versions = {
        subprocess.run(
            [sys.executable, "-c", code],
            input=regions,
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(versions) == 1


def test_a_file_is_loaded_with_the_days_prices(tmp_path: Path) -> None:
    """Catalog, capacity and configuration together, the prices cached in the data folder."""
    file = tmp_path / "baseload.yaml"
    file.write_text(FILE)
    config, snapshot, warnings = load_snapshot(file, DAY, env=ENV)
    price = snapshot.targets["gpt-4o"].price
    assert price is not None
    assert (price.input, price.output) == (2_500_000_000, 10_000_000_000)
    assert [path.name for path in (config.data / "prices").iterdir()] == ["rates-2026-11-22.json"]
    assert any(line.startswith("tenants.clinic") for line in warnings)


def test_a_file_with_problems_changes_nothing(tmp_path: Path) -> None:
    """It raises before anything is compiled or cached: who serves keeps the snapshot at hand."""
    file = tmp_path / "baseload.yaml"
    file.write_text(FILE.replace("engine: vllm", "engine: vlm"))
    with pytest.raises(InvalidConfig, match="unknown engine"):
        load_snapshot(file, DAY, env=ENV)
    assert list(tmp_path.iterdir()) == [file]


def test_what_is_opened_at_the_start_needs_a_restart() -> None:
    """Ports, data folder and journal say so; targets, models and tenants do not."""
    new = read(
        ("targets:", "listen: 127.0.0.1:4002\njournal: {strict: true}\ntargets:"), ("ttft: 1.5s", "ttft: 2s")
    )
    assert needs_restart(read(), new) == ["listen", "journal"]
    assert needs_restart(read(), read(("ttft: 1.5s", "ttft: 2s"))) == []


def test_loading_stays_light(tmp_path: Path) -> None:
    """Neither numpy nor the price package comes into the gateway's memory with a configuration."""
    file = tmp_path / "baseload.yaml"
    file.write_text(FILE)
    code = (
        "import sys; from datetime import date; from baseload.gateway.snapshot import load_snapshot; "
        f"load_snapshot({str(file)!r}, date(2026, 11, 22), env={{'KEY': 'x'}}); "
        "print(sorted({name.partition('.')[0] for name in sys.modules} "
        "& {'numpy', 'genai_prices', 'pyarrow', 'rich', 'httpx2'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


PIECES = ["targets", "default", "owned", "metered", "url", "key", "price", "class", "x"]
WORDS = ["any", "none", "1.5s", "400k", "2 x h100", "${KEY}", "${file:x}", "http://x/v1", "openai", ""]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**6) | st.sampled_from(WORDS) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(PIECES), inner, max_size=3),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from _places(item, (*path, key))


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_any_file_is_refused_or_compiles(data: st.DataObject) -> None:
    """With anything at all in any place, a file ends in InvalidConfig with places, or in a whole snapshot."""
    document = yaml.safe_load(FILE.replace("${KEY}", "'${KEY}'"))
    *path, last = data.draw(st.sampled_from(list(_places(document))))
    around = document
    for key in path:
        around = around[key]
    around[last] = data.draw(VALUES)
    try:
        config = parse(json.dumps(document, ensure_ascii=False), "baseload.yaml", Path().absolute(), ENV)
    except InvalidConfig as error:
        lines = {problem.line for problem in error.problems}
    else:
        lines = {1}
        assert set(compile_snapshot(config, RATES).targets) == set(document["targets"])
        assert [line for line in warnings_of(config, RATES) if not line.partition(": ")[2]] == []
    assert lines == {1}
