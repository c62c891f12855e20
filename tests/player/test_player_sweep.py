"""The closed-loop sweep against a simulated engine of known timing, and `baseload bench` on top."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from baseload.capacity.calibrate import calibrate
from baseload.capacity.imports import read_points
from baseload.capacity.throughput import steady_state
from baseload.cli import cli
from baseload.core import Slo, StepTime
from baseload.errors import EnvironmentProblem
from baseload.player.client import Endpoint
from baseload.player.sweep import Shape, Sweep, SweepSettings
from tests.gateway.running import RunningTwin, engine

STEP = StepTime(0.015, 4e-4, 1e-8, 2e-6, kv_tokens=400_000, max_sequences=64)
SETTINGS = SweepSettings("twin-model", rounds=3)


@pytest.fixture(scope="module")
def twin() -> Iterator[RunningTwin]:
    """A simulated engine of 15 ms a step and 0.4 ms a sequence."""
    with engine(step=STEP) as running:
        yield running


def test_a_point_measures_what_the_engine_does(twin: RunningTwin) -> None:
    """TPOT near the steady state (a busy machine adds to it), the concurrency and the lengths asked for."""
    sweep = Sweep(Endpoint.parse(twin.url), SETTINGS)
    (point,) = asyncio.run(sweep.run([Shape(256, 32)], [8]))
    expected = steady_state(STEP, 256, 32, 8)
    assert 0.9 < point.tpot_ms / (expected.tpot_s * 1e3) < 1.5
    assert point.concurrency == pytest.approx(8, rel=0.3)
    assert point.input_tokens == pytest.approx(256, rel=0.1)
    assert point.output_tokens == 32
    assert (point.requests, point.failed) == (16, 0)


def test_a_sweep_ends_at_its_bounds(twin: RunningTwin) -> None:
    """No request beyond the number allowed, none after the time; what was not measured is not made up."""
    few = Sweep(Endpoint.parse(twin.url), SweepSettings("twin-model", rounds=3, most_requests=20))
    points = asyncio.run(few.run([Shape(64, 8)], [2, 4, 8]))
    assert few.stopped == "20 requests"
    assert few.sent <= 20
    assert [point.asked for point in points] == [2, 4]
    late = Sweep(Endpoint.parse(twin.url), SweepSettings("twin-model", most_s=0.0))
    assert asyncio.run(late.run([Shape(64, 8)], [2])) == []
    assert late.stopped == "0 s"


def test_the_largest_concurrency_within_an_slo_is_found(twin: RunningTwin) -> None:
    """Within an eighth of the largest whose TPOT is under the line; None where not even one keeps it."""

    def largest(tpot_s: float) -> int | None:
        sweep = Sweep(Endpoint.parse(twin.url), SETTINGS)
        best, seen = asyncio.run(sweep.largest(Shape(16, 16), Slo(5, tpot_s), 32))
        assert seen
        return None if best is None else best.asked

    assert largest(0.0001) is None
    found = largest(0.024)
    assert found is not None
    assert 4 <= found <= 28  # 15 ms + 0.4 ms each, and the player shares the machine with the engine


def test_nothing_there_is_an_environment_problem() -> None:
    """A port nobody listens on is named as such, not measured."""
    sweep = Sweep(Endpoint.parse("http://127.0.0.1:9/v1"), SETTINGS)
    with pytest.raises(EnvironmentProblem, match="no_connection"):
        asyncio.run(sweep.run([Shape(16, 4)], [1]))


def test_the_command_writes_what_calibration_fits(twin: RunningTwin, tmp_path: Path) -> None:
    """Three shapes at two concurrencies: the fit finds the engine's step within a quarter."""
    file = tmp_path / "bench.csv"
    arguments = ["bench", twin.url, "--model", "twin-model", "--rounds", "3", "--out", str(file), "--json"]
    for shape in ("64/16", "1024/16", "64/64"):
        arguments += ["--shape", shape]
    for level in ("1", "8"):
        arguments += ["--concurrency", level]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert len(said["points"]) == 6
    kind, points = read_points(file)
    made = calibrate(points, "bench")
    assert (kind, made.shapes) == ("csv", 3)
    assert made.step.base_s == pytest.approx(STEP.base_s, rel=0.25)


def test_the_command_plays_a_trace(twin: RunningTwin, tmp_path: Path) -> None:
    """A traffic file's requests, open loop, cut to the number allowed."""
    file = tmp_path / "trace.csv"
    rows = [f"{index * 0.01},64,8" for index in range(20)]
    file.write_text("\n".join(("arrival_s,input_tokens,output_tokens", *rows)), encoding="utf-8")
    arguments = [
        "bench",
        twin.url,
        "--model",
        "twin-model",
        "--trace",
        str(file),
        "--max-requests",
        "12",
        "--json",
    ]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert (said["requests"], said["of"], said["failed"]) == (12, 20, 0)
    assert said["ttft_p50_ms"] > 0
