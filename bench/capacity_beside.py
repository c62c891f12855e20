"""Our TPOT and TTFT beside AIConfigurator's on 60 measured rows, configurations left out of our fit.

    python -m venv /tmp/aic && /tmp/aic/bin/pip install aiconfigurator==0.12.0
    python -m bench.capacity_beside /tmp/aic/bin/python

AIConfigurator is a tool for this comparison and lives in an environment of its own. The rows are drawn with a
fixed seed, as many from each (GPU, engine) as there is room for in turn; each configuration once. Both are
asked the same question: model, GPU, engine, precision, parallel sizes, lengths, concurrency; not whether a
run guessed tokens ahead (a line of its own has ours with that told). Note that the rows are AIConfigurator's
own accuracy sample, and that it may refuse rows; errors are given for all of ours and for those both answer.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from baseload.capacity.first_token import FirstToken
from baseload.capacity.fitting import fit, fit_first_token
from baseload.capacity.folds import SEED, asked, configuration
from baseload.capacity.measured import Row, read_measurements
from bench.capacity import MEASUREMENTS

WANTED = 60
PATHS = {
    "llama-3.1-70b": "meta-llama/Meta-Llama-3.1-70B",
    "llama-3.1-8b": "meta-llama/Meta-Llama-3.1-8B",
    "qwen3-32b": "Qwen/Qwen3-32B",
    "qwen3-235b-a22b": "Qwen/Qwen3-235B-A22B",
    "qwen3.5-397b-a17b": "Qwen/Qwen3.5-397B-A17B",
    "deepseek-v3": "deepseek-ai/DeepSeek-V3",
    "deepseek-r1": "deepseek-ai/DeepSeek-V3",
    "deepseek-v3.1": "deepseek-ai/DeepSeek-V3",
    "gpt-oss-120b": "openai/gpt-oss-120b",
    "minimax-m2.5": "MiniMaxAI/MiniMax-M2.5",
    "kimi-k2.5": "moonshotai/Kimi-K2.5",
    "glm-5": "zai-org/GLM-5",
}
"""What AIConfigurator calls the models of the rows."""

NVFP4_PATHS = {
    "deepseek-v3": "nvidia/DeepSeek-V3.1-NVFP4",
    "deepseek-r1": "nvidia/DeepSeek-V3.1-NVFP4",
    "deepseek-v3.1": "nvidia/DeepSeek-V3.1-NVFP4",
    "minimax-m2.5": "nvidia/MiniMax-M2.5-NVFP4",
    "kimi-k2.5": "nvidia/Kimi-K2.5-NVFP4",
    "qwen3.5-397b-a17b": "nvidia/Qwen3.5-397B-A17B-NVFP4",
    "glm-5": "nvidia/GLM-5-NVFP4",
}
SYSTEMS = {
    "H100-SXM": "h100_sxm",
    "H200": "h200_sxm",
    "B200": "b200_sxm",
    "B300": "b300_sxm",
    "GB200": "gb200",
}
ASKED = Path(__file__).with_name("aiconfigurator_asked.py")


def drawn(rows: Sequence[Row]) -> list[Row]:
    """60 rows, stratified by GPU and engine, of as many configurations."""
    draw = np.random.default_rng(SEED)
    strata: dict[tuple[str, str], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        strata[row.setup.gpu.name, row.setup.engine][configuration(row)].append(row)
    queues = []
    for _, configurations in sorted(strata.items()):
        names = sorted(configurations)
        draw.shuffle(names)
        queues.append([configurations[name] for name in names])
    chosen: list[Row] = []
    while len(chosen) < WANTED:
        for queue in queues:
            if queue and len(chosen) < WANTED:
                same = queue.pop()
                chosen.append(same[int(draw.integers(len(same)))])
    return chosen


def question(row: Row) -> dict[str, object]:
    """A row as AIConfigurator is asked it: batch size per attention copy, precisions by its own words."""
    setup, load = row.setup, row.load
    paths = NVFP4_PATHS if setup.precision == "nvfp4" else PATHS
    gemm = {"fp8": "fp8_block" if setup.model.experts else "fp8", "nvfp4": "nvfp4"}.get(setup.precision)
    said: dict[str, object] = {
        "model_path": paths.get(setup.model.name, PATHS[setup.model.name]),
        "system_name": SYSTEMS[setup.gpu.name],
        "backend_name": setup.engine,
        "isl": int(load.input_tokens),
        "osl": int(load.output_tokens),
        "batch_size": max(round(load.concurrency / setup.data), 1),
        "tp_size": setup.tensor,
        "attention_dp_size": setup.data,
        "moe_tp_size": setup.gpus // setup.expert if setup.model.experts else None,
        "moe_ep_size": setup.expert if setup.model.experts else None,
    }
    own = paths is NVFP4_PATHS and setup.model.name in NVFP4_PATHS
    if gemm and not own:
        said["gemm_quant_mode"] = gemm
        if setup.model.experts:
            said["moe_quant_mode"] = gemm
    return said


class Beside(NamedTuple):
    """Relative errors of one row: ours, ours where speculation is told, theirs; None where they refuse."""

    tpot: float
    told: float
    ttft: float
    their_tpot: float | None
    their_ttft: float | None


def compared(row: Row, first: FirstToken, other: dict[str, Any]) -> Beside:
    """What both say of a row, beside what was measured."""
    setup, told = asked(row), asked(row, told=True)

    def off(time_s: float, measured_s: float) -> float:
        return abs(time_s / measured_s - 1)

    answered = "tpot_ms" in other
    return Beside(
        off(math.exp(first.tpot.log_tpot(setup, row.load)), row.tpot_s),
        off(math.exp(first.tpot.log_tpot(told, row.load)), row.tpot_s),
        off(math.exp(first.log_ttft(setup, row.load)), row.ttft_s),
        off(other["tpot_ms"] / 1e3, row.tpot_s) if answered else None,
        off(other["ttft_ms"] / 1e3, row.ttft_s) if answered else None,
    )


def main() -> None:
    """Draw, ask both, print both errors."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    rows, _ = read_measurements(MEASUREMENTS)
    chosen = drawn(rows)
    out = {configuration(row) for row in chosen}
    seen = [row for row in rows if configuration(row) not in out]
    first = fit_first_token(seen, fit(seen))
    run = subprocess.run(
        [sys.argv[1], str(ASKED)],
        input=json.dumps([question(row) for row in chosen]),
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = json.loads(run.stdout.splitlines()[-1])
    found = [compared(row, first, other) for row, other in zip(chosen, theirs, strict=True)]
    for row, each, other in zip(chosen, found, theirs, strict=True):
        said = other["error"][:60] if each.their_tpot is None else ""
        if each.their_tpot is not None and each.their_ttft is not None:
            said = f"TPOT {each.their_tpot:4.0%}  TTFT {each.their_ttft:4.0%}"
        load = "{:>5g} {:>5g}/{:<5g}".format(*row.load)
        ours = f"ours TPOT {each.tpot:4.0%}  TTFT {each.ttft:4.0%}"
        print(f"{configuration(row):<58} {load} {ours}   AIConfigurator {said}")
    both = [each for each in found if each.their_tpot is not None]
    print(f"\n{len(chosen)} rows of {len(out)} configurations; AIConfigurator answered {len(both)}")
    print(f"{'error, median / mean':<44}{'TPOT':>14}{'TTFT':>14}")
    _line("baseload, all rows", [each.tpot for each in found], [each.ttft for each in found])
    _line("baseload, rows both answer", [each.tpot for each in both], [each.ttft for each in both])
    _line("the same, speculation told", [each.told for each in both], [])
    _line(
        "aiconfigurator 0.12.0, the same rows",
        [each.their_tpot for each in both if each.their_tpot is not None],
        [each.their_ttft for each in both if each.their_ttft is not None],
    )


def _line(name: str, tpot: Sequence[float], ttft: Sequence[float]) -> None:
    cells = (
        f"{np.median(values) * 100:.1f} / {np.mean(values) * 100:.1f}" if values else ""
        for values in (tpot, ttft)
    )
    print(f"{name:<44}" + "".join(f"{cell:>14}" for cell in cells))


if __name__ == "__main__":
    main()
