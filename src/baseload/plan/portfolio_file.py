"""The `portfolio` section of a plan file: classes, places that may be owned, and APIs, by name.

portfolio:
  team_usd_per_month: 20000
  classes:
    chat: {tokens_per_day: 500000000, quality: 0.7}
    patient: {tokens_per_day: 200000000, quality: 0.7, regions: [eu-west], zero_retention: true}
  owned:
    llama-eu: {region: eu-west, throughput_tokens_per_s: 4392, usd_per_hour: 8, quality: 0.8, spare: 1}
  apis:
    gpt-4o: {region: us, usd_per_million: 6.25, quality: 1.0, zero_retention: true}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from baseload.errors import DataError, nearest, number_hint
from baseload.plan.portfolio import Demand, MeteredPlace, OwnedPlace, Question

_ABOVE_ZERO = frozenset({"throughput_tokens_per_s", "usable", "tokens_per_day"})
_AT_MOST_ONE = frozenset({"quality", "usable"})

_Noun = TypeVar("_Noun", OwnedPlace, MeteredPlace, Demand)


def portfolio_question(said: Mapping[str, Any]) -> Question:
    """The `portfolio` section of a plan file. Raises DataError for what it cannot mean."""
    unknown = set(said) - {"classes", "owned", "apis", "team_usd_per_month"}
    if unknown:
        raise DataError(
            f"portfolio: unknown key {min(unknown)!r}",
            hint="there are classes, owned, apis, team_usd_per_month",
        )
    question = Question(
        tuple(_nouns(Demand, "classes", said.get("classes"))),
        tuple(_nouns(OwnedPlace, "owned", said.get("owned"))),
        tuple(_nouns(MeteredPlace, "apis", said.get("apis"))),
        _number("portfolio.team_usd_per_month", said.get("team_usd_per_month", 0.0)),
    )
    if not question.classes:
        raise DataError("portfolio: no classes", hint="write classes: {chat: {tokens_per_day: 100000000}}")
    return question


def _nouns(kind: type[_Noun], section: str, said: Any) -> Iterable[_Noun]:
    """One noun for every name, or for every region where a place lists several."""
    if said is None:
        return
    if not isinstance(said, Mapping):
        raise DataError(f"portfolio.{section} is not a mapping of names")
    known = {field.name: field for field in fields(kind)}
    for name, given in said.items():
        where = f"portfolio.{section}.{name}"
        if not isinstance(given, Mapping):
            raise DataError(f"{where} is not a mapping")
        values: dict[str, Any] = {"name": str(name)}
        for key, value in given.items():
            if key not in known or key == "name":
                near = nearest(str(key), known)
                raise DataError(
                    f"{where}: unknown key {key!r}", hint=f"did you mean {near!r}?" if near else ""
                )
            values[key] = _checked(f"{where}.{key}", str(known[key].type), value)
        missing = [k for k, field in known.items() if field.default is MISSING and k not in values]
        if missing:
            raise DataError(f"{where}: {missing[0]} is required")
        yield kind(**values)


def _checked(where: str, type_: str, value: Any) -> Any:
    if type_ == "bool":
        if not isinstance(value, bool):
            raise DataError(f"{where}: {value!r} is not true or false")
        return value
    if type_.startswith("tuple"):
        if value == "any" or value is None:
            return None
        if not isinstance(value, list) or not value or not all(isinstance(part, str) for part in value):
            raise DataError(f"{where}: {value!r} is no list of regions", hint="write any, or [eu-west]")
        return tuple(value)
    if type_ == "str":
        return str(value)
    if value is None and "None" in type_:
        return None
    number = _number(where, value)
    key = where.rpartition(".")[2]
    if key in _ABOVE_ZERO and number == 0:
        raise DataError(f"{where}: 0 is not above 0")
    if key in _AT_MOST_ONE and number > 1:
        raise DataError(f"{where}: {value!r} is more than 1", hint="70% is written 0.7")
    if type_ == "int" and number != int(number):
        raise DataError(f"{where}: {value!r} is not a whole number")
    return int(number) if type_ == "int" else number


def _number(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise DataError(f"{where}: {value!r} is no number, 0 or more", hint=number_hint(value))
    return float(value)
