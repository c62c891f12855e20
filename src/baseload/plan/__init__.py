"""What to own and what to buy: monthly costs, break-even, the hybrid optimum, and their report.

The room is also the verb: `bl.plan(bl.read_traffic("trace.csv"), api=("gpt-4o",))` after
`import baseload as bl` calls this module, and `baseload.plan.decide.plan` is what answers.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """A module that can be called: `bl.plan` stays both the room and the function of the same name."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from baseload.plan.decide import plan

        return plan(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
