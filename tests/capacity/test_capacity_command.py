"""`baseload capacity`: one answer, a table of them, a search, a calibration."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from baseload.capacity.measured import TABLE_COLUMNS
from baseload.cli import cli
from baseload.errors import DataError, EnvironmentProblem, UsageError
from tests.capacity.test_calibrate import POINTS, vllm

PAIR = ("--model", "llama-3.3-70b", "--gpu", "h100", "--gpus", "2", "--precision", "fp8")
QUESTION = {
    "model_path": "meta-llama/Llama-3.1-70B",
    "system": "h100_sxm",
    "backend": "vllm",
    "precision": "fp8",
    "tp_size": "2.0",
    "attention_dp_size": "1.0",
    "moe_tp_size": "2.0",
    "moe_ep_size": "1.0",
    "isl": "1024",
    "osl": "1024",
    "concurrency": "64",
}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["capacity", *arguments])


def said(*arguments: str, exit_code: int = 0) -> dict[str, Any]:
    """The JSON answer."""
    result = run(*arguments, "--json")
    assert result.exit_code == exit_code, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def questions(file: Path, *changes: dict[str, str]) -> str:
    """A table of questions, each the usual one with changes."""
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, TABLE_COLUMNS)
        writer.writeheader()
        writer.writerows(QUESTION | change for change in changes)
    return str(file)


def test_one_answer_has_every_metric() -> None:
    """TTFT, TPOT, output tokens/s with intervals, memory, the basis, and how to start it."""
    found = said(*PAIR, "--input", "1024", "--output", "1024", "--concurrency", "64")
    for name in ("ttft_ms", "tpot_ms", "output_tokens_per_s"):
        assert found[f"{name}_low"] < found[name] < found[f"{name}_high"]
    assert found["tpot_ms"] == pytest.approx(28.8, rel=0.08)  # as measured
    assert found["measured_rows"] > 0
    assert found["launch"].startswith("vllm serve ")
    text = run(*PAIR).output
    assert "TPOT" in text
    assert "measured rows" in text


def test_an_anchor_is_taken() -> None:
    """A measured point in the notation of the help shifts the answer."""
    setup = ("--model", "mixtral-8x22b", "--gpu", "h100", "--gpus", "4", "--precision", "fp8")
    plain, anchored = said(*setup), said(*setup, "--anchor", "16:1024:1024=80ms")
    assert abs(anchored["tpot_ms"] - 80) < abs(plain["tpot_ms"] - 80)
    assert anchored["anchors"] == 1


def test_an_anchor_may_have_a_ttft() -> None:
    """It moves TTFT, and one that contradicts is named."""
    free = said(*PAIR)
    point = f"16:1024:1024={free['tpot_ms']}ms"
    moved = said(*PAIR, "--anchor", f"{point}/{free['ttft_ms'] * 1.4}ms")
    assert moved["ttft_ms"] > free["ttft_ms"] * 1.05
    assert said(*PAIR, "--anchor", point)["ttft_ms"] == free["ttft_ms"]
    wrong = said(*PAIR, "--anchor", f"16:1024:1024={4 * free['tpot_ms']}ms")
    assert "contradicts" in wrong["basis"]


def test_speculation_may_be_said(tmp_path: Path) -> None:
    """Yes is faster than no, and unknown, which is the default, between; a table says the same."""
    deepseek = ("--model", "deepseek-v3", "--gpu", "b200", "--gpus", "8", "--precision", "fp8")
    one = (*deepseek, "--engine", "trtllm", "--expert-parallel", "8")
    answers = {word: said(*one, "--speculative", word) for word in ("yes", "no", "unknown")}
    assert answers["yes"]["tpot_ms"] < answers["unknown"]["tpot_ms"] < answers["no"]["tpot_ms"]
    assert said(*one) == answers["unknown"]
    row = {"model_path": "deepseek-v3", "system": "b200_sxm", "backend": "trtllm", "concurrency": "16"}
    sizes = {"tp_size": "8", "moe_tp_size": "1", "moe_ep_size": "8"}
    table = questions(tmp_path / "questions.csv", row | sizes)
    for word, each in answers.items():
        (found,) = said("--table", table, "--speculative", word)["rows"]
        assert found["tpot_ms"] == each["tpot_ms"]


def test_what_is_wrong_is_an_error_of_ours() -> None:
    """No model, no node that large, an uneven split: each with exit code 2."""
    for arguments in ((), (*PAIR, "--gpus", "16"), (*PAIR, "--attention-data-parallel", "3")):
        result = run(*arguments)
        assert isinstance(result.exception, UsageError), arguments


def test_every_row_of_a_table_is_answered_or_says_why(tmp_path: Path) -> None:
    """Measured and unmeasured models and GPUs have intervals; what is unknown is named in its own row."""
    file = questions(
        tmp_path / "questions.csv",
        {},
        {"model_path": "Qwen/Qwen3-30B-A3B", "system": "a100_sxm", "precision": "bf16"},
        {"model_path": "Nonesuch/Model-9T"},
        {"system": "abacus"},
        {"osl": "x"},
        {"model_path": "nvidia/DeepSeek-V3.1-NVFP4", "system": "gb200", "precision": "fp4", "tp_size": "8"},
        {"backend": "sendmail"},
    )
    found = said("--table", file)
    assert (found["answered"], found["refused"]) == (3, 4)
    assert [row["row"] for row in found["rows"]] == [1, 2, 3, 4, 5, 6, 7]
    for number, words in ((3, "Nonesuch/Model-9T"), (4, "abacus"), (5, "osl"), (7, "sendmail")):
        assert words in found["rows"][number - 1]["error"]
    measured, unmeasured = found["rows"][0], found["rows"][1]
    assert measured["tpot_ms"] == pytest.approx(28.8, rel=0.08)
    width = [row["tpot_ms_high"] / row["tpot_ms_low"] for row in (measured, unmeasured)]
    assert width[1] > width[0] > 1
    assert unmeasured["basis"] == "neither model nor GPU measured"
    assert "Nonesuch" in run("--table", file).output


def test_a_table_without_an_answer_ends_with_1(tmp_path: Path) -> None:
    """The answer is no."""
    assert said("--table", questions(tmp_path / "q.csv", {"model_path": "x"}), exit_code=1)["answered"] == 0


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    """A missing file, a missing column."""
    assert isinstance(run("--table", str(tmp_path / "none.csv")).exception, EnvironmentProblem)
    file = tmp_path / "q.csv"
    file.write_text("model_path,system\n", encoding="utf-8")
    assert isinstance(run("--table", str(file)).exception, DataError)


def test_the_whole_sample_is_answered(shared: Path) -> None:
    """Not a row of the published table is lost: an answer for each aggregated one that states what can be.

    72 GPUs in one tensor group would cut DeepSeek-R1's experts within a block: those 20 are another split.
    """
    file = shared / "data" / "engine_perf" / "silicon_measurements.csv"
    with file.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    found = said("--table", str(file))
    assert found["answered"] + found["refused"] == len(found["rows"]) == len(rows)
    whole = [row["mode"] == "agg" and row["concurrency"] != "" for row in rows]
    refused = [
        (row["tp_size"], row["backend"], "blocks of 128" in row["error"])
        for row, asked in zip(found["rows"], whole, strict=True)
        if asked and "error" in row
    ]
    assert refused == [("72.0", "sglang", True)] * 20


def test_the_search_prints_the_cheapest_and_how_to_start_it() -> None:
    """Priced offers in order; an SLO nobody keeps ends with 1."""
    found = said("--model", "llama-3.3-70b", "--gpu", "h100", "--search", "--tpot", "30ms")
    prices = [each["usd_per_million_output_tokens"] for each in found["found"]]
    assert prices == sorted(prices)
    assert found["found"][0]["offer"]
    text = run("--model", "llama-3.3-70b", "--gpu", "h100", "--search", "--tpot", "30ms").output
    assert found["found"][0]["launch"] in text
    none = said("--model", "llama-3.3-70b", "--gpu", "h100", "--search", "--tpot", "1us", exit_code=1)
    assert none == {"found": [], "of": 0}


def test_a_calibration_answers_and_flags_extrapolation(tmp_path: Path) -> None:
    """The user's own engine from vLLM's file, with and without a named setup."""
    file = tmp_path / "vllm.json"
    file.write_text(json.dumps([vllm(point) for point in POINTS]), encoding="utf-8")
    found = said("--calibrate", str(file), "--concurrency", "16")
    assert found["step_time"]["base_s"] == pytest.approx(0.012, rel=0.01)
    assert found["extrapolates"] == []
    outside = said("--calibrate", str(file), *PAIR, "--concurrency", "256", "--input", "256")
    assert len(outside["extrapolates"]) == 2
    assert outside["setup"]["anchors"] == len(POINTS)
    assert "extrapolation" in run("--calibrate", str(file), "--concurrency", "256").output
