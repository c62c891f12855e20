"""How long a step takes for a model on GPUs, as the four coefficients everything else counts with.

    step(n, k, m) = base_s + n·per_sequence_s + k·per_kv_token_s + m·per_prefill_token_s

`fitted.py` knows TPOT best, but as a curve; the gateway asks every microsecond, and the simulation every
step. So the curve is drawn with this form: least squares on the relative error of TPOT over a grid of loads

    TPOT = base_s + C·per_sequence_s + C·(isl + osl/2)·per_kv_token_s + C·isl/osl·per_prefill_token_s

every coefficient at least a tenth of what the physical terms alone give, so that none vanishes. For
configurations with measured rows that was done once (`data/step_times.csv`).
"""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Sequence
from functools import cache
from importlib import resources

from msgspec import Struct

from baseload.capacity.anchors import solve
from baseload.capacity.fitted import Fitted, fitted
from baseload.capacity.levels import family
from baseload.capacity.memory import ENGINES, check, kv_tokens, refuse_unless_fits
from baseload.capacity.memory import GPUS_MOST as GPUS_MOST
from baseload.capacity.terms import TERMS, Load, Setup
from baseload.catalog.gpus import Gpu
from baseload.catalog.models import OpenModel
from baseload.core import StepTime
from baseload.errors import DataError, UsageError

TABLE = "step_times.csv"

CONCURRENCIES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SHAPES = ((1024, 1024), (1024, 8192), (8192, 1024), (4096, 512), (512, 256))
"""Input and output tokens of the loads the curve is drawn through."""

REFERENCE = Load(16, 1024, 1024)
"""The load whose interval is a step time's `error`."""

FLOOR_SHARE = 0.1


class Measured(Struct, frozen=True):
    """Coefficients of one configuration with measured rows; `error` is the half-width of the 80% interval.

    `drawn_error` is how far, at most 80% of the time, the four coefficients are from the fitted curve;
    `StepTime.error` has both in it.
    """

    base_s: float
    per_sequence_s: float
    per_kv_token_s: float
    per_prefill_token_s: float
    rows: int
    error: float
    drawn_error: float
    source: str


KEY_COLUMNS = ("model", "gpu", "precision", "engine", "tensor", "data", "expert")
MEASURED_COLUMNS = (*KEY_COLUMNS, *Measured.__struct_fields__)
"""Columns of the shipped table."""

Key = tuple[str, str, str, str, int, int, int]


def step_time(
    model: OpenModel,
    gpu: Gpu,
    gpus: int,
    precision: str,
    engine: str = "vllm",
) -> StepTime:
    """Step time and room of one replica on `gpus` x `gpu`, tensor parallel, weights at `precision`.

    Memory is checked first: weights and one request of 8,192 tokens (or the whole context window, if
    shorter) must fit, else UsageError says how many GiB are missing and what would fit. What is left over is
    `kv_tokens`, which caps concurrency. Raises UnknownName for an engine or precision not known.
    """
    if not 1 <= gpus <= GPUS_MOST:
        raise UsageError(
            f"a replica of {gpus} GPUs is not modelled", hint=f"use 1 to {GPUS_MOST} GPUs, one node"
        )
    return step_time_of(Setup(model, gpu, precision, engine, tensor=gpus))


def step_time_of(setup: Setup) -> StepTime:
    """As `step_time`, for any way to split the model; experts and attention may be spread."""
    check(setup)
    refuse_unless_fits(setup)
    measured = measured_table().get(key_of(setup))
    if measured is None:
        coefficients, drawn_error = draw(setup)
        estimate = fitted().estimate(setup, REFERENCE)
        error, source = math.hypot(estimate.error, drawn_error), f"fitted efficiencies, {estimate.novelty}"
    else:
        coefficients = (
            *(measured.base_s, measured.per_sequence_s),
            *(measured.per_kv_token_s, measured.per_prefill_token_s),
        )
        error = math.hypot(measured.error, measured.drawn_error)
        source = f"fitted on {measured.rows} measured rows: {measured.source}"
    base_s, per_sequence_s, per_kv_token_s, per_prefill_token_s = coefficients
    return StepTime(
        base_s=base_s,
        per_sequence_s=per_sequence_s,
        per_kv_token_s=per_kv_token_s,
        per_prefill_token_s=per_prefill_token_s,
        kv_tokens=kv_tokens(setup),
        max_sequences=ENGINES[setup.engine].max_sequences * setup.data,
        error=error,
        source=source,
    )


def kv_room_tokens(model: OpenModel, gpu: Gpu, gpus: int, precision: str, engine: str = "vllm") -> int:
    """KV tokens that fit beside the weights; negative by what is missing where the weights do not fit."""
    return kv_tokens(Setup(model, gpu, precision, engine, tensor=gpus))


def key_of(setup: Setup) -> Key:
    """Where a setup stands in the shipped table."""
    return (
        *(family(setup.model), setup.gpu.name, setup.precision, setup.engine),
        *(setup.tensor, setup.data, setup.expert),
    )


def draw(setup: Setup, fit: Fitted | None = None) -> tuple[tuple[float, float, float, float], float]:
    """The four coefficients that draw the fitted TPOT, and within what 80% of the grid is of it.

    `fit` None is the one the package ships.
    """
    fit = fitted() if fit is None else fit
    loads = [Load(c, isl, osl) for c, (isl, osl) in itertools.product(CONCURRENCIES, SHAPES)]
    tpot_s = [math.exp(fit.log_tpot(setup, load)) for load in loads]
    floors = _floors(setup, fit)
    matrix = [[value / tpot for value in columns(load)] for load, tpot in zip(loads, tpot_s, strict=True)]
    right = [1 - sum(f * x for f, x in zip(floors, row, strict=True)) for row in matrix]
    above = non_negative(matrix, right)
    found = tuple(floor + more for floor, more in zip(floors, above, strict=True))
    errors = sorted(abs(sum(c * x for c, x in zip(found, row, strict=True)) - 1) for row in matrix)
    return found, errors[int(0.8 * len(errors))]  # type: ignore[return-value]


def columns(load: Load) -> tuple[float, float, float, float]:
    """What the coefficients multiply in the steady state of a load."""
    concurrency, read, made = load
    return 1.0, concurrency, concurrency * (read + made / 2), concurrency * read / made


def _floors(setup: Setup, fit: Fitted) -> tuple[float, float, float, float]:
    """A tenth of the physical terms, each put to the coefficient it grows with."""
    load = Load(1, 1024, 1024)
    physical, _ = fit.physical(setup, load)
    parts = dict(zip(TERMS, fit.parts(setup, load), strict=True))
    read = parts["kv_cache"] / (load.input_tokens + load.output_tokens / 2)
    prefill = parts["prefill_flops"] + parts["prefill_traffic"] + parts["prefill_tokens"]
    each = parts["sequences"] + parts["decode_flops"]
    return FLOOR_SHARE * physical / 2, FLOOR_SHARE * each, FLOOR_SHARE * read, FLOOR_SHARE * prefill


def non_negative(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """The solution ≥ 0 with the least squared error.

    Exact for so few unknowns: of all subsets left free, the best whose solution is non-negative.
    """
    size = len(matrix[0])
    best, least = [0.0] * size, sum(value**2 for value in right)
    together = [[sum(row[i] * row[j] for row in matrix) for j in range(size)] for i in range(size)]
    across = [sum(row[i] * value for row, value in zip(matrix, right, strict=True)) for i in range(size)]
    whole = least
    for count in range(1, size + 1):
        for free in itertools.combinations(range(size), count):
            found = solve([[together[i][j] for j in free] for i in free], [across[i] for i in free])
            if min(found) < 0:
                continue
            loss = whole - sum(value * across[i] for value, i in zip(found, free, strict=True))
            if loss < least:
                best, least = [0.0] * size, loss
                for index, value in zip(free, found, strict=True):
                    best[index] = value
    return best


@cache
def measured_table() -> dict[Key, Measured]:
    """The shipped coefficients by configuration; made by scripts/make_capacity_table.py."""
    file = resources.files("baseload.capacity") / "data" / TABLE
    lines = (line for line in file.read_text("utf-8").splitlines() if not line.startswith("#"))
    table = {}
    for row in csv.DictReader(lines):
        try:
            key = (
                *(row["model"], row["gpu"], row["precision"], row["engine"]),
                *(int(row["tensor"]), int(row["data"]), int(row["expert"])),
            )
            table[key] = Measured(
                base_s=float(row["base_s"]),
                per_sequence_s=float(row["per_sequence_s"]),
                per_kv_token_s=float(row["per_kv_token_s"]),
                per_prefill_token_s=float(row["per_prefill_token_s"]),
                rows=int(row["rows"]),
                error=float(row["error"]),
                drawn_error=float(row["drawn_error"]),
                source=row["source"],
            )
        except (KeyError, ValueError) as error:
            raise DataError(f"{TABLE}: a broken row: {row}", hint="run the script that makes it") from error
    return table
