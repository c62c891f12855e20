"""No mode of `capacity` or `bench` drops an option: each unused one is refused by name."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from baseload.cli import cli
from baseload.cli.bench import USED as BENCH_USED
from baseload.cli.bench import command as bench
from baseload.cli.capacity import USED
from baseload.cli.capacity import command as capacity
from baseload.errors import UsageError

MODES = {
    "a question about one setup": ["--model", "llama-3.3-70b", "--gpu", "h100"],
    "--table": ["--table", "none.csv"],
    "--search": ["--search", "--model", "llama-3.3-70b"],
    "--calibrate": ["--calibrate", "none.csv"],
    "--calibrate with --model": ["--calibrate", "none.csv", "--model", "llama-3.3-70b", "--gpu", "h100"],
}
BENCH_MODES = {"a sweep": [], "--slo": ["--slo"], "--trace": ["--trace", "none.csv"]}
VALUES = {
    "anchors": "16:1024:1024=18ms",
    "ttft": "1s",
    "tpot": "1s",
    "rounds": "2",
    "shapes": "512/128",
    "slo": None,
    "speculative": "no",
}
MODE_OPTIONS = {"table", "search", "calibrate", "trace", "slo"}


def pairs(command: click.Command, used: dict[str, tuple[str, ...]]) -> list[tuple[str, str, list[str]]]:
    """Every mode with every option it does not use, as words."""
    found = []
    for mode, names in used.items():
        for option in command.params:
            if isinstance(option, click.Option) and option.name not in {*names, *MODE_OPTIONS}:
                if (mode, option.name) == ("--calibrate", "model"):
                    continue  # makes it the other calibration
                flag = max(option.opts, key=len)
                value = [] if option.is_flag else [VALUES.get(option.name or "") or "1"]
                found.append((mode, flag, [flag, *value]))
    return found


@pytest.mark.parametrize(("mode", "flag", "words"), pairs(capacity, USED))
def test_capacity_refuses_what_a_mode_does_not_use(mode: str, flag: str, words: list[str]) -> None:
    """Named, with the mode."""
    error = CliRunner().invoke(cli, ["capacity", *MODES[mode], *words]).exception
    assert isinstance(error, UsageError)
    assert error.message == f"{mode} does not use {flag}"


@pytest.mark.parametrize(("mode", "flag", "words"), pairs(bench, BENCH_USED))
def test_bench_refuses_what_a_mode_does_not_use(mode: str, flag: str, words: list[str]) -> None:
    """Before anything is sent."""
    line = ["bench", "http://127.0.0.1:1/v1", "--model", "x", *BENCH_MODES[mode], *words]
    error = CliRunner().invoke(cli, line).exception
    assert isinstance(error, UsageError)
    assert error.message == f"{mode} does not use {flag}"


def test_two_modes_are_two_questions() -> None:
    """Neither wins silently."""
    error = CliRunner().invoke(cli, ["capacity", "--search", "--table", "x.csv"]).exception
    assert isinstance(error, UsageError)
    assert "two questions" in error.message


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1"])
@pytest.mark.parametrize(
    "flag",
    ["--input", "--output", "--cached-share", "--accepted-tokens", "--lora-slowdown", "--tokens-per-s"],
)
def test_no_number_that_is_none(flag: str, value: str) -> None:
    """NaN and infinity lead to no JSON: a usage error that names the option."""
    result = CliRunner().invoke(cli, ["capacity", *MODES["--search"], f"{flag}={value}"])
    assert result.exit_code == 2
    assert flag in result.output
