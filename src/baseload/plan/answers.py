"""What only a person can answer, and the questions that ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from baseload.errors import DataError, nearest, number_hint


@dataclass(frozen=True, slots=True)
class Answers:
    """None means: nobody said. Milliseconds, engineers and weeks are counts."""

    sensitive_data: bool | None = None
    zero_retention_agreement: bool | None = None
    custom_weights: bool | None = None
    air_gap: bool | None = None
    latency_ttft_ms: float | None = None
    engineers: float | None = None
    needs_frontier_model: bool | None = None
    special_modalities: bool | None = None
    weeks_to_launch: float | None = None

    def to_dict(self) -> dict[str, bool | float]:
        """The questions that were answered."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in found.items() if value is not None}


NOBODY_SAID = Answers()

QUESTIONS: dict[str, str] = {
    "sensitive_data": "Do prompts hold data that may not be processed by others?",
    "zero_retention_agreement": "Is an agreement in force, or to be had, that the API keeps nothing?",
    "custom_weights": "Must your own fine-tuned weights be served?",
    "air_gap": "Must it run without any connection to the outside?",
    "latency_ttft_ms": "Longest time to first token that will do, in ms, if it is below what an API keeps?",
    "engineers": "How many engineers run GPU serving already?",
    "needs_frontier_model": "Does the work need a frontier model's quality?",
    "special_modalities": "Does it need speech, video or images that the open model lacks?",
    "weeks_to_launch": "In how many weeks must it be live?",
}
"""In the order asked; a name ending in a unit or counting something takes a number, the others yes or no."""

NUMBERS = frozenset({"latency_ttft_ms", "engineers", "weeks_to_launch"})


def answers(said: Mapping[str, Any]) -> Answers:
    """These answers by name. Raises DataError for a name that is no question or a value that is no answer."""
    checked: dict[str, Any] = {}
    for name, value in said.items():
        if name not in QUESTIONS:
            near = nearest(name, QUESTIONS)
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(QUESTIONS)}"
            raise DataError(f"no question is called {name!r}", hint=hint)
        checked[name] = _answer(name, value)
    return Answers(**checked)


def _answer(name: str, value: Any) -> bool | float | None:
    if value is None:
        return None
    if name not in NUMBERS:
        if not isinstance(value, bool):
            raise DataError(f"{name}: {value!r} is not yes or no")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise DataError(f"{name}: {value!r} is no number, 0 or more", hint=number_hint(value))
    return float(value)
