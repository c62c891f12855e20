"""The human notations of baseload.yaml and what they mean: pure parsers that raise ValueError.

| notation | example | value |
|---|---|---|
| duration | `1.5s`, `60ms`, `2m` | seconds (float) |
| count | `400k`, `2M`, `600` | int |
| size | `32MiB`, `64kB` | bytes (int) |
| dollars | `2.50` | nano-dollars (int), exact |
| address | `127.0.0.1:4000`, `[::1]:4000` | host and port |
| GPUs | `2 x h100` | how many of which |
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from baseload import money

_SECONDS = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}
_BYTES = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_COUNTS = {"": 1, "k": 10**3, "M": 10**6}
_QUANTITY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) ?([A-Za-zµ]{0,3})")
_GPUS = re.compile(r"(?:([1-9][0-9]{0,4}) ?[x×] ?)?([A-Za-z][A-Za-z0-9._-]{0,63})")
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.%]{2,64})\]|([A-Za-z0-9._-]{1,255})):([0-9]{1,5})")

MOST_USD = 10**9
"""No price or cost in the file is more than a billion dollars: what is, is a slip."""


class Address(NamedTuple):
    """Where a port listens; port 0 takes any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


class GpuSet(NamedTuple):
    """So many GPUs of one kind."""

    number: int
    name: str

    def __str__(self) -> str:
        return f"{self.number} x {self.name}"


def duration_s(value: object) -> float:
    """Seconds of `1.5s`, `60ms`, `2m`; a number without a unit is refused, since its unit is a guess."""
    found = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[2] not in _SECONDS:
        raise ValueError("not a duration: write a number and ns, us, ms, s, m or h, like 1.5s or 60ms")
    return float(Decimal(found[1]) * _SECONDS[found[2]])


def count(value: object) -> int:
    """A whole number, with `k` for thousands and `M` for millions."""
    found = _QUANTITY.fullmatch(_text(value))
    if found is not None and found[2] in _COUNTS:
        amount = Decimal(found[1]) * _COUNTS[found[2]]
        if amount == amount.to_integral_value():
            return int(amount)
    raise ValueError("not a whole number: write it like 600, 400k or 2M")


def size_bytes(value: object) -> int:
    """Bytes of `32MiB`, `64kB`, or of a plain whole number."""
    found = _QUANTITY.fullmatch(_text(value))
    if found is not None and (found[2] or "B") in _BYTES:
        amount = Decimal(found[1]) * _BYTES[found[2] or "B"]
        if amount == amount.to_integral_value():
            return int(amount)
    raise ValueError("not a size: write it like 32MiB or 64kB")


def usd_nano(value: object) -> int:
    """Nano-dollars of an amount of dollars, exact: more than nine places are refused, not rounded."""
    text = _text(value)
    try:
        amount = Decimal(text) if text.isascii() and len(text) <= 40 else Decimal("nan")
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or amount < 0:
        raise ValueError("not an amount of dollars: write a plain number like 2.50")
    if amount > MOST_USD:
        raise ValueError("more than a billion dollars")
    booked = money.nano(amount)
    if money.usd(booked) != amount:
        raise ValueError("dollars have at most nine decimal places (nano-dollars)")
    return booked


def fraction(value: object) -> float:
    """A number from 0 to below 1."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not 0 <= value < 1:
        raise ValueError("not a fraction: write a number from 0 to below 1, like 0.1")
    return float(value)


def address(value: object) -> Address:
    """Host and port of `127.0.0.1:4000` or `[::1]:4000`."""
    found = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found[3]) > 65535:
        raise ValueError("not an address: write HOST:PORT, like 127.0.0.1:4000 or [::1]:4000")
    return Address(found[1] or found[2], int(found[3]))


def gpu_set(value: object) -> GpuSet:
    """How many of which GPU: `2 x h100`, or `h100` for one."""
    found = _GPUS.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("not a set of GPUs: write it like `2 x h100`")
    return GpuSet(int(found[1] or 1), found[2].lower())


def _text(value: object) -> str:
    """A scalar as written; what is no number and no text (true, a list) becomes a text that matches none."""
    if isinstance(value, bool):
        return ""
    return str(value) if isinstance(value, str | int | Decimal) else ""
