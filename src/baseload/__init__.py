"""baseload: own the base load, buy the peaks.

import baseload as bl
plan = bl.plan(bl.read_traffic("trace.csv"), api=("gpt-4o",), model="llama-3.3-70b", gpu="h100", gpus=2)
plan.report("plan.html")

The names below are loaded when they are first used: importing baseload itself costs nothing
(types of these names are in __init__.pyi).
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

__all__ = [
    "Bill",
    "Plan",
    "Question",
    "Traffic",
    "__version__",
    "plan",
    "read_bill",
    "read_shape",
    "read_traffic",
]

_HOMES = {
    "Bill": "baseload.traffic.bills.bill",
    "Plan": "baseload.plan.model",
    "Question": "baseload.plan.question",
    "Traffic": "baseload.traffic.table",
    "read_bill": "baseload.traffic.bills.read",
    "read_shape": "baseload.traffic.read",
    "read_traffic": "baseload.traffic.read",
}


def __getattr__(name: str) -> object:
    """A public name, from the module that holds it; `plan` is the room itself, which can be called."""
    if name == "plan":
        return import_module("baseload.plan")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'baseload' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
