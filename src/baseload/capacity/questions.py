"""A table of capacity questions, row by row: every row gets an answer or says why it has none."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from baseload.capacity.answer import PLAIN, Answer, Factors, answer
from baseload.capacity.measured import TABLE_COLUMNS, read_load, read_setup
from baseload.capacity.terms import Load, Setup
from baseload.errors import BaseloadError, DataError, EnvironmentProblem

SPECULATIVE = {"yes": 1.0, "no": 0.0, "unknown": None, "": None}
"""Whether tokens are guessed ahead, as a user says it; where nobody says, the fit takes what runs show."""

NO_LIMIT = 1 << 30


def read_questions(file: Path) -> list[dict[str, str]]:
    """The rows of a table of questions. Raises EnvironmentProblem or DataError where it cannot be read."""
    if not file.is_file():
        raise EnvironmentProblem(f"no such file: {file}")
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            missing = [name for name in TABLE_COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise DataError(
                    f"{file}: no column {missing[0]!r}", hint=f"columns: {', '.join(TABLE_COLUMNS)}"
                )
            return list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: not a CSV file: {error}") from None


def answers(
    rows: Sequence[Mapping[str, str]], factors: Factors = PLAIN, speculative: float | None = None
) -> Iterator[dict[str, Any]]:
    """For each row, in order: its number, its own question, and the answer's fields or `error`.

    `speculative` holds for rows that do not say themselves, in a column of that name.
    The stated concurrency is what a load generator keeps open, as in the measurements, and the engine's limit
    of sequences is taken to allow it; memory caps it only where the configuration was never measured, with a
    cache in 8 bits for quantised weights.
    """
    for number, row in enumerate(rows, 1):
        asked = {name: row.get(name) or "" for name in TABLE_COLUMNS}
        try:
            found = answer_row(row, factors, speculative)
        except BaseloadError as error:
            yield {"row": number, **asked, "error": str(error).replace("\n ", ";")}
        else:
            yield {"row": number, **asked, **found}


def answer_row(
    row: Mapping[str, str], factors: Factors = PLAIN, speculative: float | None = None
) -> dict[str, Any]:
    """One row's answer as plain values; raises what is wrong with it.

    Heads that the stated GPUs cannot share are taken for attention data parallelism, and `note` says so.
    """
    setup, load = read_setup(row), read_load(row)
    note = ""
    if setup.model.heads % setup.tensor and setup.data == 1:
        note = f"{setup.tensor} GPUs cannot share {setup.model.heads} heads: read as copies of the attention"
        setup = msgspec.structs.replace(setup, tensor=1, data=setup.tensor)
    said = (row.get("speculative") or "").strip().lower()
    if said not in SPECULATIVE:
        raise DataError(f"speculative: {said!r} is neither yes, no nor unknown")
    setup = msgspec.structs.replace(setup, speculative=SPECULATIVE[said] if said else speculative)
    found = row_answer(setup, load, factors)
    named = {"gpus": setup.gpus, "model": setup.model.name, **msgspec.to_builtins(found)}
    return named | ({"note": note} if note else {})


def row_answer(setup: Setup, load: Load, factors: Factors) -> Answer:
    """The answer to a measured question: see `answers` for what caps it."""
    quantised = setup.precision not in ("bf16", "fp16")
    factors = msgspec.structs.replace(factors, kv_precision="fp8" if quantised else "bf16")
    return answer(setup, load, factors, max_sequences=NO_LIMIT, as_measured=True)
