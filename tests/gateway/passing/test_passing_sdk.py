"""The official OpenAI SDK reaches images, audio, moderations and rerank through the gateway, and pays for them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import Any

import openai
import pytest

from tests.gateway.passing.conftest import target
from tests.gateway.passing.upstream import PIXEL, SPOKEN, Upstream
from tests.gateway.threaded import ThreadedGateway, eventually

Passing = Callable[..., ThreadedGateway]
Sdk = Callable[..., openai.OpenAI]
SOUND = b"RIFF" + bytes(range(256)) * 300


def _row(gateway: ThreadedGateway) -> dict[str, Any]:
    (row,) = gateway.rows(1)
    assert eventually(gateway.at_rest)
    return row


def test_images_are_charged_each(passing: Passing, sdk: Sdk, upstream: Upstream) -> None:
    """Two images at $0.04 cost 8 cents, exactly; the target gets its own name for the model."""
    gateway = passing({"pictures": target(upstream, image="0.04", model="dall-e-3")})
    made = sdk(gateway).images.generate(model="pictures", prompt="a cat", n=2)
    assert [each.b64_json for each in made.data or []] == [PIXEL, PIXEL]
    assert upstream.calls[0].json == {"model": "dall-e-3", "prompt": "a cat", "n": 2}
    assert upstream.calls[0].headers["authorization"] == "Bearer sk-upstream"
    row = _row(gateway)
    assert (row["endpoint"], row["model"], row["outcome"]) == ("images.generations", "pictures", "completed")
    assert (row["cost_nano"], row["reserved_nano"]) == (80_000_000, 80_000_000)
