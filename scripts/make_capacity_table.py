"""Make src/baseload/capacity/data/step_times.csv from published engine measurements.

    .venv/bin/python scripts/make_capacity_table.py [MEASUREMENTS.csv]

Input: the aggregated-serving rows of silicon_measurements.csv (NVIDIA aiconfigurator's silicon sample,
Apache-2.0). One combination is a model, GPU, number of GPUs (tensor parallel only), weight precision and
engine. Its rows are fitted by non-negative least squares on relative error with

    TPOT = a0 + a1·C + a2·C·(isl + osl/2) + p·C·isl/osl

C sequences run, each holds isl + osl/2 KV tokens on average, and C/osl of them finish a step and are replaced
by a prompt of isl tokens. So a0 is StepTime.base_s, a1 per_sequence_s, a2 per_kv_token_s, p
per_prefill_token_s. Printed besides: how far the physical form of capacity/steptime.py is from the same rows.
"""

from __future__ import annotations

import csv
import itertools
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from baseload.capacity.steptime import MEASURED_COLUMNS, kv_room_tokens, physical_step_time
from baseload.catalog.gpus import gpu
from baseload.catalog.models import open_model
from baseload.core import StepTime

ROOT = Path(__file__).resolve().parent.parent
MEASUREMENTS = ROOT.parent / "shared" / "data" / "engine_perf" / "silicon_measurements.csv"
TABLE = ROOT / "src" / "baseload" / "capacity" / "data" / "step_times.csv"
SOURCE = "aiconfigurator-core 0.12.0 silicon sample (NVIDIA)"
HEADER = f"""\
# Step-time coefficients fitted on measured rows; made by scripts/make_capacity_table.py, do not edit.
# Source: {SOURCE}, Apache-2.0, measured 2025-10 to 2026-04, fitted 2026-11-22.
# Seconds. error: half-width of the 80% interval, leave-one-row-out, never below the 10% by which repeats
# of one measurement differ; shape_error: mean error on an input/output shape that was left out of the fit.
"""

MODELS = {
    "meta-llama/Llama-3.1-70B": ("llama-3.3-70b", "llama-3.1-70b"),
    "meta-llama/Llama-3.1-8B-Instruct": ("llama-3.1-8b",),
    "nvidia/Llama-3.1-8B-Instruct-FP8": ("llama-3.1-8b",),
    "Qwen/Qwen3-32B": ("qwen3-32b",),
    "openai/gpt-oss-120b": ("gpt-oss-120b",),
    "Qwen/Qwen3-235B-A22B-FP8": ("qwen3-235b-a22b",),
    "deepseek-ai/DeepSeek-V3": ("deepseek-v3",),
}
"""Catalog names by the table's model: Llama 3.1 and 3.3 70B have one architecture."""

GPUS = {"h100_sxm": "H100-SXM", "h200_sxm": "H200", "b200_sxm": "B200", "b300_sxm": "B300"}
PRECISIONS = {"bf16": "bf16", "fp8": "fp8", "fp4": "nvfp4", "nvfp4": "nvfp4", "mxfp4": "mxfp4"}
"""Weight precisions; rows that name none are left out."""

QUEUED_TTFT_S = 5.0
"""Above this the row waited for admission: fewer sequences ran than it says."""

ROWS_LEAST, SHAPES_LEAST = 8, 3
ERROR_LEAST = 0.10

Array = NDArray[np.float64]
Key = tuple[str, str, int, str, str]


class Row(NamedTuple):
    """One measured point."""

    concurrency: float
    input_tokens: float
    output_tokens: float
    ttft_s: float
    tpot_s: float


class Fit(NamedTuple):
    """Coefficients (a0, a1, a2, p) with their errors: in sample, by row left out, by shape left out."""

    coefficients: Array
    in_sample: float
    error: float
    shape_error: float


def read_rows(file: Path) -> dict[Key, list[Row]]:
    """Clean rows by combination: aggregated, tensor parallel, not queued; duplicates averaged."""
    points: dict[Key, dict[tuple[float, float, float], list[Row]]] = defaultdict(lambda: defaultdict(list))
    with file.open(encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines):
            key = _key(line)
            if key is None:
                continue
            row = Row(
                float(line["concurrency"]),
                float(line["isl"]),
                float(line["osl"]),
                float(line["silicon_ttft_ms"]) / 1e3,
                float(line["silicon_tpot_ms"]) / 1e3,
            )
            if row.ttft_s <= QUEUED_TTFT_S and row.tpot_s > 0:
                points[key][row[:3]].append(row)
    return {
        key: [Row(*np.mean(same, axis=0)) for same in at.values()]
        for key, at in sorted(points.items())
        if _fits(key)
    }


def _key(line: dict[str, str]) -> Key | None:
    """The combination of a row, or None where it is not aggregated tensor-parallel serving on one node.

    Rows in which both moe_tp and moe_ep exceed 1, or do not multiply to tp, state a wrong number of GPUs.
    """
    sizes = [
        float(line[name] or 1)
        for name in ("pp_size", "attention_dp_size", "moe_tp_size", "moe_ep_size", "tp_size")
    ]
    pipeline, data, moe_tensor, moe_expert, tensor = sizes
    known = line["model_path"] in MODELS and line["system"] in GPUS and line["precision"] in PRECISIONS
    plain = line["mode"] == "agg" and pipeline == data == 1 and min(moe_tensor, moe_expert) == 1
    plain = plain and max(moe_tensor, moe_expert) in (1, tensor)
    if not (known and plain and tensor <= 8 and line["concurrency"]):
        return None
    precision = PRECISIONS[line["precision"]]
    if line["model_path"].startswith("openai/gpt-oss") and precision == "nvfp4":
        precision = "mxfp4"  # its published 4-bit form; the table says fp4 for both
    return (line["model_path"], GPUS[line["system"]], int(tensor), precision, line["backend"])


def _fits(key: Key) -> bool:
    """Whether the weights fit the GPUs the rows name; where they do not, the number of GPUs is wrong."""
    path, gpu_name, gpus, precision, engine = key
    return kv_room_tokens(open_model(MODELS[path][0]), gpu(gpu_name), gpus, precision, engine) > 0


def terms(rows: Iterable[Row]) -> Array:
    """The four terms of TPOT for each row."""
    table = np.array(list(rows))
    concurrency, read, made = table[:, 0], table[:, 1], table[:, 2]
    ones = np.ones_like(concurrency)
    return np.stack([ones, concurrency, concurrency * (read + made / 2), concurrency * read / made], axis=1)


def fit(rows: list[Row]) -> Array:
    """(a0, a1, a2, p) ≥ 0 with the least squared relative error.

    Exact for so few coefficients: of all subsets left free, the best whose solution is non-negative.
    """
    tpot = np.array([row.tpot_s for row in rows])
    matrix, ones = terms(rows) / tpot[:, None], np.ones(len(rows))
    best, best_loss = np.zeros(4), float("inf")
    for size in range(1, 5):
        for free in itertools.combinations(range(4), size):
            solution = np.linalg.lstsq(matrix[:, free], ones, rcond=None)[0]
            loss = float(((matrix[:, free] @ solution - ones) ** 2).sum())
            if (solution >= 0).all() and loss < best_loss:
                best, best_loss = np.zeros(4), loss
                best[list(free)] = solution
    return best


def errors(rows: list[Row], coefficients: Array) -> Array:
    """Relative error of each row, absolute."""
    tpot = np.array([row.tpot_s for row in rows])
    return np.asarray(np.abs(terms(rows) @ coefficients / tpot - 1), dtype=np.float64)


def assess(rows: list[Row]) -> Fit | None:
    """Fit one combination and judge it on rows it has not seen; None where it is too thin to tell."""
    shapes = sorted({(row.input_tokens, row.output_tokens) for row in rows})
    if len(rows) < ROWS_LEAST or len(shapes) < SHAPES_LEAST:
        return None
    coefficients = fit(rows)
    if coefficients[0] <= 0 or coefficients[3] <= 0:
        return None
    by_row = [errors([row], fit(rows[:i] + rows[i + 1 :]))[0] for i, row in enumerate(rows)]
    by_shape: list[float] = []
    for shape in shapes:
        left = [row for row in rows if (row.input_tokens, row.output_tokens) == shape]
        seen = [row for row in rows if (row.input_tokens, row.output_tokens) != shape]
        by_shape.extend(errors(left, fit(seen)))
    return Fit(
        coefficients,
        float(errors(rows, coefficients).mean()),
        max(float(np.quantile(by_row, 0.8)), ERROR_LEAST),
        float(np.mean(by_shape)),
    )


def physical_errors(step: StepTime, rows: list[Row]) -> Array:
    """Relative error, signed, of the physical form on these rows."""
    made = np.array([step.base_s, step.per_sequence_s, step.per_kv_token_s, step.per_prefill_token_s])
    tpot = np.array([row.tpot_s for row in rows])
    return np.asarray(terms(rows) @ made / tpot - 1, dtype=np.float64)


def table_text(rows_by_key: dict[Key, list[Row]]) -> str:
    """The whole table as CSV with its header."""
    lines = [HEADER, ",".join(MEASURED_COLUMNS), "\n"]
    for (path, gpu_name, gpus, precision, engine), rows in rows_by_key.items():
        found = assess(rows)
        if found is None:
            continue
        numbers = ",".join(f"{value:.6g}" for value in found.coefficients)
        for name in MODELS[path]:
            key = f"{name},{gpu_name},{gpus},{precision},{engine}"
            quality = f"{len(rows)},{found.error:.3f},{found.shape_error:.3f}"
            lines.append(f"{key},{numbers},{quality},{SOURCE}: {path}\n")
    return "".join(lines)


def main() -> None:
    """Write the table and print how good it is."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else MEASUREMENTS
    rows_by_key = read_rows(file)
    TABLE.write_text(table_text(rows_by_key), encoding="utf-8")
    print(f"{'combination':<62} rows  fit  held out  new shape  physical")
    every = []
    for key, rows in rows_by_key.items():
        found = assess(rows)
        if found is None:
            continue
        path, gpu_name, gpus, precision, engine = key
        step = physical_step_time(open_model(MODELS[path][0]), gpu(gpu_name), gpus, precision, engine)
        off = physical_errors(step, rows)
        every.append(off)
        physical = f"{np.mean(off):+6.0%} ±{np.mean(np.abs(off)):4.0%}"
        print(
            f"{' '.join(map(str, key)):<62} {len(rows):>4} {found.in_sample:4.0%} {found.error:8.0%}"
            f" {found.shape_error:9.0%}   {physical}"
        )
    every_error = np.abs(np.concatenate(every))
    print(f"physical form: mean {every_error.mean():.0%}, 80% within {np.quantile(every_error, 0.8):.0%}")


if __name__ == "__main__":
    main()
