"""The facts a plan rests on, noted as they are settled."""

from __future__ import annotations

from dataclasses import dataclass, field

from baseload.plan.model import Fact


@dataclass(slots=True)
class Facts:
    """Facts in the order they were settled."""

    rows: list[Fact] = field(default_factory=list)

    def note(self, name: str, value: str, source: str, as_of: str = "") -> None:
        """Settle one fact."""
        self.rows.append(Fact(name, value, source, as_of))
