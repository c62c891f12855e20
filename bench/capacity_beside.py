"""Our TPOT and TTFT beside AIConfigurator's on 60 measured rows, configurations left out of our fit.

    python -m venv /tmp/aic && /tmp/aic/bin/pip install aiconfigurator==0.12.0
    python -m bench.capacity_beside /tmp/aic/bin/python

AIConfigurator is a tool for this comparison and lives in an environment of its own. The rows are drawn with a
fixed seed, as many from each (GPU, engine) as there is room for in turn; each configuration once. Both are
asked the same question: model, GPU, engine, precision, parallel sizes, lengths, concurrency. Note that the
rows are AIConfigurator's own accuracy sample, and that it may refuse rows; errors are given for all of ours
and for the rows both answer.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from baseload.capacity.fitting import fit, fit_first_token
from baseload.capacity.measured import Row, read_measurements
from baseload.capacity.validation import SEED, configuration
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
    asked: dict[str, object] = {
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
        asked["gemm_quant_mode"] = gemm
        if setup.model.experts:
            asked["moe_quant_mode"] = gemm
    return asked


def main() -> None:
    """Draw, ask both, print both errors."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    rows, _ = read_measurements(MEASUREMENTS)
    chosen = drawn(rows)
    out = {configuration(row) for row in chosen}
    seen = [row for row in rows if configuration(row) not in out]
    made = fit(seen)
    first = fit_first_token(seen, made)
    run = subprocess.run(
        [sys.argv[1], str(ASKED)],
        input=json.dumps([question(row) for row in chosen]),
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = json.loads(run.stdout.splitlines()[-1])
    ours_tpot, ours_ttft, both = [], [], []
    for row, other in zip(chosen, theirs, strict=True):
        tpot = abs(math.exp(made.log_tpot(row.setup, row.load)) / row.tpot_s - 1)
        ttft = abs(math.exp(first.log_ttft(row.setup, row.load)) / row.ttft_s - 1)
        ours_tpot.append(tpot)
        ours_ttft.append(ttft)
        if "tpot_ms" in other:
            their_tpot = abs(other["tpot_ms"] / 1e3 / row.tpot_s - 1)
            their_ttft = abs(other["ttft_ms"] / 1e3 / row.ttft_s - 1)
            both.append((tpot, their_tpot, ttft, their_ttft))
            said = f"TPOT {their_tpot:4.0%}  TTFT {their_ttft:4.0%}"
        else:
            said = other["error"][:60]
        concurrency, read, made_tokens = (f"{value:g}" for value in row.load)
        what = f"{configuration(row):<58} {concurrency:>5} {read:>5}/{made_tokens:<5}"
        print(f"{what} ours TPOT {tpot:4.0%}  TTFT {ttft:4.0%}   AIConfigurator {said}")
    print(f"\n{len(chosen)} rows of {len(out)} configurations; AIConfigurator answered {len(both)}")
    print(f"{'error, median / mean':<34}{'TPOT':>14}{'TTFT':>14}")
    _line("baseload, all rows", ours_tpot, ours_ttft)
    if both:
        _line("baseload, rows both answer", [each[0] for each in both], [each[2] for each in both])
        _line("aiconfigurator 0.12.0, the same", [each[1] for each in both], [each[3] for each in both])


def _line(name: str, tpot: Sequence[float], ttft: Sequence[float]) -> None:
    cells = (f"{np.median(values) * 100:.1f} / {np.mean(values) * 100:.1f}" for values in (tpot, ttft))
    print(f"{name:<34}" + "".join(f"{cell:>14}" for cell in cells))


if __name__ == "__main__":
    main()
