"""Planning time on two weeks of ServeGen m-large, beside the bars it has to keep.

    python bench/plan.py

A plan here is every option at one volume, all break-evens, the hybrid's crossing, and what would change the
answer. A slider's answer is that plan and its 24 and 36 months by line for every option. The load needs up to
400 replicas. The ratio is to one numpy sort of the same curve.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

import numpy as np

from baseload.plan.decide import decide
from baseload.plan.hybrid import hybrid
from baseload.plan.layers import layered
from baseload.plan.question import Question
from baseload.plan.resolve import resolve
from baseload.plan.risk import monte_carlo, regret, tornado
from baseload.plan.tco import tco
from baseload.plan.world import DRAWS, MONTHS
from baseload.traffic.shapes import servegen_m_large

TOKENS_PER_DAY = 35e9
"""Takes 393 pairs of H100 at the peak."""

REPEATS = 5


class Row(NamedTuple):
    """One measurement: calls a round, and the bar in milliseconds that it must stay below, None for none."""

    name: str
    what: Callable[[], object]
    times: int
    bar_ms: float | None = None


def fastest_s(what: Callable[[], object], times: int) -> float:
    """Seconds of one call, the best of REPEATS rounds of so many calls."""
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(times):
            what()
        best = min(best, (time.perf_counter() - start) / times)
    return best


def main() -> int:
    """Print the table; 1 where a bar is missed."""
    shape = servegen_m_large()
    asked = Question(
        tokens_per_day=TOKENS_PER_DAY,
        output_share=0.5,
        model="llama-3.3-70b",
        gpu="h100",
        gpus=2,
        usd_per_gpu_hour=4.0,
        throughput=4392.0,
        usable=0.7,
        spare="idle",
        team_usd_per_month=20_000.0,
        open_api_price=0.88,
        on=date(2026, 11, 22),
    )
    inputs = resolve(asked, shape)
    plan = decide(inputs)
    most = max(option.replicas for option in plan.options)
    shuffled = np.random.default_rng(1).permutation(shape.load.requests_per_s)
    price = inputs.metered[0].usd_per_million

    def slider() -> None:
        tco(inputs, decide(inputs).options)

    def everything() -> None:
        whole = decide(resolve(asked, shape))
        json.dumps(whole.to_dict())
        whole.html()

    rows = (
        Row("numpy sort of the curve", lambda: np.sort(shuffled), 200),
        Row(
            "hybrid optimum, one price",
            lambda: hybrid(inputs.curve, TOKENS_PER_DAY, inputs.fleet, price),
            200,
        ),
        Row("whole plan: options, break-evens, what-ifs", lambda: decide(inputs), 5),
        Row("24 and 36 months of every option by line", lambda: tco(inputs, plan.options), 5),
        Row("a slider's answer: both together", slider, 5, 50.0),
        Row("layers: reserved, spot, on demand, bought", lambda: layered(inputs), 5),
        Row(f"{DRAWS:,} worlds of {MONTHS} months", lambda: monte_carlo(inputs, plan.options), 1, 1_000.0),
        Row("tornado", lambda: tornado(inputs, plan.options), 1),
        Row("regret", lambda: regret(inputs, plan.options), 1),
        Row("report with its figures", plan.html, 5),
        Row("prices to JSON and report, all of it", everything, 1, 10_000.0),
    )
    measured = [(row, fastest_s(row.what, row.times)) for row in rows]
    baseline = measured[0][1]
    print(f"{len(shape.load):,} windows, up to {most} replicas, {len(inputs.metered)} API prices")
    print(f"{'':44}{'ms':>10}{'ratio':>10}{'bar ms':>10}")
    for row, seconds in measured:
        bar = "" if row.bar_ms is None else f"{row.bar_ms:,.0f}"
        print(f"{row.name:44}{seconds * 1e3:>10.3f}{seconds / baseline:>10.1f}{bar:>10}")
    missed = [row.name for row, seconds in measured if row.bar_ms is not None and seconds * 1e3 > row.bar_ms]
    print(f"missed: {', '.join(missed)}" if missed else "every bar is kept")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
