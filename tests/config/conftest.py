"""A valid file to start from, and a way to change it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from baseload.config import Config, InvalidConfig, parse

VALID = """\
listen: 127.0.0.1:4000
targets:
  llama-a:
    owned: {engine: vllm, usd_per_hour: 8.00, gpus: 2 x h100, precision: fp8}
    url: http://10.0.0.5:8000/v1
    model: meta-llama/Llama-3.3-70B-Instruct
    region: eu-west
  gpt-4o:
    metered: {provider: openai, key: ${OPENAI_API_KEY}}
    model: gpt-4o
    region: us
models:
  chat:
    owned: [llama-a]
    metered: [gpt-4o]
    slo: {ttft: 1.5s, tpot: 60ms}
classes:
  default: {regions: any}
tenants:
  shop: {limits: {concurrent: 50}}
"""
ENV = {"OPENAI_API_KEY": "sk-secret-1234"}

Parse = Callable[..., Config]
Problems = Callable[..., list[tuple[int, str, str, str]]]


@pytest.fixture
def valid_text() -> str:
    """The valid file as it is; it needs the variable OPENAI_API_KEY."""
    return VALID


@pytest.fixture
def parsed(tmp_path: Path) -> Parse:
    """Reads the valid file with each (old, new) text replaced."""

    def read(*changes: tuple[str, str], env: dict[str, str] = ENV) -> Config:
        text = VALID
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        return parse(text, "baseload.yaml", tmp_path, env)

    return read


@pytest.fixture
def problems(parsed: Parse) -> Problems:
    """The problems of the changed file as (line, key, message, hint)."""

    def read(*changes: tuple[str, str], env: dict[str, str] = ENV) -> list[tuple[int, str, str, str]]:
        with pytest.raises(InvalidConfig) as caught:
            parsed(*changes, env=env)
        return [(found.line, found.key, found.reason, found.hint) for found in caught.value.problems]

    return read
