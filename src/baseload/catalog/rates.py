"""Today's token prices of the pairs a configuration names, compiled once a day into a small JSON table.

genai-prices holds thousands of prices with their history, takes half a second and 70 MB to import and 195 µs
to ask; a gateway wants a handful of them, at once and small. So a subprocess asks and writes what it found:

    pairs ──► load_or_compile ──► rates-2026-11-22.json, if it is of this day, these sources, these pairs
                      └─ otherwise ──► python -m baseload.catalog.rates ──► genai-prices ──► RateTable

Only `compile_rates` imports genai-prices. A pair nobody can price maps to None, never to 0.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from datetime import date
from importlib.metadata import version
from pathlib import Path

import msgspec
from msgspec import Struct

from baseload import __version__
from baseload.core import TokenPrice
from baseload.errors import EnvironmentProblem

Pair = tuple[str, str]
"""A provider, as the configuration writes it, and its model's name."""

COMPILER = "baseload.catalog.rates"
"""The module that the compiling process runs."""

COMPILE_TIMEOUT_S = 60


class RateTable(Struct, frozen=True):
    """The prices of one day by "provider/model"; None for a pair whose price is not known.

    `day` is an ISO date, `made_with` names the versions of everything the prices depend on.
    """

    day: str
    made_with: str
    rates: dict[str, TokenPrice | None]

    def price(self, provider: str, model: str) -> TokenPrice | None:
        """The price of this pair; None when it is unknown or was not asked for."""
        return self.rates.get(pair_key(provider, model))

    def pairs(self) -> set[Pair]:
        """The pairs this table answers for, known price or not."""
        return {(provider, model) for provider, _, model in (key.partition("/") for key in self.rates)}

    def unknown(self) -> list[str]:
        """The pairs without a price, as "provider/model": what an alarm names."""
        return sorted(key for key, price in self.rates.items() if price is None)

    def to_json(self) -> bytes:
        """The table as a JSON document that `from_json` reads back unchanged."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=1)

    @staticmethod
    def from_json(document: bytes) -> RateTable:
        """A table from its JSON document. Raises msgspec.DecodeError for anything else."""
        return msgspec.json.decode(document, type=RateTable)


def pair_key(provider: str, model: str) -> str:
    """How a pair is written in `RateTable.rates`; the provider's name holds no slash."""
    return f"{provider}/{model}"


def sources() -> str:
    """The versions prices depend on; a cached table made with others is compiled anew."""
    return f"baseload {__version__}, genai-prices {version('genai-prices')}"


def compile_rates(pairs: Iterable[Pair], on: date) -> RateTable:
    """The prices that held on this day, from genai-prices, and where it has none from the shipped table.

    Imports genai-prices (0.5 s, 70 MB): a long-lived process calls `load_or_compile` instead.
    """
    from baseload.catalog.published import published_price

    rates = {pair_key(*pair): published_price(*pair, on) for pair in sorted(set(pairs))}
    return RateTable(on.isoformat(), sources(), rates)


def load_or_compile(pairs: Iterable[Pair], on: date, cache_dir: Path) -> RateTable:
    """The day's prices of these pairs, from the cache if it holds them all, else compiled and cached.

    The cache is `rates-DAY.json` in `cache_dir`, replaced atomically; one that is damaged, of other sources
    or lacks a pair is compiled anew (with the pairs it held). An unknown provider or model is no error.
    Raises EnvironmentProblem when the compiling process fails or the cache cannot be written.
    """
    wanted = set(pairs)
    path = cache_dir / f"rates-{on.isoformat()}.json"
    held = _read(path, on)
    if held is not None:
        if wanted <= held.pairs():
            return held
        wanted |= held.pairs()
    table = _compile_in_subprocess(wanted, on)
    _replace(path, table.to_json())
    return table


class _Order(Struct, frozen=True):
    """What the compiling process is asked, on its standard input."""

    on: date
    pairs: list[Pair]


def _read(path: Path, on: date) -> RateTable | None:
    try:
        table = RateTable.from_json(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return None
    fresh = table.day == on.isoformat() and table.made_with == sources()
    return table if fresh else None


def _compile_in_subprocess(pairs: set[Pair], on: date) -> RateTable:
    hint = "run `python -m pip install --force-reinstall genai-prices`, or set prices in baseload.yaml"
    try:
        done = subprocess.run(
            [sys.executable, "-m", COMPILER],
            input=msgspec.json.encode(_Order(on, sorted(pairs))),
            capture_output=True,
            timeout=COMPILE_TIMEOUT_S,
            check=True,
        )
        return RateTable.from_json(done.stdout)
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise EnvironmentProblem(f"token prices could not be compiled: {last}", hint=hint) from None
    except subprocess.TimeoutExpired:
        message = f"token prices were not compiled within {COMPILE_TIMEOUT_S} s"
        raise EnvironmentProblem(message, hint=hint) from None


def _replace(path: Path, document: bytes) -> None:
    """Write so that a reader sees the old file or the new one, never a part."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=path.name) as folder:
            part = Path(folder) / path.name
            part.write_bytes(document)
            part.replace(path)
    except OSError as error:
        raise EnvironmentProblem(f"cannot write {path}: {error.strerror}") from None


def _main() -> None:
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=_Order)
    sys.stdout.buffer.write(compile_rates(order.pairs, order.on).to_json())


if __name__ == "__main__":
    _main()
