"""Fitting: what made the rows is found again, and rows that went wrong do not carry it away."""

from __future__ import annotations

import math

import numpy as np
import pytest
from msgspec.structs import replace

from baseload.capacity.first_token import parts
from baseload.capacity.fitted import Fitted
from baseload.capacity.fitting import (
    fit,
    fit_efficiencies,
    fit_first_token,
    measured_ranges,
    robust_dual,
)
from baseload.capacity.levels import keys
from baseload.capacity.measured import Row
from baseload.capacity.terms import Load, Setup, terms
from baseload.catalog.gpus import gpu
from baseload.catalog.models import open_model

H100 = gpu("h100")
SETUPS = [
    Setup(open_model(name), H100, "fp8", "vllm", tensor)
    for name in ("llama-3.1-8b", "qwen3-32b", "llama-3.3-70b")
    for tensor in (2, 4, 8)
]
LOADS = [
    Load(c, read, made)
    for c in (1, 4, 16, 64)
    for read, made in ((1024, 1024), (8192, 1024), (1024, 8192), (2048, 256))
]
SLOWER = 1.4
"""How many times slower one of the models is than the terms say."""


def made_rows() -> list[Row]:
    """Rows that follow the physical terms, but for Qwen, which is slower."""
    rows = []
    for setup in SETUPS:
        for load in LOADS:
            tpot_s = 1.5 * sum(terms(setup, load)) * (SLOWER if "qwen" in setup.model.name else 1.0)
            rows.append(Row(setup, load, 10 * tpot_s, tpot_s, "inferencex", "", ""))
    return rows


def error(made: Fitted, row: Row) -> float:
    """Relative error of TPOT."""
    return math.exp(made.log_tpot(row.setup, row.load)) / row.tpot_s - 1


def test_a_model_that_is_slower_is_found() -> None:
    """Every row is met, Qwen's too; a configuration of Qwen that was left out is slower as well."""
    rows = made_rows()
    made = fit(rows)
    assert max(abs(error(made, row)) for row in rows) < 0.06
    seen = [row for row in rows if keys(row.setup) != keys(SETUPS[4])]
    left = [row for row in rows if keys(row.setup) == keys(SETUPS[4])]
    assert max(abs(error(fit(seen), row)) for row in left) < 0.12


def test_efficiencies_are_found() -> None:
    """Two terms of known factors, told apart by loads in which each is the larger."""
    physical = np.array([[1.0, 0.1], [0.1, 1.0], [0.5, 0.5]] * 50)
    found = fit_efficiencies(physical, np.log(physical @ np.array([1.5, 0.6])))
    assert found == pytest.approx([1.5, 0.6], rel=0.05)


def test_a_row_that_went_wrong_counts_less() -> None:
    """Ten repeats at 0 and one four times as slow: what they share is near 0, not at their mean."""
    off = np.array([0.0] * 10 + [math.log(4)])
    usual = np.full(11, 0.06)
    covariance = np.full((11, 11), 0.1**2)
    shared = covariance[0] @ robust_dual(covariance, off, usual)
    plain = covariance[0] @ np.linalg.solve(covariance + np.diag(usual**2), off)
    assert abs(shared) < 0.03 < plain


def test_the_share_of_runs_that_guess_ahead_is_counted() -> None:
    """By group, from the rows that say so."""
    rows = made_rows()
    rows[0] = rows[0]._replace(setup=replace(rows[0].setup, speculative=1.0))
    made = fit(rows)
    assert made.effects["configuration", keys(SETUPS[0])[-1]].guessed == 1
    assert made.effects["all", ""].guessed == 1
    assert made.effects["configuration", keys(SETUPS[1])[-1]].guessed == 0


def test_a_precision_of_one_model_says_nothing_of_others() -> None:
    """FP8 is measured on three models; NVFP4 on one alone."""
    rows = made_rows()
    four = [row._replace(setup=replace(row.setup, gpu=gpu("b200"), precision="nvfp4")) for row in rows[:48]]
    assert fit([*rows, *four]).precisions == {"fp8"}


def test_ttft_is_fitted_as_a_sum() -> None:
    """Rows made of the parts, one model's twice as long: each is met to a few percent."""
    rows = made_rows()
    tpot = fit(rows)
    rows = [
        row._replace(
            ttft_s=sum(parts(tpot, row.setup, row.load)) * (2 if "qwen" in row.setup.model.name else 1)
        )
        for row in rows
    ]
    found = fit_first_token(rows, tpot)
    off = [found.log_ttft(row.setup, row.load) - math.log(row.ttft_s) for row in rows]
    assert max(abs(each) for each in off) < 0.15
    assert min(found.factors) > 0


def test_ranges_hold_the_measured_loads() -> None:
    """Each quantity by itself, by configuration and of all."""
    found = measured_ranges(made_rows())
    assert found[keys(SETUPS[0])[-1]] == (Load(1, 1024, 256), Load(64, 8192, 8192)) == found[""]
