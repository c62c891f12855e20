"""A real API in the demo: which one, with whose key, and a limit on dollars that always holds."""

from __future__ import annotations

import os
from collections.abc import Mapping

from msgspec import Struct

from baseload.catalog.providers import provider
from baseload.config.providers import ENDPOINTS, FORMATS
from baseload.core import TokenPrice, Tokens
from baseload.demo.configuration import MeteredTarget
from baseload.errors import EnvironmentProblem, UnknownName, UsageError
from baseload.money import token_cost
from baseload.player.result import Reply
from baseload.policy.retry import MOST_RETRIES

DEFAULT_MODELS = {"openai": "gpt-4o-mini", "deepseek": "deepseek-chat", "mistral": "mistral-small-latest"}
"""Small chat models asked for where --real names a provider only."""

_VARIABLES = {"google": "GEMINI_API_KEY", "moonshotai": "MOONSHOT_API_KEY", "x-ai": "XAI_API_KEY"}
"""Environment variables that are not the provider's name and `_API_KEY`."""


def real_target(name: str, environment: Mapping[str, str] = os.environ) -> MeteredTarget:
    """The metered target of `--real NAME`: a provider, or PROVIDER/MODEL.

    UnknownName for a provider whose endpoint is not known, EnvironmentProblem without its key.
    """
    wanted, _, model = name.partition("/")
    known = provider(wanted)
    spoken = [name for name in ENDPOINTS if name not in FORMATS]  # of OpenAI's format, as the story tells it
    if known is None or known.name not in spoken:
        raise UnknownName("provider with an OpenAI-format endpoint", wanted, spoken)
    model = model or DEFAULT_MODELS.get(known.name, "")
    if not model:
        raise UsageError(f"which model of {known.name}?", hint=f"write --real {known.name}/MODEL")
    variable = _VARIABLES.get(known.name, f"{known.name.upper().replace('-', '_')}_API_KEY")
    if not environment.get(variable):
        raise EnvironmentProblem(f"{variable} is not set", hint=f"export the key that {known.name} gave you")
    note = f"the real API of {known.name}: this costs money"
    return MeteredTarget(f"real-{known.name}", known.name, model, f"${{{variable}}}", note)


class Spending(Struct):
    """Keeps what is spent and what may still be spent below a limit, all in nano-dollars.

    Before a request is sent, the most it can cost is reserved, as if it went to the API: eight tokens for
    every word of its prompt, its whole `max_tokens`, and that for every attempt the gateway may make, since
    one that breaks off may be charged as well as its repetition. When it ended, what it cost takes the
    reservation's place; a reply whose cost is not certain, or that took a second attempt, keeps it.
    """

    limit_nano: int
    price: TokenPrice
    settled_nano: int = 0
    _reserved: dict[int, int] = {}

    def admit(self, request: int, input_tokens: int, output_tokens: int) -> bool:
        """Whether the limit holds even if this request costs the most it can."""
        most = _most_nano(self.price, input_tokens, output_tokens)
        if self.settled_nano + sum(self._reserved.values()) + most > self.limit_nano:
            return False
        self._reserved[request] = most
        return True

    def done(self, reply: Reply) -> None:
        """Settle a request."""
        reserved = self._reserved.pop(reply.request)
        if reply.reason == "owned":
            return
        certain = reply.ok and reply.counted and reply.cost_nano is not None and reply.reason != "fallback"
        self.settled_nano += reply.cost_nano or 0 if certain else reserved


_TOKENS_PER_WORD = 8
_ATTEMPTS = 1 + MOST_RETRIES


def _most_nano(price: TokenPrice, input_tokens: int, output_tokens: int) -> int:
    most = token_cost(Tokens(input=input_tokens * _TOKENS_PER_WORD, output=output_tokens), price)
    assert most is not None
    return most * _ATTEMPTS
