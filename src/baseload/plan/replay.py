"""What would have been: traffic through the simulator under one configuration and under another.

Three views of the same requests, side by side: what a ledger recorded, the simulation under the configuration
as it stands, and the simulation with the change. The first two say how far the simulator is to be trusted,
the last two what the change does; both simulations share every assumption, so their difference is surer than
either.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from baseload.core import Model, Outcome, Reason, Side, Slo, Snapshot, Target, TokenPrice
from baseload.errors import UnknownName, UsageError
from baseload.ledger.launch import store_path
from baseload.ledger.schema import ATTEMPT_COLUMNS
from baseload.ledger.store import EVERYTHING, Filter, Store
from baseload.money import NANO
from baseload.plan.outcome import Simulated
from baseload.plan.percentile import at_share
from baseload.plan.scenario import Autoscale, Outage, Scenario
from baseload.plan.served import with_targets
from baseload.plan.simulate import simulate
from baseload.plan.sized import Sized, sized_dict
from baseload.traffic.table import Traffic

SHARES = (0.5, 0.95, 0.99)
NAMES = ("p50", "p95", "p99")
"""The percentiles a view shows."""


class View(Struct, frozen=True):
    """One view of the requests. Dollars are for the time the traffic lasts; None is unknown.

    TTFT and TPOT are over all that were served, at p50, p95 and p99. Shares are of requests,
    `owned_tokens_share` of tokens.
    """

    name: str
    requests: int
    owned_usd: float | None
    metered_usd: float | None
    ttft_s: tuple[float | None, float | None, float | None]
    tpot_s: tuple[float | None, float | None, float | None]
    spill_share: float
    owned_tokens_share: float
    refused: dict[str, int] = {}
    cut: int = 0
    windows: int = 0
    """Windows it was estimated from; 0: every request was simulated or recorded."""

    metered_usd_error: float | None = 0.0
    spill_share_error: float = 0.0
    owned_tokens_share_error: float = 0.0
    """Half of the 95% interval of what was estimated; 0 where every request counts."""

    @property
    def usd(self) -> float | None:
        """Hours and tokens together."""
        if self.owned_usd is None or self.metered_usd is None:
            return None
        return self.owned_usd + self.metered_usd


@dataclass(frozen=True, slots=True)
class Change:
    """What is different afterwards; whatever is left out stays.

    `replicas` says by owned target how many there are of it (0: none; the others are called NAME-2, NAME-3
    and so on, leaving out what is taken), `prices` what a metered one charges, `ttft_s` and
    `tpot_s` what every model promises.
    """

    replicas: Mapping[str, int] = field(default_factory=dict)
    prices: Mapping[str, TokenPrice] = field(default_factory=dict)
    ttft_s: float | None = None
    tpot_s: float | None = None
    autoscale: Autoscale | None = None
    outages: tuple[Outage, ...] = ()

    @property
    def anything(self) -> bool:
        """Whether it changes anything at all."""
        return self != Change()

    def applied(self, scenario: Scenario) -> Scenario:
        """The scenario with this change. Raises UnknownName and UsageError for targets it cannot be made
        to."""
        for name in (*self.replicas, *self.prices):
            side = Side.OWNED if name in self.replicas else Side.METERED
            names = [target.name for target in scenario.targets if target.side is side]
            if name not in names:
                raise UnknownName(f"{side.value} target", name, names)
        taken = {target.name for target in scenario.targets}
        models = tuple(self._model(model, taken) for model in scenario.models)
        return Scenario(
            models,
            classes=scenario.classes,
            usual=scenario.usual,
            latency=scenario.latency,
            outages=self.outages or scenario.outages,
            autoscale=self.autoscale or scenario.autoscale,
            seed=scenario.seed,
        )

    def _model(self, model: Model, taken: set[str]) -> Model:
        changed = with_targets(model, lambda targets: self._targets(targets, taken))
        if not changed.targets:
            raise UsageError(
                f"model {model.name!r} has no target left", hint="leave it one replica, or an API"
            )
        slo = Slo(
            model.slo.ttft_s if self.ttft_s is None else self.ttft_s,
            model.slo.tpot_s if self.tpot_s is None else self.tpot_s,
        )
        return replace(changed, slo=slo)

    def _targets(self, before: tuple[Target, ...], taken: set[str]) -> tuple[Target, ...]:
        targets: list[Target] = []
        for target in before:
            price = self.prices.get(target.name, target.price)
            more = (f"{target.name}-{number}" for number in itertools.count(2))
            free = itertools.chain([target.name], (name for name in more if name not in taken))
            for name in itertools.islice(free, self.replicas.get(target.name, 1)):
                targets.append(replace(target, name=name, price=price))
        return tuple(targets)


def scenario_of(snapshot: Snapshot, traffic: Traffic, model: str | None = None) -> Scenario:
    """What the gateway would run for this traffic with this configuration.

    `model` names the one all requests are for, where the traffic names none. Raises UnknownName for a model
    the configuration does not have, UsageError where it must be named.
    """
    names = sorted({traffic.models[code] for code in set(traffic.model.tolist())})
    if model is not None:
        names = [model]
    elif names == [""]:
        if len(snapshot.models) > 1:
            raise UsageError(
                "the traffic does not say which model it asks for",
                hint=f"name it: --model {next(iter(snapshot.models))}",
            )
        names = list(snapshot.models)
    for name in names:
        if name not in snapshot.models:
            raise UnknownName("model", name, snapshot.models)
    classes = {tenant: each.data_class for tenant, each in snapshot.tenants.items()}
    for tenant in traffic.tenants:
        classes.setdefault(tenant, snapshot.classes["default"])
    return Scenario(tuple(snapshot.models[name] for name in names), classes=classes)


def simulated(
    name: str, traffic: Traffic, scenario: Scenario, passed: Callable[[int], None] | None = None
) -> View:
    """This traffic in this scenario; `passed` as in `simulate`."""
    return view_of(name, simulate(traffic, scenario, passed))


def view_of(name: str, found: Simulated) -> View:
    """A simulation's outcome as a view."""
    return View(
        name=name,
        requests=len(found.target),
        owned_usd=found.owned_usd(),
        metered_usd=found.metered_usd(),
        ttft_s=three([found.ttft_at(share) for share in SHARES]),
        tpot_s=three([found.tpot_at(share) for share in SHARES]),
        spill_share=found.spill_share,
        owned_tokens_share=found.owned_tokens_share,
        refused=found.refused,
        cut=found.cut,
    )


def recorded(path: Path, only: Filter = EVERYTHING) -> View:
    """What a ledger says happened to the requests, each by its last attempt.

    One whose every attempt failed counts among the refused, as `failed`; so do, by their outcome, those that
    a target rejected, that a client left before the first token, and that were begun and never ended.
    `owned_usd` is what owned targets cost in the hours it testifies, None where it testifies none though they
    served; `metered_usd` is None where an attempt's cost is not known. TTFT counts from the last attempt's
    begin.
    """
    with Store(store_path(path) if path.is_dir() else path) as store:
        last = _last_attempts(row for batch in store.attempts(only) for row in batch)
        paid = [each.price_nano + each.open_price_nano for each in store.owned(only)]
        refused, totals = store.refusals(only), store.totals((), only)
    served = [each for each in last.values() if each.served]
    for each in last.values():
        if not each.served:
            refused[each.outcome] = refused.get(each.outcome, 0) + 1
    requests = len(served) + sum(refused.values())
    tokens = np.array([each.tokens for each in served], dtype=np.float64)
    on_owned = np.array([each.owned for each in served], dtype=bool)
    unknown = sum(each.cost_unknown for each in totals)
    return View(
        name="recorded",
        requests=requests,
        owned_usd=None if not paid and on_owned.any() else sum(paid) / NANO,
        metered_usd=None if unknown else sum(each.cost_nano for each in totals) / NANO,
        ttft_s=_quantiles([each.ttft_s for each in served]),
        tpot_s=_quantiles([each.tpot_s for each in served]),
        spill_share=sum(each.spilled for each in served) / max(requests, 1),
        owned_tokens_share=float(tokens[on_owned].sum() / max(tokens.sum(), 1.0)),
        refused=dict(sorted(refused.items())),
        cut=sum(each.cut for each in served),
    )


class _Attempt(Struct, frozen=True):
    """The attempt that decided how a request ended, as far as a view needs it."""

    number: int
    outcome: str
    served: bool
    owned: bool
    spilled: bool
    cut: bool
    tokens: int
    ttft_s: float
    tpot_s: float


def _last_attempts(rows: Iterable[tuple[Any, ...]]) -> dict[str, _Attempt]:
    last: dict[str, _Attempt] = {}
    for values in rows:
        row = dict(zip(ATTEMPT_COLUMNS, values, strict=True))
        if not row["attempt"]:  # an answer given again: nothing served it
            continue
        known = last.get(row["request_id"])
        if known is None or known.number < row["attempt"]:
            last[row["request_id"]] = _attempt(row)
    return last


def _attempt(row: dict[str, Any]) -> _Attempt:
    output, ttft_ns, duration_ns = row["output_tokens"] or 0, row["ttft_ns"], row["duration_ns"]
    ttft_s = math.nan if ttft_ns is None else ttft_ns / 1e9
    after_s = math.nan
    if ttft_ns is not None and output > 1 and duration_ns is not None:
        after_s = (duration_ns - ttft_ns) / 1e9 / (output - 1)
    outcome = row["outcome"]
    part = outcome in (Outcome.CLIENT_GONE, Outcome.CUT) and output > 0
    return _Attempt(
        row["attempt"],
        str(outcome),
        outcome == Outcome.COMPLETED or part,
        row["side"] == Side.OWNED,
        row["reason"] == Reason.SPILL,
        outcome == Outcome.CUT,
        (row["input_tokens"] or 0) + output,
        ttft_s,
        after_s,
    )


def replay_dict(traffic: Traffic, views: Iterable[View], sized: Sized | None = None) -> dict[str, Any]:
    """The views as plain data; docs/simulator.md names the keys."""
    return {
        "version": 1,
        "requests": len(traffic),
        "duration_s": round(traffic.duration_s, 3),
        "source": traffic.source,
        "views": [_view_dict(view) for view in views],
        "fewest": None if sized is None else sized_dict(sized),
    }


def _view_dict(view: View) -> dict[str, Any]:
    return {
        "name": view.name,
        "requests": view.requests,
        "usd": _rounded(view.usd, 2),
        "owned_usd": _rounded(view.owned_usd, 2),
        "metered_usd": _rounded(view.metered_usd, 2),
        "ttft_s": dict(zip(NAMES, (_rounded(each, 6) for each in view.ttft_s), strict=True)),
        "tpot_s": dict(zip(NAMES, (_rounded(each, 6) for each in view.tpot_s), strict=True)),
        "spill_share": round(view.spill_share, 6),
        "owned_tokens_share": round(view.owned_tokens_share, 6),
        "refused": view.refused,
        "cut": view.cut,
        "windows": view.windows,
        "metered_usd_error": _rounded(_finite(view.metered_usd_error), 2),
        "spill_share_error": _rounded(_finite(view.spill_share_error), 6),
        "owned_tokens_share_error": _rounded(_finite(view.owned_tokens_share_error), 6),
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isinf(value) else value


def _rounded(value: float | None, places: int) -> float | None:
    return None if value is None else round(value, places)


def _quantiles(values: list[float]) -> tuple[float | None, float | None, float | None]:
    known = np.array(values, dtype=np.float64)
    return three([at_share(known, share) for share in SHARES])


def three(values: list[float]) -> tuple[float | None, float | None, float | None]:
    """Three percentiles for a view, None where one is not known."""
    low, middle, high = (None if math.isnan(value) else value for value in values)
    return low, middle, high
