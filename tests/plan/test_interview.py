"""`plan --interview` asks what only a person can answer and remembers it in the plan file."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from baseload.cli.plan import command
from baseload.errors import BaseloadError
from baseload.plan.answers import QUESTIONS
from baseload.plan.planfile import read_plan_file, write_answers


def ask(path: Path, typed: str, *more: str) -> Result:
    """The interview with these lines typed."""
    return CliRunner().invoke(command, ["--interview", "--plan-file", str(path), *more], input=typed)


def test_every_question_is_asked_once_and_answers_are_kept(tmp_path: Path) -> None:
    """Yes, no, numbers and `?`; what nobody knows stays open."""
    path = tmp_path / "plan.yaml"
    result = ask(path, "yes\nno\nn\nN\n250\n2\n?\nno\n12\n")
    assert result.exit_code == 0, result.output
    for question in QUESTIONS.values():
        assert result.output.count(question) == 1
    assert yaml.safe_load(path.read_text()) == {
        "answers": {
            "sensitive_data": True,
            "zero_retention_agreement": False,
            "custom_weights": False,
            "air_gap": False,
            "latency_ttft_ms": 250.0,
            "engineers": 2.0,
            "special_modalities": False,
            "weeks_to_launch": 12.0,
        }
    }


def test_an_empty_line_keeps_the_answer_and_other_sections_stay(tmp_path: Path) -> None:
    """A second interview begins where the first ended."""
    path = tmp_path / "plan.yaml"
    path.write_text(
        "assumptions: {traffic.growth_per_year: 0.4}\nanswers: {sensitive_data: true, engineers: 3}\n"
    )
    assert ask(path, "\n" * len(QUESTIONS)).exit_code == 0
    assert read_plan_file(path).answers == {"sensitive_data": True, "engineers": 3}
    assert read_plan_file(path).assumptions == {"traffic.growth_per_year": 0.4}


def test_an_interview_broken_off_keeps_what_was_answered(tmp_path: Path) -> None:
    """Answers given before the end of input stay, so do those of an earlier interview."""
    path = tmp_path / "plan.yaml"
    assert ask(path, "").exit_code == 130
    assert not path.exists()
    broken_off = ask(path, "yes\nno\n")
    assert broken_off.exit_code == 130
    assert f"2 answers are in {path}" in broken_off.output
    assert read_plan_file(path).answers == {"sensitive_data": True, "zero_retention_agreement": False}
    assert ask(path, "no\n").exit_code != 0
    assert read_plan_file(path).answers == {"sensitive_data": False, "zero_retention_agreement": False}


def test_with_every_question_open_there_is_a_plan_file(tmp_path: Path) -> None:
    """It is named at the end, so it is there."""
    path = tmp_path / "plan.yaml"
    assert ask(path, "\n" * len(QUESTIONS)).exit_code == 0
    assert read_plan_file(path).answers == {}


def test_what_is_no_answer_is_asked_again(tmp_path: Path) -> None:
    """`perhaps` is not yes or no, -1 is no number of engineers."""
    path = tmp_path / "plan.yaml"
    result = ask(path, "perhaps\nyes\nno\nno\nno\n?\n-1\nnan\n2\nno\nno\n?\n")
    assert result.exit_code == 0, result.output
    assert "'perhaps' is not yes or no" in result.output
    assert "'-1' is not a number" in result.output
    assert read_plan_file(path).answers["engineers"] == 2.0


def test_with_traffic_the_plan_follows_at_once(tmp_path: Path) -> None:
    """Answers count for the plan that is printed."""
    path = tmp_path / "plan.yaml"
    typed = "no\n?\nno\nyes\n?\n2\nno\nno\n?\n"
    result = ask(
        path,
        typed,
        "--tokens-per-day",
        "1B",
        "--gpu-hour",
        "4",
        "--throughput",
        "4392",
        "--gpus",
        "2",
        "--on",
        "2026-11-22",
    )
    assert result.exit_code == 0, result.output
    assert "it needs a connection to the outside" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- a", "is a mapping"),
        ("answer: {}", "did you mean 'answers'"),
        ("answers: [a]", "not a mapping"),
        ("a: [", "neither YAML nor JSON"),
    ],
)
def test_what_is_no_plan_file_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """With its sections."""
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(BaseloadError) as refused:
        read_plan_file(path)
    assert reason in str(refused.value)


def test_a_file_that_cannot_be_read_or_written_is_a_problem_of_the_environment(tmp_path: Path) -> None:
    """Exit code 3."""
    with pytest.raises(BaseloadError, match="cannot read") as refused:
        read_plan_file(tmp_path / "none.yaml")
    assert refused.value.exit_code == 3
    with pytest.raises(BaseloadError, match="cannot write"):
        write_answers(tmp_path / "no" / "plan.yaml", {})


def test_dates_in_a_plan_file_are_text(tmp_path: Path) -> None:
    """YAML reads 2026-11-01 as a date; a source's day is its text."""
    path = tmp_path / "plan.yaml"
    path.write_text("assumptions: {traffic.growth_per_year: {value: 0.4, as_of: 2026-11-01}}")
    assert read_plan_file(path).assumptions["traffic.growth_per_year"]["as_of"] == "2026-11-01"
