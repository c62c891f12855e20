"""What a fleet simulation is told: models and their targets, and what befalls them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from baseload.core import DataClass, Model, Side, Target
from baseload.errors import UsageError

ANYWHERE = DataClass("default")
"""Class of requests whose tenant is not known: anywhere."""


class Latency(NamedTuple):
    """What a metered target takes: to its first token, and for each one after it.

    The default is an assumption, that of `baseload twin provider`: providers publish no figure.
    """

    ttft_s: float = 0.4
    tpot_s: float = 0.012


ASSUMED_LATENCY = Latency()


class Outage(NamedTuple):
    """A target answers nothing from `from_s` to `until_s`; what it was serving is lost.

    For a replica `until_s` is when it is ready again, its cold start included.
    """

    target: str
    from_s: float
    until_s: float


class Autoscale(NamedTuple):
    """Owned replicas between `floor`, at least 1, and all there are, by the saturation dispatch reports.

    Replicas that serve the same models at the same speed scale together, others by themselves. One more is
    started when the replicas in use are saturated together (`policy.load.Saturation`: on at 1.0, off below
    0.7) and none is starting; it is paid at once and serves after `cold_start_s`. One is drained when the
    others could take its load below 0.7 for `calm_s`; it is paid until its last request ends.
    """

    floor: int = 1
    cold_start_s: float = 300.0
    calm_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """Models with their targets as the gateway knows them, and what happens to them.

    Requests are matched with `models` by name; where there is one model only, all are for it. `classes` says
    by tenant where data may be processed. `latency` is that of metered targets, by target name where it
    differs from `usual`. Equal scenarios give equal answers: `seed` is that of the jitter of ejections and
    retries.
    """

    models: tuple[Model, ...]
    classes: Mapping[str, DataClass] = field(default_factory=dict)
    usual: Latency = ASSUMED_LATENCY
    latency: Mapping[str, Latency] = field(default_factory=dict)
    outages: tuple[Outage, ...] = ()
    autoscale: Autoscale | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises UsageError for what cannot be simulated."""
        if not self.models:
            raise UsageError("no model to simulate")
        _one_of_each_name(self.models)
        if self.autoscale is not None and self.autoscale.floor < 1:
            raise UsageError(f"autoscaling down to {self.autoscale.floor} is none", hint="the least is 1")
        for target, from_s, until_s in self.outages:
            if not 0.0 <= from_s < until_s:
                raise UsageError(
                    f"an outage of {target} from {from_s:g} s until {until_s:g} s is none",
                    hint="it ends after it begins, and begins at 0 s or later",
                )
        self._known_targets()

    def _known_targets(self) -> None:
        names = {target.name for target in self.targets}
        for target in self.targets:
            if target.side is Side.OWNED and target.step is None:
                raise UsageError(
                    f"the speed of {target.name} is not known",
                    hint="write `gpus`, or measured figures as `capacity`, for this target",
                )
        for named in (*self.latency, *(outage.target for outage in self.outages)):
            if named not in names:
                raise UsageError(
                    f"no target is called {named!r}", hint=f"there are {', '.join(sorted(names))}"
                )

    @property
    def targets(self) -> tuple[Target, ...]:
        """Every target once, in the order of the models; those of fallback lists last."""
        return targets_of(self.models)


def targets_of(models: Iterable[Model]) -> tuple[Target, ...]:
    """Every target that these models are served by once, those of fallback lists last."""
    models = tuple(models)
    own = {target.name: target for model in models for target in model.targets}
    lists = (model.fallback.targets for model in models if model.fallback is not None)
    beyond = {target.name: target for listed in lists for target in listed if target.name not in own}
    return tuple((own | beyond).values())


def _one_of_each_name(models: tuple[Model, ...]) -> None:
    """A name is one target, in each model once."""
    known: dict[str, Target] = {}
    for model in models:
        names = [target.name for target in model.targets]
        for target in model.targets:
            if known.setdefault(target.name, target) != target or names.count(target.name) > 1:
                raise UsageError(f"two targets are called {target.name!r}", hint="give one another name")
