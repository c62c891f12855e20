"""Cleaning the published measurements: which rows are kept, and how a row's words are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from baseload.capacity.measured import TABLE_COLUMNS, find_model, read_load, read_measurements, read_setup
from baseload.errors import DataError, EnvironmentProblem, UnknownName

LINE = {
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
    "concurrency": "4",
}
MORE = {
    "source": "source_file=2026-04-06.csv",
    "measured": "2026-04-01",
    "backend_version": "0.19.0",
    "mode": "agg",
    "batch_size": "4",
    "silicon_ttft_ms": "100",
    "silicon_tpot_ms": "20",
}


def write(file: Path, *changes: dict[str, str]) -> Path:
    """A measurements file of such lines."""
    columns = [*LINE, *MORE]
    lines = [",".join((LINE | MORE | change)[name] for name in columns) for change in changes]
    file.write_text("\n".join((",".join(columns), *lines)), encoding="utf-8")
    return file


def test_known_defects_are_cleaned(tmp_path: Path) -> None:
    """Disaggregated, queued, repeated, mislabelled and unclear rows are left out and counted."""
    rows, dropped = read_measurements(
        write(
            tmp_path / "rows.csv",
            {},
            {"silicon_tpot_ms": "20.01", "source": "db-dump/2026-04-27"},  # rounded otherwise
            {"silicon_tpot_ms": "24"},  # a repeat on another day is a measurement of its own
            {"mode": "disagg"},
            {"concurrency": ""},
            {"silicon_ttft_ms": "60000"},
            {"system": "gb200", "tp_size": "36.0"},
            {"batch_size": "1"},
        )
    )
    assert [row.tpot_s for row in rows] == [0.020, 0.024]
    assert dropped == {
        "repeated": 1,
        "disaggregated": 1,
        "no concurrency": 1,
        "queued at admission": 1,
        "disaggregated, labelled aggregated": 1,
        "load of one replica unclear": 1,
    }


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (("2", "1", "2", "1"), (2, 1, 1)),
        (("8", "1", "1", "8"), (8, 1, 8)),
        (("64", "1", "8", "8"), (8, 1, 8)),  # 8 GPUs, not 64
        (("16", "1", "4", "4"), (4, 1, 4)),
        (("1", "64", "8", "8"), (1, 8, 8)),
        (("1", "4", "2", "2"), (1, 2, 2)),
        (("4", "4", "1", "16"), (1, 4, 4)),
        (("4", "", "2", "2"), (4, 1, 2)),  # attention parallelism not written: taken as it stands
        (("1", "", "4", "1"), (1, 4, 1)),
    ],
)
def test_gpus_are_counted(sizes: tuple[str, str, str, str], expected: tuple[int, int, int]) -> None:
    """Tensor, data and expert parallel sizes behind what the sample writes, its wrong counts corrected."""
    names = ("tp_size", "attention_dp_size", "moe_tp_size", "moe_ep_size")
    setup = read_setup(
        LINE | {"model_path": "deepseek-ai/DeepSeek-V3"} | dict(zip(names, sizes, strict=True))
    )
    assert (setup.tensor, setup.data, setup.expert) == expected


def test_precisions_are_ours() -> None:
    """fp4 is nvfp4, for gpt-oss the form it is published in, and no word means 16 bits."""
    assert read_setup(LINE | {"precision": "fp4"}).precision == "nvfp4"
    assert read_setup(LINE | {"precision": ""}).precision == "bf16"
    assert read_setup(LINE | {"precision": "fp4", "model_path": "openai/gpt-oss-120b"}).precision == "mxfp4"


def test_a_checkpoint_is_its_model() -> None:
    """Precision suffixes and other owners' names do not make another model; unknown ones are named."""
    assert find_model("nvidia/Llama-3.1-8B-Instruct-FP8").name == "llama-3.1-8b"
    assert find_model("RedHatAI/Qwen3-32B-FP8-dynamic").name == "qwen3-32b"
    assert find_model("meta-llama/Meta-Llama-3.1-70B").name == "llama-3.1-70b"
    assert find_model("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8").name == "qwen3-235b-a22b"
    with pytest.raises(UnknownName, match="Nonesuch-7B-FP8"):
        find_model("Nonesuch-7B-FP8")


def test_a_row_says_what_is_wrong_with_it() -> None:
    """A load that is none names its column."""
    for name in ("isl", "osl", "concurrency"):
        with pytest.raises(DataError, match=name):
            read_load(LINE | {name: "0"})
    with pytest.raises(DataError, match="tp_size"):
        read_setup(LINE | {"tp_size": "two"})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Exit code 3 and the path."""
    with pytest.raises(EnvironmentProblem, match=r"none\.csv"):
        read_measurements(tmp_path / "none.csv")


def test_the_columns_are_those_of_the_sample(shared: Path) -> None:
    """What a table of questions needs stands in the sample under the same names."""
    with (shared / "data" / "engine_perf" / "silicon_measurements.csv").open(encoding="utf-8") as lines:
        assert set(TABLE_COLUMNS) <= set(lines.readline().strip().split(","))
