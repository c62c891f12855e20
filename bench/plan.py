"""Planning time on two weeks of ServeGen m-large, as a ratio to one numpy sort of the same curve.

    python bench/plan.py

A plan here is everything `baseload plan` computes once the prices are known: every option at one volume, all
break-evens, the hybrid's crossing, and what would change the answer. The load needs up to 400 replicas.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date

import numpy as np

from baseload.plan.decide import decide
from baseload.plan.hybrid import hybrid
from baseload.plan.question import Question
from baseload.plan.resolve import resolve
from baseload.traffic.shapes import servegen_m_large

TOKENS_PER_DAY = 35e9
"""Takes 393 pairs of H100 at the peak."""

REPEATS = 7


def fastest_s(what: Callable[[], object], times: int) -> float:
    """Seconds of one call, the best of REPEATS rounds of so many calls."""
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(times):
            what()
        best = min(best, (time.perf_counter() - start) / times)
    return best


def main() -> None:
    """Print the table."""
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
    rows = (
        ("numpy sort of the curve", lambda: np.sort(shuffled), 200),
        ("hybrid optimum, one price", lambda: hybrid(inputs.curve, TOKENS_PER_DAY, inputs.fleet, price), 200),
        ("whole plan: options, break-evens, what-ifs", lambda: decide(inputs), 5),
        ("report with its figures", plan.html, 5),
    )
    measured = [(name, fastest_s(what, times)) for name, what, times in rows]
    baseline = measured[0][1]
    print(f"{len(shape.load):,} windows, up to {most} replicas, {len(inputs.metered)} API prices")
    print(f"{'':44}{'ms':>10}{'ratio':>10}")
    for name, seconds in measured:
        print(f"{name:44}{seconds * 1e3:>10.3f}{seconds / baseline:>10.1f}")


if __name__ == "__main__":
    main()
