"""The interview: what only a person can answer, asked one by one and remembered in the plan file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from baseload.plan.answers import NUMBERS, QUESTIONS, answers
from baseload.plan.planfile import read_plan_file, write_answers

PLAN_FILE = Path("baseload-plan.yaml")
"""Where answers are remembered where no plan file is named."""

_YES_NO = {"y": True, "yes": True, "n": False, "no": False}
_OPEN = ("?", "open")

Ask = Callable[[str, str], str]
"""Takes a question and what was answered before, in words, and returns what was typed, or those words."""


def interview(path: Path, ask: Ask, complain: Callable[[str], None]) -> None:
    """Ask every question and write the answers to this plan file; its other sections stay.

    The words of the answer before keep it, `?` leaves a question open; what is neither is complained of and
    asked again. Broken off, it keeps what was answered so far. Raises what `read_plan_file` and
    `write_answers` raise.
    """
    before = dict(read_plan_file(path).answers) if path.exists() else {}
    answers(before)
    said, broken_off = dict(before), True
    try:
        for name, question in QUESTIONS.items():
            value = _asked(question, before.get(name), ask, complain, numeric=name in NUMBERS)
            said.pop(name, None)
            if value is not None:
                said[name] = value
        broken_off = False
    finally:
        if said != before or not broken_off:
            write_answers(path, said)


def _asked(
    question: str, known: bool | float | None, ask: Ask, complain: Callable[[str], None], *, numeric: bool
) -> bool | float | None:
    kind = "a number" if numeric else "yes or no"
    shown = _shown(known)
    while True:
        typed = ask(f"{question} ({kind}; ? if nobody knows)", shown)
        if typed == shown:
            return known
        try:
            return _answer(typed, numeric=numeric)
        except ValueError:
            complain(f"  {typed!r} is not {kind}")


def _shown(value: bool | float | None) -> str:
    if value is None:
        return _OPEN[1]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}"


def _answer(text: str, *, numeric: bool) -> bool | float | None:
    """Raises ValueError for what is neither an answer nor `?`."""
    plain = text.strip().lower()
    if plain in _OPEN:
        return None
    if not numeric:
        if plain not in _YES_NO:
            raise ValueError
        return _YES_NO[plain]
    number = float(plain)
    if not 0 <= number < float("inf"):
        raise ValueError
    return number
