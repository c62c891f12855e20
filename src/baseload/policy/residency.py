"""Where a request's data may be processed: a rule that never bends and fails closed.

A class asks for regions, for zero retention, or for both. What a target does not say counts against it.
"""

from __future__ import annotations

from baseload.core import UNPLACED, DataClass, Target
from baseload.errors import RESIDENCY, RequestError


def placed(region: str | None) -> bool:
    """Whether a region names one place, so that a class may rely on it."""
    name = (region or "").strip().lower()
    return name != "" and name not in UNPLACED


def may_process(data_class: DataClass, target: Target) -> bool:
    """Whether this target may process data of this class; False wherever that is not certain."""
    return why_not(data_class, target) is None


def why_not(data_class: DataClass, target: Target) -> str | None:
    """The rule that keeps data of this class away from this target, in words; None where it may go."""
    if data_class.regions is not None:
        if not placed(target.region):
            return f"its region is {target.region or 'unknown'}, which is no one place"
        if target.region not in data_class.regions:
            return f"its region is {target.region}"
    if data_class.zero_retention and not target.zero_retention:
        return "it has no zero-retention agreement"
    return None


def describe(data_class: DataClass) -> str:
    """The class with what it asks, for messages: `patient (regions eu-west, zero retention)`."""
    rules = []
    if data_class.regions is not None:
        rules.append("regions " + (", ".join(sorted(data_class.regions)) or "none"))
    if data_class.zero_retention:
        rules.append("zero retention")
    return f"{data_class.name} ({', '.join(rules) or 'anywhere'})"


def is_narrower(requested: DataClass, allowed: DataClass) -> bool:
    """Whether every target that `requested` admits is admitted by `allowed` (equal ones too)."""
    if allowed.regions is not None and (
        requested.regions is None or not requested.regions <= allowed.regions
    ):
        return False
    return requested.zero_retention or not allowed.zero_retention


def narrow(allowed: DataClass, requested: DataClass) -> DataClass:
    """The class a request asked for, provided that it is no wider than the one its tenant or key has.

    Raises RequestError (RESIDENCY) for a wider one.
    """
    if is_narrower(requested, allowed):
        return requested
    raise RequestError(
        RESIDENCY,
        f"class {describe(requested)} is wider than {describe(allowed)}; a request may only narrow its class",
        param="x-baseload-class",
    )
