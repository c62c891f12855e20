"""Published measurements as clean rows: NVIDIA's silicon sample, and tables with its columns.

The sample needs cleaning (what was found is in docs/capacity.md): rows that repeat across source files, rows
that state a wrong number of GPUs, rows queued at admission, disaggregated runs labelled as aggregated ones.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from baseload.capacity.engines import engine_name
from baseload.capacity.terms import Load, Setup
from baseload.catalog.gpus import gpu
from baseload.catalog.models import OpenModel, open_model
from baseload.errors import DataError, EnvironmentProblem, UnknownName

TABLE_COLUMNS = (
    *("model_path", "system", "backend", "precision", "tp_size", "attention_dp_size", "moe_tp_size"),
    *("moe_ep_size", "isl", "osl", "concurrency"),
)
"""Columns a table of questions has; more are passed over."""

PRECISIONS = {"fp4": "nvfp4", "": "bf16"}
"""The sample's words for precisions where they are not ours; no word means unquantised weights."""

QUEUED_TTFT_S = 5.0
"""A TTFT above this that is also half of the latency: fewer requests ran than the row says."""

NODE_GPUS = 8
SAME_TPOT, SAME_TTFT = 0.003, 0.01
"""Relative differences below which two rows of one key are one measurement, rounded differently."""

SPECULATIVE_RUNS = frozenset({"2026-01-14", "2026-01-28", "2026-02-05", "2026-02-06"})
"""Days on which DeepSeek ran on TensorRT-LLM 1.5 to 2 times as fast at the same key: very likely with
speculative decoding, which the sample does not say. The fit is told, nobody who asks is."""

_SUFFIX = re.compile(
    r"[-_](fp8|nvfp4|fp4|mxfp4|int4|int8|awq|gptq|bf16|w8a8|dynamic|static|block|instruct|chat|hf|\d{4})$",
    re.I,
)
"""What a checkpoint's name may end with and still be the same network: precision, tuning, date."""

_PREFIX = re.compile(r"(^|/)(meta-)(?=llama)", re.I)


class Row(NamedTuple):
    """One measured point, aggregated serving. `campaign` says whose runs: two families differ in scatter."""

    setup: Setup
    load: Load
    ttft_s: float
    tpot_s: float
    campaign: str
    version: str
    measured: str


def find_model(name: str) -> OpenModel:
    """The catalog's model behind a checkpoint's name, whatever precision, tuning or date it ends with.

    Raises UnknownName with the nearest name held.
    """
    short = name
    while True:
        try:
            return open_model(short)
        except UnknownName:
            shorter = _PREFIX.sub(r"\1", _SUFFIX.sub("", short))
            if shorter == short:
                raise UnknownName("model", name, _known_models()) from None
            short = shorter


def _known_models() -> list[str]:
    from baseload.catalog.models import open_models

    return [name for each in open_models() for name in (each.name, *each.aliases)]


def read_setup(line: Mapping[str, str]) -> Setup:
    """How a row with the sample's columns serves; UnknownName or DataError where it cannot be read.

    The sample counts GPUs wrongly where both expert and tensor parallelism are written as the number of
    GPUs: `tp = moe_tp·moe_ep` or `attention_dp = moe_tp·moe_ep` with moe_tp = moe_ep means moe_ep GPUs, and
    so does `moe_ep = tp·attention_dp` with tp = attention_dp.
    """
    model = find_model(line["model_path"].strip())
    tensor, data = _size(line, "tp_size"), _size(line, "attention_dp_size")
    moe_tensor, expert = _size(line, "moe_tp_size"), _size(line, "moe_ep_size")
    stated = bool((line.get("attention_dp_size") or "").strip())
    if stated and moe_tensor == expert > 1 and tensor * data == moe_tensor * expert:
        tensor, data = (1, expert) if data > 1 else (expert, 1)
    elif data > 1 and tensor == data and expert == tensor * data:
        tensor, expert = 1, data
    elif not stated and moe_tensor * expert > tensor:
        data = moe_tensor * expert // tensor
    words = (line.get("precision") or "").strip().lower()
    precision = PRECISIONS.get(words, words)
    if model.precisions[0] == "mxfp4" and precision in ("nvfp4", "fp8"):
        precision = "mxfp4"  # the only quantised form there is; the sample says fp4 or fp8
    return Setup(
        model=model,
        gpu=gpu(line["system"].strip().removesuffix("_sxm").removesuffix("_nvl")),
        precision=precision,
        engine=engine_name(line["backend"]),
        tensor=tensor,
        data=data,
        expert=min(expert, tensor * data),
    )


def read_load(line: Mapping[str, str]) -> Load:
    """The load of a row; DataError where a figure is missing or no number above 0."""
    return Load(*(_positive(line, name) for name in ("concurrency", "isl", "osl")))


def read_measurements(file: Path) -> tuple[list[Row], Counter[str]]:
    """The clean rows of the sample in the order of the file, and how many were left out why.

    Raises EnvironmentProblem where the file is not there.
    """
    if not file.is_file():
        raise EnvironmentProblem(f"no such file: {file}")
    dropped: Counter[str] = Counter()
    rows: list[Row] = []
    seen: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    with file.open(encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines):
            row, why = _row(line)
            if row is None:
                dropped[why] += 1
                continue
            same = seen[(row.setup.model.layers, row.setup.model.parameters, *_key(row.setup), row.load)]
            if any(_repeats(row, other) for other in same):
                dropped["repeated"] += 1
                continue
            same.append(row)
            rows.append(row)
    return rows, dropped


def _row(line: Mapping[str, str]) -> tuple[Row | None, str]:
    """One line as a row, or why it is left out."""
    if line["mode"] != "agg":
        return None, "disaggregated"
    if not line["concurrency"]:
        return None, "no concurrency"
    if line["system"] == "gb200" and _size(line, "tp_size") > NODE_GPUS:
        return None, "disaggregated, labelled aggregated"
    load = read_load(line)
    batch = float(line.get("batch_size") or 0) or load.concurrency
    if batch != load.concurrency and _size(line, "attention_dp_size") == 1:
        return None, "load of one replica unclear"
    ttft_s, tpot_s = float(line["silicon_ttft_ms"]) / 1e3, float(line["silicon_tpot_ms"]) / 1e3
    if tpot_s <= 0 or load.output_tokens < 2:
        return None, "no TPOT"
    if ttft_s > QUEUED_TTFT_S and 2 * ttft_s > ttft_s + tpot_s * (load.output_tokens - 1):
        return None, "queued at admission"
    setup = read_setup(line)
    source = line["source"]
    campaign = "inferencex" if source.startswith(("db-dump", "source_file=2026")) else "nvidia"
    if setup.engine == "trtllm" and setup.model.name.startswith("deepseek"):
        setup = replace(setup, speculative=float(line["measured"] in SPECULATIVE_RUNS))
    return Row(setup, load, ttft_s, tpot_s, campaign, line["backend_version"], line["measured"]), ""


def _key(setup: Setup) -> tuple[object, ...]:
    return setup.gpu.name, setup.precision, setup.engine, setup.tensor, setup.data, setup.expert


def _repeats(row: Row, other: Row) -> bool:
    near_tpot = abs(row.tpot_s / other.tpot_s - 1) < SAME_TPOT
    return near_tpot and abs(row.ttft_s / other.ttft_s - 1) < SAME_TTFT


def _size(line: Mapping[str, str], name: str) -> int:
    """A parallel size; one that is not written, or 0, is 1."""
    text = (line.get(name) or "").strip()
    try:
        return max(int(float(text)), 1) if text else 1
    except (ValueError, OverflowError):
        raise DataError(f"{name}: {text!r} is no number", hint="write a whole number of GPUs") from None


def _positive(line: Mapping[str, str], name: str) -> float:
    text = (line.get(name) or "").strip()
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise DataError(f"{name}: {text!r} is no number above 0", hint=f"give the row its {name}")
    return value
