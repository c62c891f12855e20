"""Prompts have about the wanted length and are the same for the same seed."""

from __future__ import annotations

import pytest

from baseload.player.prompts import PromptLengths, Prompts

LENGTHS = PromptLengths(overhead_tokens=10)


def test_a_seed_fixes_every_prompt() -> None:
    """The same seed and number give the same prompt; another of either gives another."""
    prompts = Prompts(1, LENGTHS)
    assert prompts.make(7, 50) == Prompts(1, LENGTHS).make(7, 50)
    assert len({prompts.make(7, 50), prompts.make(8, 50), Prompts(2, LENGTHS).make(7, 50)}) == 3


@pytest.mark.parametrize("tokens", [40, 300, 2000])
def test_words_make_up_the_tokens_that_the_template_does_not(tokens: int) -> None:
    """A word is a token; the template's overhead is left out of the words."""
    words = Prompts(0, LENGTHS, unique=False).make(0, tokens).split()
    assert tokens - LENGTHS.overhead_tokens == len(words)


def test_even_the_shortest_request_says_something() -> None:
    """Fewer tokens than the template's own still give one word."""
    assert len(Prompts(0, LENGTHS, unique=False).make(0, 1).split()) == 1


def test_unique_prompts_differ_from_their_first_word() -> None:
    """No prefix is shared, so no prefix cache can make the play cheaper than the traffic."""
    starts = {Prompts(0, LENGTHS).make(request, 40).split()[0] for request in range(200)}
    assert len(starts) > 195
