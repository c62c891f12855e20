"""How much of recorded exchanges llm-rosetta keeps, beside our own dialects (docs/adr/0008).

    python -m venv /tmp/rosetta && /tmp/rosetta/bin/pip install llm-rosetta==0.13.0 msgspec
    PYTHONPATH=src /tmp/rosetta/bin/python -m bench.translate_beside ../shared

Each request that a provider took and each whole answer is read and written again in its own format; counted
are those that come back as the same JSON, and those that raise. llm-rosetta runs in its mode that keeps what
it can.
"""

from __future__ import annotations

import copy
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llm_rosetta

from baseload.wire.dialects.nouns import Dialect
from baseload.wire.dialects.speakers import SPEAKERS
from tests.wire.dialects.recorded import Exchange, exchanges

CONVERTERS: dict[Dialect, Any] = {
    Dialect.CHAT: llm_rosetta.OpenAIChatConverter,
    Dialect.RESPONSES: llm_rosetta.OpenAIResponsesConverter,
    Dialect.MESSAGES: llm_rosetta.AnthropicConverter,
    Dialect.GEMINI: llm_rosetta.GoogleGenerateConverter,
}

Again = Callable[[Any], Any]


def theirs(dialect: Dialect) -> tuple[Again, Again]:
    """llm-rosetta's way there and back, for a request and for an answer."""

    def request(body: Any) -> Any:
        converter = CONVERTERS[dialect]()
        context = converter.create_conversion_context(metadata_mode="preserve")
        middle = converter.request_from_provider(body, context=context)
        written = converter.request_to_provider(middle, context=context)
        return written[0] if isinstance(written, tuple) else written

    def answer(body: Any) -> Any:
        converter = CONVERTERS[dialect]()
        context = converter.create_conversion_context(metadata_mode="preserve")
        middle = converter.response_from_provider(body, context=context)
        return converter.response_to_provider(middle, context=context)

    return request, answer


def ours(dialect: Dialect) -> tuple[Again, Again]:
    """Our own."""
    speaker = SPEAKERS[dialect]
    return (
        lambda body: speaker.write_request(speaker.read_request(body)),
        lambda body: speaker.write_reply(speaker.read_reply(body)),
    )


def count(again: Again, bodies: list[Any]) -> Counter[str]:
    """How many come back the same, differ, or raise."""
    found: Counter[str] = Counter()
    for body in bodies:
        try:
            found["same" if again(copy.deepcopy(body)) == body else "differ"] += 1
        except Exception:  # noqa: BLE001  counted, whatever it is
            found["raised"] += 1
    return found


def bodies_of(taken: list[Exchange], member: str) -> list[Any]:
    """The requests or whole answers of exchanges that went well."""
    return [one[member] for one in taken if one["status"] < 400 and one.get(member)]


def main(shared: Path) -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    print("dialect    what       all   llm-rosetta same/raised   ours same/raised")
    for dialect in [one for one in CONVERTERS if one in SPEAKERS]:
        taken = exchanges(shared, dialect)
        for at, member in enumerate(("request", "response")):
            bodies = bodies_of(taken, member)
            one, other = count(theirs(dialect)[at], bodies), count(ours(dialect)[at], bodies)
            print(
                f"{dialect.value:10} {member:9} {len(bodies):4}   {one['same']:11} / {one['raised']:<10}"
                f"{other['same']:10} / {other['raised']}"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
