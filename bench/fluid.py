"""How far the fluid models are from the simulation, on three loads and one to four replicas.

`fluid` is the measured response that long replays use, `plan` what a plan reckons with: all that lies under
n·c(n).

    python bench/fluid.py TRACES

TRACES is a folder with `azure2023/` and `mooncake/` as published. Two promises, 2 s with 100 ms and 1.5 s
with 60 ms; Llama 70B FP8 on two H100, for Mooncake's long prompts Llama 8B FP8 on one.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from baseload.capacity.steptime import step_time
from baseload.catalog.gpus import gpu
from baseload.catalog.models import open_model
from baseload.core import Model, Side, Slo, StepTime, Target, TokenPrice
from baseload.plan.load import LoadCurve
from baseload.plan.promise import Promise
from baseload.plan.response import response
from baseload.plan.room import room_of
from baseload.plan.scenario import Scenario
from baseload.plan.simulate import simulate
from baseload.traffic.draw import draw
from baseload.traffic.read import read_traffic
from baseload.traffic.shapes import servegen_m_large
from baseload.traffic.table import Traffic

GPT_4O = TokenPrice(2_500_000_000, 10_000_000_000, cached_input=1_250_000_000)
PROMISES = (Slo(2.0, 0.1), Slo(1.5, 0.06))
WINDOW_S = 60.0


def loads(folder: Path) -> dict[str, tuple[Traffic, StepTime]]:
    """Two hours that were recorded, and four that are drawn."""
    pair = step_time(open_model("llama-3.3-70b"), gpu("h100"), 2, "fp8")
    single = step_time(open_model("llama-3.1-8b"), gpu("h100"), 1, "fp8")
    shape = servegen_m_large().scaled(tokens_per_day=1e9).between(0.0, 4 * 3600.0)
    return {
        "Azure 2023": (read_traffic(folder / "azure2023/AzureLLMInferenceTrace_conv.csv"), pair),
        "Mooncake": (read_traffic(folder / "mooncake/conversation_trace.jsonl"), single),
        "ServeGen": (draw(shape, seed=1), pair),
    }


def planned_share(traffic: Traffic, step: StepTime, replicas: int, slo: Slo) -> float | None:
    """Owned share as a plan that is sized by simulation has it: what lies under n·c(n), at p95.

    None where no load keeps the promise: a plan then takes its usable share.
    """
    load = traffic.load(WINDOW_S)
    room = room_of(traffic, step, replicas, Promise(slo))
    if not room:
        return None
    mean = float(load.tokens_per_s.mean())
    return LoadCurve.of(load.tokens_per_s, WINDOW_S).served_share(room / mean)


def main() -> None:
    """Print owned shares by both, and their difference in points."""
    print(
        f"{'load':12}{'TPOT':>8}{'replicas':>10}{'simulated':>11}{'fluid':>9}{'points':>8}{'seconds':>9}"
        f"{'plan':>9}{'points':>8}"
    )
    worst = worst_plan = 0.0
    for name, (traffic, step) in loads(Path(sys.argv[1])).items():
        for slo in PROMISES:
            for replicas in (1, 2, 3, 4):
                targets = [Target(f"r{number}", Side.OWNED, "", step=step) for number in range(replicas)]
                api = Target("api", Side.METERED, "", price=GPT_4O)
                scenario = Scenario((Model("chat", (*targets, api), slo),))
                simulated = simulate(traffic, scenario).owned_tokens_share
                start = time.perf_counter()
                fluid = response(traffic, scenario).owned_share(traffic.load(WINDOW_S))
                seconds = time.perf_counter() - start
                worst = max(worst, abs(fluid - simulated))
                plan = planned_share(traffic, step, replicas, slo)
                beside = "none: by usable share" if plan is None else ""
                if plan is not None:
                    worst_plan = max(worst_plan, abs(plan - simulated))
                    beside = f"{plan:>9.1%}{(plan - simulated) * 100:>8.1f}"
                print(
                    f"{name:12}{slo.tpot_s * 1000:>5.0f} ms{replicas:>10}{simulated:>11.1%}{fluid:>9.1%}"
                    f"{(fluid - simulated) * 100:>8.1f}{seconds:>9.1f}"
                    f"{beside:>17}",
                    flush=True,
                )
    print(f"largest difference: fluid {worst * 100:.1f} points, plan {worst_plan * 100:.1f} points")


if __name__ == "__main__":
    main()
