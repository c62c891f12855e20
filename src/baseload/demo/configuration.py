"""The baseload.yaml of the demo: one owned engine, one metered API, one model, one tenant."""

from __future__ import annotations

from msgspec import Struct

from baseload.core import StepTime

MODEL, TENANT = "chat", "demo"
OWNED_TARGET = "smollm2"
USD_PER_HOUR = "0.10"
"""Assumed price of this machine: a small cloud VM with two virtual cores. Nobody is billed."""
SLO_TTFT_S, SLO_TPOT_S = 1.5, 0.25


class MeteredTarget(Struct, frozen=True):
    """The API beside the engine. `key` is written as is: `none` or a reference to the environment."""

    name: str
    provider: str
    model: str
    key: str
    note: str
    url: str | None = None


def write_configuration(
    owned_url: str, owned_model: str, context_tokens: int, step: StepTime, metered: MeteredTarget
) -> str:
    """The file's text."""
    url = f"    url: {metered.url}\n" if metered.url else ""
    return f"""\
# Written by `baseload demo`. Look at it with: baseload config check FILE
listen: 127.0.0.1:0
control: 127.0.0.1:0
data: ./baseload-data

targets:
  {OWNED_TARGET}:                  # a real engine on this machine (baseload engine)
    owned:
      engine: openvino
      usd_per_hour: {USD_PER_HOUR}           # assumed: a small cloud VM with two virtual cores
      max_sequences: {step.max_sequences}
      capacity:                     # measured on this machine when the demo started
        base: {_us(step.base_s)}
        per_sequence: {_us(step.per_sequence_s)}
        per_kv_token: {_ns(step.per_kv_token_s)}
        per_prefill_token: {_us(step.per_prefill_token_s)}
        kv_tokens: {step.kv_tokens}
        error: {step.error}
    url: {owned_url}
    model: {owned_model}
    context: {context_tokens}
  {metered.name}:          # {metered.note}
    metered: {{provider: {metered.provider}, key: {metered.key}}}   # price from the catalog
    model: {metered.model}
{url}
models:
  {MODEL}:
    owned: [{OWNED_TARGET}]
    metered: [{metered.name}]
    slo: {{ttft: {SLO_TTFT_S:g}s, tpot: {SLO_TPOT_S * 1000:g}ms}}

classes:
  default: {{regions: any}}         # invented prompts: they may be processed anywhere

tenants:
  {TENANT}: {{}}
"""


def _us(seconds: float) -> str:
    return f"{max(round(seconds * 1e6), 1)}us"


def _ns(seconds: float) -> str:
    return f"{max(round(seconds * 1e9), 1)}ns"
