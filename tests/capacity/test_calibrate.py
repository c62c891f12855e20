"""Benchmark files of five kinds become points, and points become an engine's own step time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from baseload.capacity.calibrate import calibrate, tpot_s
from baseload.capacity.imports import CSV_COLUMNS, Point, read_points
from baseload.capacity.terms import Load
from baseload.core import StepTime
from baseload.errors import DataError, EnvironmentProblem, UsageError

STEP = StepTime(0.012, 8e-5, 6e-8, 5e-5, kv_tokens=0, max_sequences=0)
LOADS = [Load(c, i, o) for c in (1, 4, 16, 64) for i, o in ((1024, 1024), (1024, 4096), (8192, 512))]
POINTS = [Point(load, 0.2, tpot_s(STEP, load)) for load in LOADS]


def test_a_fit_finds_the_coefficients_that_made_the_points() -> None:
    """All four, with no more error than is always allowed for."""
    made = calibrate(POINTS, "test")
    assert made.step.base_s == pytest.approx(STEP.base_s, rel=1e-3)
    assert made.step.per_sequence_s == pytest.approx(STEP.per_sequence_s, rel=1e-3)
    assert made.step.per_kv_token_s == pytest.approx(STEP.per_kv_token_s, rel=1e-3)
    assert made.step.per_prefill_token_s == pytest.approx(STEP.per_prefill_token_s, rel=1e-3)
    assert (made.error, made.shapes) == (0.05, 3)


def test_fewer_than_three_shapes_are_refused() -> None:
    """Lengths that scatter by a few percent are one shape; the hint says what to measure."""
    two = [point for point in POINTS if point.load.input_tokens < 2000]
    jittered = [
        Point(p.load._replace(input_tokens=p.load.input_tokens * (1 + 0.03 * (i % 2))), None, p.tpot_s)
        for i, p in enumerate(two)
    ]
    with pytest.raises(UsageError, match="2 input/output shapes") as caught:
        calibrate(jittered, "test")
    assert "baseload bench" in caught.value.hint


def test_extrapolation_is_flagged() -> None:
    """Inside the measured loads nothing is said, outside each direction is."""
    made = calibrate(POINTS, "test")
    assert made.extrapolates(Load(32, 2048, 1024)) == []
    said = made.extrapolates(Load(256, 20_000, 64))
    assert [words.split()[0] for words in said] == ["concurrency", "input_tokens", "output_tokens"]


def test_points_of_one_concurrency_are_refused() -> None:
    """What a step costs and what a request adds cannot be told apart then: no traceback, what to measure."""
    same = [Point(Load(16, 500 * n, 100 + 50 * n), None, 0.02 + n / 1e3) for n in range(1, 7)]
    with pytest.raises(UsageError, match="at a time") as caught:
        calibrate(same, "test")
    assert "two concurrencies" in caught.value.hint


def vllm(point: Point) -> dict[str, Any]:
    """`vllm bench serve --save-result`."""
    load = point.load
    return {
        "completed": 100,
        "duration": 60.0,
        "total_input_tokens": 100 * load.input_tokens,
        "total_output_tokens": 100 * load.output_tokens,
        "max_concurrency": load.concurrency,
        "mean_ttft_ms": 200.0,
        "mean_tpot_ms": point.tpot_s * 1e3,
        "median_tpot_ms": 1.0,
    }


def guidellm(point: Point) -> dict[str, Any]:
    """GuideLLM's report; its own TPOT differs."""
    load = point.load
    figures = {
        "request_concurrency": load.concurrency,
        "prompt_token_count": load.input_tokens,
        "output_token_count": load.output_tokens,
        "time_to_first_token_ms": 200.0,
        "inter_token_latency_ms": point.tpot_s * 1e3,
        "time_per_output_token_ms": 999.0,
    }
    return {"benchmarks": [{"metrics": {n: {"successful": {"mean": v}} for n, v in figures.items()}}]}


def inference_perf(point: Point) -> dict[str, Any]:
    """inference-perf's stage report, in seconds."""
    load = point.load
    e2e_s = 0.2 + (load.output_tokens - 1) * point.tpot_s
    latency = {
        "request_latency": e2e_s,
        "time_to_first_token": 0.2,
        "time_per_output_token": point.tpot_s,
        "normalized_time_per_output_token": 9.0,
    }
    return {
        "load_summary": {"count": 100},
        "successes": {
            "count": 100,
            "latency": {name: {"mean": value} for name, value in latency.items()},
            "throughput": {"requests_per_sec": load.concurrency / e2e_s},
            "prompt_len": {"mean": load.input_tokens},
            "output_len": {"mean": load.output_tokens},
        },
    }


def inferencex(point: Point) -> dict[str, Any]:
    """InferenceX's aggregated result, in seconds."""
    load = point.load
    lengths = {"conc": load.concurrency, "isl": load.input_tokens, "osl": load.output_tokens}
    return {"hw": "h100", "tp": 2, **lengths, "mean_ttft": 0.2, "mean_tpot": point.tpot_s}


@pytest.mark.parametrize(
    ("name", "make"),
    [("vllm", vllm), ("guidellm", guidellm), ("inference-perf", inference_perf), ("inferencex", inferencex)],
)
def test_a_format_gives_the_points_it_holds(
    name: str, make: Callable[[Point], dict[str, Any]], tmp_path: Path
) -> None:
    """Metrics of each are converted to ours; several results in a list, or one a line."""
    for text in (
        json.dumps([make(point) for point in POINTS]),
        "\n".join(json.dumps(make(point)) for point in POINTS),
    ):
        file = tmp_path / "result.json"
        file.write_text(text, encoding="utf-8")
        kind, points = read_points(file)
        assert kind == name
        for found, expected in zip(points, POINTS, strict=True):
            assert found.load == pytest.approx(expected.load)
            assert found.ttft_s == pytest.approx(0.2)
            assert found.tpot_s == pytest.approx(expected.tpot_s)


def test_a_run_by_rate_has_its_concurrency_by_littles_law(tmp_path: Path) -> None:
    """vLLM without `max_concurrency`: finished a second times end-to-end latency."""
    file = tmp_path / "result.json"
    found = vllm(POINTS[0]) | {"max_concurrency": None}
    file.write_text(json.dumps(found), encoding="utf-8")
    (point,) = read_points(file)[1]
    e2e_s = 0.2 + point.tpot_s * (point.load.output_tokens - 1)
    assert point.load.concurrency == pytest.approx(100 / 60 * e2e_s)


def test_our_own_csv_is_read(tmp_path: Path) -> None:
    """Comment lines are passed over, other columns too."""
    file = tmp_path / "bench.csv"
    header = ",".join((*CSV_COLUMNS, "failed"))
    file.write_text(f"# baseload bench\n{header}\n8,1024,256,150,12.5,0\n", encoding="utf-8")
    assert read_points(file) == ("csv", [Point(Load(8, 1024, 256), 0.15, 0.0125)])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"hello": 1}', "not a benchmark file"),
        ('{"completed": 0, "mean_tpot_ms": 1}', "result 1"),
        ("{broken", "broken JSON"),
        ("a,b\n1,2\n", "no column 'concurrency'"),
        (",".join(CSV_COLUMNS) + "\n8,1024,1,150,12\n", "without a TPOT"),
        (",".join(CSV_COLUMNS) + "\n8,1024,x,150,12\n", "row 2"),
    ],
)
def test_what_cannot_be_read_says_why(text: str, words: str, tmp_path: Path) -> None:
    """The file, what is wrong, and what would be right."""
    file = tmp_path / "bench.file"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        read_points(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Exit code 3."""
    with pytest.raises(EnvironmentProblem, match="none"):
        read_points(tmp_path / "none.json")


def test_a_paced_run_has_the_concurrency_it_had(tmp_path: Path) -> None:
    """vLLM at one request a second with a bound of 512: what ran by Little's law, not the bound."""
    file = tmp_path / "paced.json"
    file.write_text(json.dumps(vllm(POINTS[0]) | {"request_rate": 1.0, "max_concurrency": 512}))
    (point,) = read_points(file)[1]
    assert point.load.concurrency < 512 / 4


@pytest.mark.parametrize(
    "wrong", [{"mean_ttft_ms": -5.0}, {"mean_ttft_ms": float("nan")}, {"max_concurrency": "64"}]
)
def test_figures_that_are_none_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """A figure that is no positive number is an error of the file, never a traceback or a shifted fit."""
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps(vllm(POINTS[0]) | wrong))
    with pytest.raises(DataError):
        read_points(file)


def test_another_encoding_is_an_error_of_the_file(tmp_path: Path) -> None:
    """A file that is not UTF-8 says so."""
    file = tmp_path / "wide.json"
    file.write_bytes(json.dumps(vllm(POINTS[0])).encode("utf-16"))
    with pytest.raises(DataError, match="UTF-8"):
        read_points(file)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"disagg": True}, "disaggregated"),
        ({"spec_decoding": "mtp"}, "mtp"),
        ({"random_range_ratio": 0.8}, "lengths drawn from 0.8"),
    ],
)
def test_inferencex_runs_of_another_kind_are_refused(
    more: dict[str, Any], words: str, tmp_path: Path
) -> None:
    """Another serving, several tokens a step, lengths nobody states: each says why."""
    file = tmp_path / "result.json"
    file.write_text(json.dumps(inferencex(POINTS[0]) | more), encoding="utf-8")
    with pytest.raises(DataError, match=words):
        read_points(file)


def test_drawn_lengths_are_read_where_the_file_has_their_means(tmp_path: Path) -> None:
    """The mean of what was sent, not the most that could be."""
    file = tmp_path / "result.json"
    means = {
        "disagg": "false",
        "spec_decoding": "false",
        "random_range_ratio": 0.8,
        "mean_input_tokens": 900,
        "mean_output_tokens_actual": 910,
    }
    file.write_text(json.dumps(inferencex(POINTS[0]) | means), encoding="utf-8")
    (point,) = read_points(file)[1]
    assert point.load[1:] == (900, 910)
