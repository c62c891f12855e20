"""What would be owned: a replica, its throughput and price, what stands by and who looks after it."""

from __future__ import annotations

from dataclasses import dataclass

from baseload.capacity.steptime import GPUS_MOST, step_time
from baseload.capacity.terms import Setup
from baseload.capacity.throughput import throughput
from baseload.catalog.gpus import Gpu
from baseload.catalog.models import OpenModel
from baseload.core import Slo
from baseload.errors import UsageError
from baseload.plan import prices, words
from baseload.plan.costs import Fleet, Mix, Spare
from baseload.plan.facts import Facts
from baseload.plan.model import ASSUMED, GIVEN
from baseload.plan.question import Question

DEFAULT_USABLE = 0.7
DEFAULT_TEAM_USD = 20_000.0

SPARES = {
    Spare.NONE: "none: the API takes over when a replica is lost",
    Spare.SERVING: "one replica more than the load needs, sharing it",
    Spare.IDLE: "one replica more than the load needs, waiting",
}


@dataclass(frozen=True, slots=True)
class Replica:
    """One replica by name; `model` and `gpu` are None where the catalog does not hold them and need not."""

    model_name: str
    gpu_name: str
    gpus: int
    precision: str
    model: OpenModel | None
    gpu: Gpu | None

    def setup(self, engine: str) -> Setup:
        """What the capacity model calls it, tensor parallel; for a model and GPU of the catalog."""
        assert self.model is not None
        assert self.gpu is not None
        return Setup(self.model, self.gpu, self.precision, engine, tensor=self.gpus)

    def __str__(self) -> str:
        return f"{self.gpus}×{self.gpu_name.upper()} ({self.precision.upper()})"


def fleet(question: Question, replica: Replica, mix: Mix, facts: Facts, *, sized: bool = False) -> Fleet:
    """Capacity and cost of replicas of this kind, each figure given, looked up or assumed.

    `sized`: what is usable is found and noted by whoever simulates it.
    """
    tokens_per_s = _throughput(question, replica, mix, facts)
    usd_per_hour = prices.gpu_hour_usd(question, replica.gpu, replica.gpus, facts) * replica.gpus
    usable = DEFAULT_USABLE if question.usable is None else question.usable
    if not sized:
        note_usable(question, usable, facts)
    spare = Spare.NONE if question.spare is None else Spare(question.spare)
    facts.note("spare", SPARES[spare], ASSUMED if question.spare is None else GIVEN)
    team_usd = DEFAULT_TEAM_USD if question.team_usd_per_month is None else question.team_usd_per_month
    facts.note(
        "people who run owned serving",
        f"{words.usd(team_usd)} a month",
        f"{ASSUMED}: one engineer and observability" if question.team_usd_per_month is None else GIVEN,
    )
    return Fleet(tokens_per_s, usd_per_hour, usable, spare, team_usd)


def note_usable(question: Question, usable: float, facts: Facts) -> None:
    """That a share of the throughput is planned with, and whose figure that is."""
    facts.note(
        "usable throughput",
        f"{words.percent(usable)} of it; the rest is head-room for bursts",
        ASSUMED if question.usable is None else GIVEN,
    )


def _throughput(question: Question, replica: Replica, mix: Mix, facts: Facts) -> float:
    if question.throughput is not None:
        facts.note("throughput of a full replica", f"{question.throughput:,.0f} tokens/s, in and out", GIVEN)
        return question.throughput
    assert replica.model is not None
    assert replica.gpu is not None
    slo = question.slo or Slo()
    step = step_time(replica.model, replica.gpu, replica.gpus, replica.precision)
    found = throughput(step, max(round(mix.input_tokens), 1), max(round(mix.output_tokens), 1), slo)
    if found <= 0:
        raise UsageError(
            f"{replica.model_name} on {replica} never meets TTFT {slo.ttft_s:g} s and TPOT {slo.tpot_s:g} s",
            hint="loosen the SLO, or take more or faster GPUs",
        )
    lengths = f"{mix.input_tokens:,.0f} in / {mix.output_tokens:,.0f} out a request"
    facts.note(
        "throughput of a full replica",
        f"{found:,.0f} tokens/s, in and out, at {lengths}",
        f"capacity model ±{step.error * 100:.0f}%: {step.source}",
    )
    facts.note(
        "SLO",
        f"TTFT {slo.ttft_s:g} s, TPOT {slo.tpot_s * 1000:g} ms; the APIs are taken to meet it",
        ASSUMED if question.slo is None else GIVEN,
    )
    return found


def default_precision(model: OpenModel, gpu: Gpu) -> str:
    """FP8 where the model has such a checkpoint and the GPU computes in it, else what its maker publishes."""
    return "fp8" if "fp8" in model.precisions and "fp8" in gpu.flops else model.precisions[0]


def default_gpus(model: OpenModel, gpu: Gpu, precision: str) -> int:
    """The fewest GPUs, 1, 2, 4 or 8, that hold the model and a request. Raises UsageError where none does."""
    for gpus in (1, 2, 4):
        try:
            step_time(model, gpu, gpus, precision)
        except UsageError:
            continue
        return gpus
    step_time(model, gpu, GPUS_MOST, precision)
    return GPUS_MOST
