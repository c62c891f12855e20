"""The nouns hold what they promise: frozen, comparable, and silent about secrets."""

from __future__ import annotations

import inspect

import msgspec
import pytest
from msgspec import Struct

from baseload import core
from baseload.core import Model, Side, Target

NOUNS = [
    noun
    for _, noun in inspect.getmembers(core, inspect.isclass)
    if issubclass(noun, Struct) and noun is not Struct
]


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.__name__)
def test_a_noun_is_frozen(noun: type[Struct]) -> None:
    """A request keeps the configuration it began with: nothing of it can change under its hands."""
    assert noun.__struct_config__.frozen


def test_a_credential_is_never_printed() -> None:
    """Neither by a target nor by what holds one."""
    target = Target("a", Side.METERED, "https://api.example.com/v1", credential="sk-secret")
    model = Model("chat", (target,))
    assert "sk-secret" not in f"{target!r} {target} {model!r} {[target]}"


def test_an_unknown_price_is_none() -> None:
    """What nobody stated is None, never 0: prices, regions and limits alike."""
    target = msgspec.structs.asdict(Target("a", Side.METERED, "https://api.example.com/v1"))
    unknown = {"price", "region", "usd_nano_per_hour", "step", "context_tokens", "model"}
    assert {name for name in unknown if target[name] is not None} == set()
    assert set(msgspec.structs.asdict(core.Limits()).values()) == {None}
