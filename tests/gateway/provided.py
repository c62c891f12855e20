"""A gateway before one provider that speaks all formats: model `openai`, `anthropic`, … asks it in that one.

For tests that spoil a target's health there are more of each: `openai-401` is a target of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baseload.core import Format
from baseload.keys import KeyStore
from tests.gateway.conftest import configuration
from tests.gateway.replaying import Replaying, Said, replaying
from tests.gateway.running import RunningGateway
from tests.gateway.voices import FORMATS, Asked, Part, asked, say

PRICE = {"input": "1.00", "output": "5.00"}


@dataclass
class Provided:
    """The gateway and its provider."""

    gateway: RunningGateway
    provider: Replaying

    @property
    def base_url(self) -> str:
        """What Anthropic's SDKs take."""
        return self.gateway.url.removesuffix("/v1")

    def will_say(self, format_: Format, *parts: Part, stream: bool = False) -> None:
        """From now on these parts are the answer."""
        self.provider.said = say(format_, *parts, stream=stream)

    def then(self, *answers: Said) -> None:
        """The next answers, before that one."""
        self.provider.queue = list(answers)

    def asked(self, format_: Format) -> Asked:
        """What the last call asked."""
        return asked(format_, self.provider.calls[-1].body)


def target(format_: Format, url: str, key: str) -> dict[str, Any]:
    """The provider as a target of this format, with a credential of its own."""
    section = {"provider": "other", "key": key, "price": PRICE}
    return {"metered": section, "url": url, "model": "some-model", "region": "us", "format": format_.value}


@contextmanager
def provided(folder: Path, spoilt: Iterable[str] = ()) -> Iterator[Provided]:
    """Both, while the block runs, with targets for each of the ways in which tests spoil them."""
    with replaying() as provider:
        ends = ["", *(f"-{way}" for way in spoilt)]
        targets = {
            f"{format_.value}{end}": target(format_, provider.url, f"key{end}-{format_.value}")
            for format_ in FORMATS
            for end in ends
        }
        slo = {"ttft": "2s", "tpot": "100ms"}
        models = {name: {"metered": [name], "slo": slo} for name in targets}
        gateway = RunningGateway(folder, configuration(targets, models))
        gateway.key, _ = KeyStore(gateway.data).create("shop")
        gateway.start()
        try:
            yield Provided(gateway, provider)
        finally:
            gateway.stop()
