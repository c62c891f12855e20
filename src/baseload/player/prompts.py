"""Prompts of about the wanted length, made of plain words: drawn from a seed, never anybody's text."""

from __future__ import annotations

import random

from msgspec import Struct

_TEXT = (
    "time year people way day man thing woman life child world school state family student group country "
    "problem hand part place case week company system program question work government number night point "
    "home water room mother area money story fact month lot right study book eye job word business issue "
    "side kind head house service friend father power hour game line end member law car city community name "
    "team minute idea body back parent face level office door health person art war history party result "
    "change morning reason research girl guy moment air teacher force education"
)
_WORDS = _TEXT.split()
"""Common words: tokenizers that know English hold each as one token with the space before it."""


class PromptLengths(Struct, frozen=True):
    """How words become input tokens: `overhead_tokens` are the chat template's, in every request."""

    overhead_tokens: int = 8
    tokens_per_word: float = 1.0


class Prompts:
    """Makes the prompts of one run; the same seed makes the same ones.

    `unique` starts each with its own number, so that no prefix cache can shorten it.
    """

    def __init__(self, seed: int, lengths: PromptLengths, *, unique: bool = True) -> None:
        self._seed = seed
        self._lengths = lengths
        self._unique = unique

    def make(self, request: int, input_tokens: int) -> str:
        """The prompt of request number `request`, of about `input_tokens` tokens with the template's own."""
        draw = random.Random(f"{self._seed}/{request}")
        start = [f"{draw.randrange(10**6):06d}"] if self._unique else []
        wanted = (input_tokens - self._lengths.overhead_tokens) / self._lengths.tokens_per_word
        used = 3 * len(start)  # six digits are two or three tokens
        return " ".join(start + draw.choices(_WORDS, k=max(1, round(wanted - used))))
