"""What a request that passes through costs, exactly, or that it is not known."""

from __future__ import annotations

import pytest

from baseload.core import Side, Target, TokenPrice, Tokens, UnitPrice
from baseload.gateway.passing.fare import Fare
from baseload.gateway.passing.paths import Unit
from baseload.wire.passed import NOTHING_SAID, PassedAnswer

TOKENS = TokenPrice(input=5_000_000_000, output=40_000_000_000)


def _target(price: TokenPrice | None = None, model: str | None = None, **units: int) -> Target:
    return Target("t", Side.METERED, "http://x/v1", model=model, price=price, unit_price=UnitPrice(**units))


@pytest.mark.parametrize(
    ("fare", "target", "answer", "expected"),
    [
        (Fare(Unit.IMAGE, images=3), _target(image=40), NOTHING_SAID, 120),
        (Fare(Unit.IMAGE, images=3), _target(image=40), PassedAnswer(images=2), 80),
        (Fare(Unit.IMAGE, images=1), _target(image=40, request=7), NOTHING_SAID, 47),
        (Fare(Unit.SECOND), _target(second=100_000), PassedAnswer(milliseconds=8_470), 847_000),
        (Fare(Unit.SECOND), _target(second=1), PassedAnswer(milliseconds=500), 0),
        (Fare(Unit.SECOND), _target(second=3), PassedAnswer(milliseconds=500), 2),
        (Fare(Unit.SECOND), _target(second=100), NOTHING_SAID, None),
        (Fare(Unit.CHARACTER, characters=5), _target(character=15_000), NOTHING_SAID, 75_000),
        (Fare(Unit.CHARACTER), _target(character=15_000), NOTHING_SAID, None),
        (Fare(Unit.SEARCH), _target(search=2), PassedAnswer(searches=4), 8),
        (Fare(Unit.SEARCH), _target(search=2), NOTHING_SAID, None),
        (Fare(), _target(request=9), NOTHING_SAID, 9),
        (Fare(), _target(request=0), NOTHING_SAID, 0),
        (Fare(), _target(), NOTHING_SAID, None),
        (Fare(Unit.IMAGE, images=1), _target(), NOTHING_SAID, None),
    ],
)
def test_units(fare: Fare, target: Target, answer: PassedAnswer, expected: int | None) -> None:
    """Count times price, rounded half-even once, and the price of a request besides; else unknown."""
    assert fare.cost(target, answer) == expected


@pytest.mark.parametrize(
    ("fare", "target", "answer", "expected"),
    [
        (Fare(named=True), _target(TOKENS), PassedAnswer(Tokens(10, output=2)), 130_000),
        (Fare(named=True), _target(TOKENS, request=1), PassedAnswer(Tokens(10, output=2)), 130_001),
        (Fare(), _target(TOKENS, model="m"), PassedAnswer(Tokens(10)), 50_000),
        (Fare(), _target(TOKENS), PassedAnswer(Tokens(10)), None),
        (Fare(), _target(TOKENS, request=3), PassedAnswer(Tokens(10)), 3),
        (Fare(named=True), _target(TOKENS, request=3), NOTHING_SAID, None),
        (Fare(named=True), _target(), PassedAnswer(Tokens(10)), None),
        (Fare(named=True), _target(TOKENS), PassedAnswer(Tokens(10), image_tokens=4), None),
        (
            Fare(named=True),
            _target(TOKENS, input_image=10_000_000_000),
            PassedAnswer(Tokens(10), image_tokens=4),
            6 * 5_000 + 4 * 10_000,
        ),
        (Fare(Unit.IMAGE, images=2, named=True), _target(TOKENS, image=9), PassedAnswer(Tokens(10)), 18),
    ],
)
def test_tokens(fare: Fare, target: Target, answer: PassedAnswer, expected: int | None) -> None:
    """A price per token holds for the model it is of; a written price of the unit goes before it."""
    assert fare.cost(target, answer) == expected
