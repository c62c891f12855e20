"""The policy a plan writes: targets, models, SLO, classes and tenants of baseload.yaml.

What a plan cannot know stands there as a placeholder that is valid and easy to find: addresses of replicas
and the names of regions. Keys are references to the environment, never written out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from baseload.catalog.models import OpenModel, open_model
from baseload.catalog.prices import listed
from baseload.config.load import LATER
from baseload.config.providers import ENDPOINTS
from baseload.errors import EnvironmentProblem, UnknownName, UsageError
from baseload.money import NANO
from baseload.plan import words
from baseload.plan.costs import Spare
from baseload.plan.model import Metered, Option, Plan, Role
from baseload.plan.prices import FIRST_PARTY
from baseload.plan.reasons import data_may_leave

OWN_REGION = "own-region"
API_REGION = "api-region"
MODEL = "chat"
"""What clients ask for, until it is renamed."""

MOST_REPLICAS_WRITTEN = 64
"""Replicas written one by one; a larger fleet stands behind addresses of its own."""

BUDGET_HEADROOM = 1.5
"""A month's budget over the planned spill: room for a bad month, none for a runaway client."""


def policy(plan: Plan, name: str | None = None) -> dict[str, Any]:
    """The sections of baseload.yaml for the recommended option, or for the one of this name.

    Raises UsageError where no option meets the answers, or the named one does not exist.
    """
    option = _chosen(plan, name)
    owned = dict(_owned_targets(plan, option))
    metered = dict(_metered_targets(plan, option))
    model: dict[str, Any] = {}
    if owned:
        model["owned"] = list(owned)
    if metered:
        model["metered"] = list(metered)
    slo = plan.inputs.slo
    model["slo"] = {"ttft": f"{slo.ttft_s * 1000:g}ms", "tpot": f"{slo.tpot_s * 1000:g}ms"}
    tenant: dict[str, Any] = {"class": "default"}
    later = _later(plan, option)
    if "budget" in later and "budget" not in LATER:
        tenant["budget"] = later["budget"]
    if "hard" in later and "hard" not in LATER:
        model["hard"] = later["hard"]
    return {
        "targets": {**owned, **metered},
        "models": {MODEL: model},
        "classes": {"default": _default_class(plan)},
        "tenants": {"default": tenant},
    }


def policy_yaml(plan: Plan, name: str | None = None) -> str:
    """The same as text, with what it rests on and what is left to fill in. Equal plans give equal text."""
    option = _chosen(plan, name)
    head = [
        "Written by baseload plan:",
        f"{words.tokens(plan.inputs.tokens_per_day)} tokens/day, {option.name}, "
        f"{words.replicas(option.replicas, option.spare_replicas)}, "
        f"{words.usd(option.usd_per_month)} a month as planned.",
        "Fill in: url of each replica, the regions, and the keys in the environment; then:",
        "  baseload config check FILE",
    ]
    if option.spare_replicas:
        head.append("The spare serves like the others: it is paid for either way.")
    lines = [f"# {line}" for line in head]
    body = yaml.safe_dump(policy(plan, name), sort_keys=False, allow_unicode=True, width=110)
    unread = {key: value for key, value in _later(plan, option).items() if key in LATER}
    if unread:
        lines.append("# This version's gateway does not read these yet:")
        lines += [f"#   {where}.{key}: {_flow(value)}" for (where, key), value in _placed(unread)]
        if "hard" in unread:
            lines.append(
                "# The budget holds for peaks and hard requests together: hard is what is left of it."
            )
    return "\n".join([*lines, body])


def write_policy(plan: Plan, path: Path, name: str | None = None) -> Path:
    """Write it to a file that must not exist yet. Raises EnvironmentProblem where that fails."""
    text = policy_yaml(plan, name)
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        hint = "name a new file and compare the two"
        raise EnvironmentProblem(f"{path} exists and is not overwritten", hint=hint) from None
    except OSError as error:
        hint = "name a file in a folder that exists and can be written"
        raise EnvironmentProblem(f"cannot write {path}: {error.strerror}", hint=hint) from None
    return path


def _chosen(plan: Plan, name: str | None) -> Option:
    wanted = name if name is not None else plan.advice.option
    if wanted is None:
        raise UsageError("no option meets the answers, so there is no policy to write", hint="see the advice")
    found = next((option for option in plan.options if option.name == wanted), None)
    if found is None:
        names = ", ".join(option.name for option in plan.options)
        raise UsageError(f"no option is called {wanted!r}", hint=f"there are {names}")
    return found


def _owned_targets(plan: Plan, option: Option) -> Iterator[tuple[str, dict[str, Any]]]:
    inputs = plan.inputs
    spares = option.spare_replicas if inputs.fleet.spare is not Spare.NONE else 0
    regions = int(inputs.assumptions.number("traffic.regions"))
    count = (option.replicas + spares) * regions if option.replicas else 0
    if count > MOST_REPLICAS_WRITTEN:
        raise UsageError(
            f"{count} replicas are more than the {MOST_REPLICAS_WRITTEN} that are written one by one",
            hint="put an address in front of each group and write the groups",
        )
    base = _name(inputs.model)
    for n in range(1, count + 1):
        usd = round(inputs.fleet.usd_per_hour / regions, 6)
        section: dict[str, Any] = {"engine": "vllm", "usd_per_hour": usd}
        if inputs.gpu:
            section["gpus"] = f"{inputs.gpus // regions} x {inputs.gpu.lower()}"
        known = _open_model(inputs.model)
        if known is not None:
            section |= {"precision": inputs.precision, "open_model": known.name}
        yield (
            f"{base}-{n}",
            {
                "owned": section,
                "url": f"http://{base}-{n}:8000/v1",
                "model": inputs.model if known is None else _served_as(known),
                "region": _own_regions(regions)[(n - 1) % regions],
                "zero_retention": True,
            },
        )


def _own_regions(count: int) -> list[str]:
    """Placeholders for the regions of owned replicas."""
    return [OWN_REGION] if count == 1 else [f"{OWN_REGION}-{n}" for n in range(1, count + 1)]


def _metered_targets(plan: Plan, option: Option) -> Iterator[tuple[str, dict[str, Any]]]:
    metered = next((each for each in plan.inputs.metered if each.name == option.metered), None)
    if metered is None:
        return
    provider = metered.provider or _maker(metered.name) or "provider"
    section: dict[str, Any] = {"provider": provider, "key": f"${{{_env(provider)}_API_KEY}}"}
    price = _price(metered)
    if price is not None:
        section["price"] = price
    target: dict[str, Any] = {"metered": section}
    if provider not in ENDPOINTS:
        target["url"] = f"https://{_name(provider)}.example/v1"
    target["model"] = metered.model or metered.name.removesuffix(" API")
    if data_may_leave(plan) and plan.inputs.answers.sensitive_data:
        target |= {"region": API_REGION, "zero_retention": True}
    yield _name(metered.name), target


def _price(metered: Metered) -> dict[str, Any] | None:
    """The price the plan rests on where the catalog does not hold it: as it was given."""
    if metered.price is None:
        usd = metered.usd_per_million
        return {"input": _usd(usd), "output": _usd(usd), "source": "given to the plan"}
    if metered.price.source == "given":
        price = metered.price
        return {
            "input": _usd(price.input / NANO),
            "output": _usd(price.output / NANO),
            "source": "given to the plan",
        }
    return None


def _default_class(plan: Plan) -> dict[str, Any]:
    """Where data may go, as it was answered: anywhere, under an agreement, or nowhere else."""
    said = plan.inputs.answers
    own = _own_regions(int(plan.inputs.assumptions.number("traffic.regions")))
    if said.air_gap or data_may_leave(plan) is False:
        return {"regions": own, "zero_retention": True}
    if said.sensitive_data:
        return {"regions": [*own, API_REGION], "zero_retention": True}
    return {"regions": "any"}


def _later(plan: Plan, option: Option) -> dict[str, Any]:
    """Budget and hard requests of a hybrid: what is spilled has a bound, then owned serving alone answers.

    Hard requests may cost what the budget leaves above the planned peaks, so that both together stay in it.
    """
    if not option.replicas or option.metered is None:
        return {}
    bound = max(round(option.spill_usd_per_month * BUDGET_HEADROOM), 1)
    found: dict[str, Any] = {"budget": {"usd": bound, "per": "month", "then": "owned_only"}}
    metered = next(each for each in plan.inputs.metered if each.name == option.metered)
    if metered.role is Role.FRONTIER:
        left = bound - math.ceil(option.spill_usd_per_month)
        if left > 0:
            found["hard"] = {"budget_usd_per_month": left, "to": _name(metered.name)}
    return found


def _placed(later: dict[str, Any]) -> Iterator[tuple[tuple[str, str], Any]]:
    places = {"budget": "tenants.default", "hard": f"models.{MODEL}"}
    for key, value in later.items():
        yield (places[key], key), value


def _flow(value: dict[str, Any]) -> str:
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=200).strip()


def _maker(name: str) -> str | None:
    """Who makes a model that is called by its bare name; None where that is not known."""
    return next((firm for firm in FIRST_PARTY if listed(firm, name) is not None), None)


def _open_model(name: str) -> OpenModel | None:
    try:
        return open_model(name)
    except UnknownName:
        return None


def _served_as(model: OpenModel) -> str:
    """The name an engine serves the weights under: their repository, where one is known."""
    return next((alias for alias in model.aliases if "/" in alias), model.name)


def _name(text: str) -> str:
    """A target's name: small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "target"


def _env(provider: str) -> str:
    return re.sub(r"[^A-Z0-9]+", "_", provider.upper()).strip("_")


def _usd(price: float) -> str:
    return f"{price:.6f}".rstrip("0").rstrip(".") if price % 1 else f"{price:.0f}"
