"""What a reader leaves out of a bill: counted, with its dollars, and said."""

from __future__ import annotations

from decimal import Decimal

from baseload.money import nano, show


class LeftOut:
    """Lines that are no usage of a model (another service, a failed request), by the reason in words."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._usd: dict[str, Decimal] = {}

    def add(self, why: str, usd: Decimal | None = None) -> None:
        """One more; `why` reads on from "3 records are left out: "."""
        self._counts[why] = self._counts.get(why, 0) + 1
        if usd is not None:
            self._usd[why] = self._usd.get(why, Decimal(0)) + usd

    def notes(self) -> list[str]:
        """A sentence for each reason."""
        return [
            f"{count:,} record{'s are' if count > 1 else ' is'} left out: {why}"
            + (f" ({show(nano(self._usd[why]))})" if why in self._usd else "")
            for why, count in self._counts.items()
        ]
