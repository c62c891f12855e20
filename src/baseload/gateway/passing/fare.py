"""What a try at a path that passes through cost: by what it counted, by tokens, or by the request.

    the target writes a price of the path's unit   count × price
    else its answer reports tokens                 tokens × the model's price per token
    and always                                     + the price of a request

What is not known makes the cost unknown, never 0: a count that the answer does not say, tokens that it does
not tell where they have a price, tokens of a model that the target is not priced as, special tokens without a
price of their own.
"""

from __future__ import annotations

from msgspec import Struct

from baseload.core import Target, Tokens, UnitPrice
from baseload.gateway.passing.paths import Unit
from baseload.money import MILLION, divide_half_even, token_cost
from baseload.wire.passed import NOTHING_SAID, PassedAnswer

_MILLI = 1000


class Fare(Struct, frozen=True):
    """What a request asked for, as far as it is charged: `images` and `characters` are None where not told.

    `named`: the client named a model that is one of ours, so that a target's token price is its price.
    """

    unit: Unit | None = None
    images: int | None = None
    characters: int | None = None
    named: bool = False

    def cost(self, target: Target, answer: PassedAnswer = NOTHING_SAID) -> int | None:
        """In nano-dollars, rounded half-even once; None where it is not known."""
        prices = target.unit_price
        price = _price(prices, self.unit)
        request = prices.request or 0
        if price is not None:
            count = self._thousandths(answer)
            return None if count is None else request + divide_half_even(count * price, _MILLI)
        by_tokens = self.named or target.model is not None
        if answer.tokens is not None and by_tokens:
            cost = _tokens_cost(target, answer.tokens, answer)
            return None if cost is None else request + cost
        return None if by_tokens and target.price is not None else prices.request

    def _thousandths(self, answer: PassedAnswer) -> int | None:
        """How many of the path's unit, in thousandths: what was made or read, else what was asked for."""
        count: int | None
        match self.unit:
            case Unit.IMAGE:
                count = self.images if answer.images is None else answer.images
            case Unit.SECOND:
                return answer.milliseconds
            case Unit.CHARACTER:
                count = self.characters
            case Unit.SEARCH:
                count = answer.searches
            case _:
                count = None
        return None if count is None else count * _MILLI


def _price(prices: UnitPrice, unit: Unit | None) -> int | None:
    match unit:
        case Unit.IMAGE:
            return prices.image
        case Unit.SECOND:
            return prices.second
        case Unit.CHARACTER:
            return prices.character
        case Unit.SEARCH:
            return prices.search
    return None


def _tokens_cost(target: Target, tokens: Tokens, answer: PassedAnswer) -> int | None:
    """Tokens by the target's price per token, those of images by their own."""
    price, of_images = target.price, target.unit_price.input_image
    if price is None or answer.audio_tokens or (answer.image_tokens and of_images is None):
        return None
    whole = token_cost(tokens, price)
    if whole is None or not answer.image_tokens or of_images is None:
        return whole
    return whole + divide_half_even(answer.image_tokens * (of_images - price.input), MILLION)
