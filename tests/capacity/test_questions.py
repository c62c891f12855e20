"""A table of questions follows the rule of the single question."""

from __future__ import annotations

from pathlib import Path

import pytest

from baseload.capacity.answer import answer
from baseload.capacity.folds import asked
from baseload.capacity.measured import read_load, read_measurements, read_setup
from baseload.capacity.questions import answer_row, answers
from baseload.errors import DataError
from tests.capacity.test_measured import LINE

DEEPSEEK = LINE | {
    "model_path": "deepseek-ai/DeepSeek-V3",
    "system": "b200_sxm",
    "backend": "trtllm",
    "tp_size": "8",
    "moe_tp_size": "1",
    "moe_ep_size": "8",
}


def test_who_does_not_say_gets_the_answer_of_the_single_question() -> None:
    """DeepSeek on TensorRT-LLM, some of whose runs guessed ahead: one rule for both commands."""
    row = answer_row(DEEPSEEK)
    single = answer(read_setup(DEEPSEEK), read_load(DEEPSEEK))
    for name in ("tpot_ms", "tpot_ms_low", "tpot_ms_high", "ttft_ms"):
        assert row[name] == getattr(single, name)


def test_a_row_may_say_whether_tokens_are_guessed_ahead() -> None:
    """In a column of its own, before what holds for the table; guessing is faster, not knowing is wider."""
    said = {
        word: answer_row(DEEPSEEK | {"speculative": word}, speculative=1.0)
        for word in ("yes", "no", "unknown")
    }
    assert said["yes"]["tpot_ms"] < said["unknown"]["tpot_ms"] < said["no"]["tpot_ms"]
    widths = {word: each["tpot_ms_high"] / each["tpot_ms_low"] for word, each in said.items()}
    assert widths["unknown"] > 1.3 * max(widths["yes"], widths["no"])
    assert answer_row(DEEPSEEK, speculative=1.0) == said["yes"]


def test_a_word_that_says_nothing_is_an_error_of_that_row() -> None:
    """The others are answered."""
    found = list(answers([DEEPSEEK | {"speculative": "perhaps"}, DEEPSEEK]))
    assert "neither yes, no nor unknown" in found[0]["error"]
    assert "tpot_ms" in found[1]
    with pytest.raises(DataError):
        answer_row(DEEPSEEK | {"speculative": "perhaps"})


def test_an_answer_of_one_token_is_an_error_of_that_row() -> None:
    """It has no time per output token."""
    (found,) = answers([LINE | {"osl": "1"}])
    assert "no time per output token" in found["error"]


def test_what_is_scored_is_what_a_table_asks(shared: Path) -> None:
    """The validation's setup of a measured row is the one that its line makes as a question."""
    rows, _ = read_measurements(shared / "data" / "engine_perf" / "silicon_measurements.csv")
    row = next(row for row in rows if row.setup.speculative)
    line = DEEPSEEK | {
        "model_path": row.setup.model.name,
        "system": row.setup.gpu.name,
        "precision": row.setup.precision,
        "tp_size": str(row.setup.tensor),
        "attention_dp_size": str(row.setup.data),
        "moe_tp_size": "1",
        "moe_ep_size": str(row.setup.expert),
    }
    assert read_setup(line) == asked(row)
