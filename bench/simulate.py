"""How fast the simulator is, on one core: a replica, a fleet, and a month of 100 million requests.

    python bench/simulate.py [replica] [fleet] [month]

Requests are drawn from the shipped Azure 2023 conversation and ServeGen m-large shapes, the replica is a pair
of H100 with Llama 70B FP8. Each figure is the best of a few rounds, since other processes share the machine.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from baseload.capacity.steptime import step_time
from baseload.capacity.timeline import Requests, timeline
from baseload.catalog.gpus import gpu
from baseload.catalog.models import open_model
from baseload.core import Model, Side, Slo, StepTime, Target, TokenPrice
from baseload.plan.costs import Floats, Ints
from baseload.plan.replay_windows import in_windows
from baseload.plan.scenario import Scenario
from baseload.plan.simulate import simulate
from baseload.traffic.draw import Arrivals, draw
from baseload.traffic.load import Lengths, Load
from baseload.traffic.shapes import azure_conversation_2023, servegen_m_large
from baseload.traffic.table import Traffic

ROUNDS = 3
PLAIN_REQUESTS = 200_000
NUMBA_REQUESTS = 4_000_000
LOADS_PER_S = (1.0, 2.5, 4.0)
"""Requests/s of the Azure mix on one pair: light, two thirds full, more than it can do."""

MONTH_REQUESTS = 100_000_000
DAYS = 30
WINDOW_S = 600.0
GPT_4O = TokenPrice(2_500_000_000, 10_000_000_000, cached_input=1_250_000_000)


def pair() -> StepTime:
    """Llama 70B FP8 on two H100."""
    return step_time(open_model("llama-3.3-70b"), gpu("h100"), 2, "fp8")


def fleet(replicas: int) -> Scenario:
    """So many pairs, and GPT-4o for what they cannot take."""
    targets = [
        Target(f"pair-{number}", Side.OWNED, "", step=pair(), usd_nano_per_hour=8 * 10**9)
        for number in range(replicas)
    ]
    api = Target("gpt-4o", Side.METERED, "", price=GPT_4O)
    return Scenario((Model("chat", (*targets, api), Slo(2.0, 0.1)),))


def best_s(what: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Seconds of one call, the best of so many."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        what()
        best = min(best, time.perf_counter() - start)
    return best


def azure_mix(requests: int, per_s: float) -> Requests:
    """Poisson arrivals with the lengths of the Azure 2023 conversations."""
    random = np.random.default_rng(1)
    prompt, output = azure_conversation_2023().lengths.draw(requests, random)
    return Requests(
        np.cumsum(random.exponential(1.0 / per_s, requests)),
        np.maximum(prompt, 1),
        np.maximum(output, 1),
        np.zeros(requests, np.int64),
    )


def bench_replica() -> None:
    """One replica over a whole trace, plain Python and numba."""
    step = pair()
    timeline(step, azure_mix(100, 1.0), compiled=True)  # compiles, or loads what was compiled
    print(f"{'one replica':28}{'plain Python':>22}{'numba':>22}")
    for per_s in LOADS_PER_S:
        plain, fast = azure_mix(PLAIN_REQUESTS, per_s), azure_mix(NUMBA_REQUESTS, per_s)
        plain_s = best_s(lambda plain=plain: timeline(step, plain, compiled=False))  # type: ignore[misc]
        fast_s = best_s(lambda fast=fast: timeline(step, fast, compiled=True))  # type: ignore[misc]
        print(
            f"{f'  Azure mix, {per_s:g} requests/s':28}"
            f"{PLAIN_REQUESTS / plain_s:>11,.0f} requests/s"
            f"{NUMBA_REQUESTS / fast_s:>11,.0f} requests/s"
        )


def bench_fleet() -> None:
    """Fleets behind the real dispatch code."""
    hour = draw(azure_conversation_2023(), seed=1, arrivals=Arrivals.COUNTS)
    print("fleet behind policy.dispatch")
    for replicas in (1, 2, 4, 8, 16):
        traffic = hour if replicas <= 2 else hour.compressed(replicas / 2)
        seconds = best_s(lambda t=traffic, n=replicas: simulate(t, fleet(n)))  # type: ignore[misc]
        print(f"{f'  {replicas} pairs and an API':28}{len(traffic) / seconds:>11,.0f} requests/s")


@dataclass
class GeneratedMonth:
    """A trace of 100 million requests that is made window by window, whenever a window is read.

    Requests per second follow two weeks of ServeGen m-large, over and over; lengths are its histograms'. Each
    window has its own seed, so reading it again gives the same requests.
    """

    seed: int = 1
    rate: Floats = field(init=False)
    lengths: tuple[Ints, Ints] = field(init=False)
    read: int = 0

    def __post_init__(self) -> None:
        shape = servegen_m_large()
        windows = round(DAYS * 86_400 / WINDOW_S)
        rate = np.resize(shape.load.requests_per_s, windows)
        self.rate = rate * (MONTH_REQUESTS / (rate.sum() * WINDOW_S))
        self.lengths = _tables(shape.lengths)

    @property
    def duration_s(self) -> float:
        """Thirty days."""
        return len(self.rate) * WINDOW_S

    def window(self, place: int) -> tuple[Floats, Ints, Ints]:
        """Arrivals within the window, input and output tokens, of its requests."""
        random = np.random.default_rng((self.seed, place))
        count = int(random.poisson(self.rate[place] * WINDOW_S))
        gaps = random.standard_exponential(count + 1)  # in order already: no sorting
        arrival_s = np.cumsum(gaps)
        arrival_s *= WINDOW_S / arrival_s[-1]
        places = random.integers(0, len(self.lengths[0]), (2, count), dtype=np.uint16)
        self.read += count
        return arrival_s[:-1], self.lengths[0][places[0]], self.lengths[1][places[1]]

    def load(self, window_s: float) -> Load:
        """One pass over every request."""
        sums = np.zeros((3, len(self.rate)))
        for place in range(len(self.rate)):
            arrival_s, prompt, output = self.window(place)
            sums[:, place] = len(arrival_s), prompt.sum(), output.sum()
        requests, prompt_tokens, output_tokens = sums / WINDOW_S
        return Load(WINDOW_S, requests, prompt_tokens, np.zeros(len(self.rate)), output_tokens)

    def between(self, start_s: float, end_s: float) -> Traffic:
        """The requests of these seconds."""
        first, last = int(start_s / WINDOW_S), int(np.ceil(end_s / WINDOW_S))
        parts = [self.window(place) for place in range(first, last)]
        arrival_s = np.concatenate([part[0] + WINDOW_S * place for place, part in enumerate(parts)])
        count = len(arrival_s)
        whole = Traffic(
            arrival_s=arrival_s,
            input_tokens=np.concatenate([part[1] for part in parts]),
            cached_tokens=np.zeros(count, np.int64),
            output_tokens=np.concatenate([part[2] for part in parts]),
            duration_s=(last - first) * WINDOW_S,
            model=np.zeros(count, np.int32),
            tenant=np.zeros(count, np.int32),
        )
        return whole.between(start_s - first * WINDOW_S, end_s - first * WINDOW_S)


def _tables(lengths: Lengths) -> tuple[Ints, Ints]:
    """65,536 lengths of each kind, so that a 16-bit number draws one."""
    return lengths.draw(1 << 16, np.random.default_rng(0))


def bench_month() -> None:
    """A month of 100 million requests: fluid over all, simulated windows."""
    start = time.perf_counter()
    month, scenario = GeneratedMonth(), fleet(12)
    found = in_windows("month", month, scenario)
    seconds = time.perf_counter() - start
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    assert found.metered_usd is not None
    print(f"a month, {month.read:,} requests read, {len(scenario.targets) - 1} pairs and an API")
    owned, spilled = found.owned_tokens_share, found.spill_share
    print(f"  {owned:.2%} ± {found.owned_tokens_share_error:.2%} of the tokens owned")
    print(f"  {spilled:.2%} ± {found.spill_share_error:.2%} of the requests spilled")
    print(f"  ${found.metered_usd:,.0f} ± ${found.metered_usd_error:,.0f} bought")
    print(f"  {found.windows} windows simulated behind the dispatch code")
    print(f"  {seconds:.1f} s, {peak_gib:.2f} GiB")


BENCHES = {"replica": bench_replica, "month": bench_month, "fleet": bench_fleet}


def main() -> None:
    """Run the named benches, or all; the month first, so that its memory is its own."""
    for name in ("month", "replica", "fleet"):
        if not sys.argv[1:] or name in sys.argv[1:]:
            BENCHES[name]()


if __name__ == "__main__":
    main()
