"""The lines of a total cost of ownership: which there are, what each says, and in which group it stands."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Group(StrEnum):
    """What a line pays for: the layers of a stacked figure, from the bottom up."""

    GPUS = "gpus"
    TOKENS = "tokens"
    PEOPLE = "people"
    RUNNING = "running"
    CHANGE = "change"
    RISK = "risk"


class LineKind(NamedTuple):
    """One line: its group, what it says, and the assumptions it rests on besides traffic and prices."""

    group: Group
    words: str
    rests_on: tuple[str, ...] = ()


_BOUGHT = ("bought.usd_per_gpu", "bought.life_months", "bought.residual_share")
_POWER = ("bought.kw_per_gpu", "bought.pue", "bought.usd_per_kwh")
_GPU_PATH = ("gpu.price_factor", "gpu.price_change_per_year")
_INCIDENT = ("incident.hours", "incident.usd_per_hour")
_API_TOKENS = ("api.price_change_per_year", "api.tokenizer_ratio")

LINES: dict[str, LineKind] = {
    "input": LineKind(Group.TOKENS, "input tokens bought, not cached", _API_TOKENS),
    "cached_read": LineKind(Group.TOKENS, "input tokens read from the provider's cache", _API_TOKENS),
    "cache_write": LineKind(
        Group.TOKENS, "input tokens written to the provider's cache", (*_API_TOKENS, "api.cache_write_share")
    ),
    "output": LineKind(Group.TOKENS, "output tokens bought", (*_API_TOKENS, "api.verbosity_ratio")),
    "reasoning": LineKind(
        Group.TOKENS, "reasoning tokens, billed as output", (*_API_TOKENS, "api.reasoning_per_output")
    ),
    "long_context": LineKind(
        Group.TOKENS, "dearer tier of requests with a long input", (*_API_TOKENS, "api.long_context_share")
    ),
    "batch": LineKind(
        Group.TOKENS,
        "batch discount on deferrable tokens",
        ("traffic.deferrable_share", "api.batch_discount"),
    ),
    "regional_uplift": LineKind(Group.TOKENS, "surcharge for one region", ("api.regional_uplift",)),
    "retries": LineKind(Group.TOKENS, "answers billed and asked for again", ("api.retry_share",)),
    "provisioned": LineKind(
        Group.TOKENS,
        "units of provisioned throughput",
        ("api.provisioned_usd_per_unit_hour", "api.provisioned_tokens_per_minute"),
    ),
    "commitment": LineKind(
        Group.TOKENS,
        "committed spend: discount, and what falls short",
        ("api.commitment_usd_per_month", "api.commitment_discount"),
    ),
    "gpu_on_demand": LineKind(Group.GPUS, "GPUs on demand", _GPU_PATH),
    "gpu_reserved": LineKind(
        Group.GPUS, "reserved GPUs", (*_GPU_PATH, "gpu.reserved_discount", "gpu.reserved_months")
    ),
    "gpu_spot": LineKind(
        Group.GPUS, "spot GPUs", (*_GPU_PATH, "gpu.spot_ratio", "gpu.spot_interrupted_share")
    ),
    "depreciation": LineKind(Group.GPUS, "bought GPUs written off", _BOUGHT),
    "cost_of_capital": LineKind(
        Group.GPUS, "interest on bought GPUs", (*_BOUGHT, "finance.cost_of_capital_per_year")
    ),
    "power": LineKind(Group.GPUS, "electricity of bought GPUs and their building", _POWER),
    "colocation": LineKind(
        Group.GPUS, "rack space and remote hands", ("bought.colocation_usd_per_kw_month", "bought.kw_per_gpu")
    ),
    "maintenance": LineKind(
        Group.GPUS, "maintenance of bought GPUs", ("bought.maintenance_share_per_year", "bought.usd_per_gpu")
    ),
    "spare": LineKind(Group.GPUS, "the spare (N+1), in each region", ("traffic.regions", *_GPU_PATH)),
    "staging": LineKind(Group.RUNNING, "a staging replica by the hour", ("staging.replica_hours_per_month",)),
    "storage": LineKind(
        Group.RUNNING,
        "disks for weights",
        ("storage.gb_per_copy", "storage.copies", "storage.usd_per_gb_month"),
    ),
    "egress": LineKind(
        Group.RUNNING, "answers leaving the network", ("egress.usd_per_gb", "egress.bytes_per_output_token")
    ),
    "licences": LineKind(Group.RUNNING, "licences of the serving software", ("licence.usd_per_gpu_year",)),
    "gateway": LineKind(Group.RUNNING, "hosts of the gateway", ("gateway.usd_per_month",)),
    "engineers": LineKind(
        Group.PEOPLE,
        "engineers",
        ("people.factor", "people.replicas_per_engineer", "people.usd_per_engineer_month"),
    ),
    "on_call": LineKind(Group.PEOPLE, "on-call rota", ("people.on_call_usd_per_month",)),
    "observability": LineKind(Group.PEOPLE, "observability", ("people.observability_share",)),
    "evaluation": LineKind(
        Group.CHANGE,
        "evaluation at each model upgrade",
        ("upgrade.months", "upgrade.evaluation_usd", "upgrade.api_months", "upgrade.api_evaluation_usd"),
    ),
    "rollout": LineKind(
        Group.CHANGE,
        "replicas doubled while an upgrade rolls out",
        ("upgrade.rollout_days", "upgrade.months"),
    ),
    "migration": LineKind(Group.CHANGE, "moving there, once", ("migration.owned_usd", "migration.api_usd")),
    "exit": LineKind(
        Group.CHANGE, "leaving at the end", ("exit.owned_usd", "exit.api_usd", "gpu.reserved_months")
    ),
    "security": LineKind(
        Group.RISK, "security and compliance", ("security.owned_usd_per_month", "security.api_usd_per_month")
    ),
    "incidents": LineKind(
        Group.RISK, "outages", ("incident.owned_per_month", "incident.api_per_month", *_INCIDENT)
    ),
}
"""Every line by name, in the order shown."""
