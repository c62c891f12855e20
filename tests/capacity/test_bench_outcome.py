"""An SLO search that a bound ended is not a no."""

from __future__ import annotations

import asyncio

import pytest
from click.testing import CliRunner

from baseload.cli import cli
from baseload.player.sweep import Measured, Shape, Sweep

POINT = Measured(4, 4.0, 512, 128, 100.0, 10.0, 1.0, 1.0, 1.0, 8, 0, 1.0)


@pytest.mark.parametrize(
    ("largest", "stopped", "code", "words"),
    [
        (POINT, None, 0, "4 at once keep the SLO"),
        (None, None, 1, "not even one keeps the SLO"),
        (None, "10 requests", 3, "not decided, the bound of 10 requests ended it"),
        (POINT, "10 requests", 3, "4 at once keep the SLO, more was not tried"),
    ],
)
def test_three_outcomes(
    largest: Measured | None, stopped: str | None, code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Holds, does not hold, not decided: in words and in the exit code."""

    async def found(
        self: Sweep, shape: Shape, slo: object, most: int
    ) -> tuple[Measured | None, list[Measured]]:
        await asyncio.sleep(0)
        self.stopped = stopped
        return largest, [POINT]

    monkeypatch.setattr(Sweep, "largest", found)
    line = ["bench", "http://127.0.0.1:1/v1", "--model", "x", "--slo", "--shape", "512/128"]
    result = CliRunner().invoke(cli, line)
    assert result.exit_code == code
    assert words in result.output
