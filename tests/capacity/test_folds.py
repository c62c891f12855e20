"""What is left out together: nothing that would tell the fit what it is judged on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from baseload.capacity.folds import Split, asked, configuration, folds, gpu_of, grouped, model_of
from baseload.capacity.measured import Row, read_measurements


@pytest.fixture(scope="module")
def rows(shared: Path) -> list[Row]:
    """The clean rows of the measurements."""
    return read_measurements(shared / "data" / "engine_perf" / "silicon_measurements.csv")[0]


def twin(row: Row) -> tuple[object, ...]:
    """What repeats of one measurement share."""
    return configuration(row), row.load


@pytest.mark.parametrize("split", list(Split))
def test_no_repeat_of_a_row_that_is_judged_is_seen(split: Split, rows: list[Row]) -> None:
    """441 rows have a twin of the same configuration and load: no fold parts them."""
    assert sum(count for count in Counter(map(twin, rows)).values() if count > 1) == 441
    for _, seen, out in folds(rows, split):
        assert not {twin(rows[index]) for index in out} & {twin(rows[index]) for index in seen}


@pytest.mark.parametrize("split", [Split.ROWS, Split.CONFIGURATION, Split.MODEL, Split.GPU, Split.SHAPE])
def test_every_row_is_judged_once(split: Split, rows: list[Row]) -> None:
    """And seen in all other folds."""
    found = folds(rows, split)
    assert sorted(index for _, _, out in found for index in out) == list(range(len(rows)))
    assert all(len(seen) + len(out) == len(rows) for _, seen, out in found)


def test_what_is_left_out_together_is_not_seen(rows: list[Row]) -> None:
    """No row of the model, the GPU, the configuration, the shape, the precision; of either, of both."""
    judged: dict[Split, Callable[[Row], str]] = {
        Split.MODEL: model_of,
        Split.GPU: gpu_of,
        Split.CONFIGURATION: configuration,
        Split.SHAPE: lambda row: str(row.load[1:]),
        Split.PRECISION: lambda row: row.setup.precision,
    }
    for split, name in judged.items():
        for _, seen, out in folds(rows, split):
            assert not {name(rows[index]) for index in out} & {name(rows[index]) for index in seen}
    for _, seen, out in folds(rows, Split.MODEL_AND_GPU):
        assert {model_of(rows[index]) for index in out}.isdisjoint(model_of(rows[index]) for index in seen)
        assert {gpu_of(rows[index]) for index in out}.isdisjoint(gpu_of(rows[index]) for index in seen)


def test_a_precision_is_judged_on_models_that_are_still_known(rows: list[Row]) -> None:
    """gpt-oss is measured in MXFP4 alone, so leaving that out would leave the model out."""
    for name, seen, out in folds(rows, Split.PRECISION):
        assert name != "mxfp4"
        assert {model_of(rows[index]) for index in out} <= {model_of(rows[index]) for index in seen}


def test_the_ends_are_those_of_each_configuration(rows: list[Row]) -> None:
    """Its lowest concurrency is below all that is seen of it, its highest above."""
    for end, seen, out in folds(rows, Split.ENDS):
        left = dict(grouped((rows[index] for index in out), configuration))
        kept = dict(grouped((rows[index] for index in seen), configuration))
        for name, each in left.items():
            inside = [row.load.concurrency for row in kept[name]]
            if end == "lowest":
                assert max(row.load.concurrency for row in each) < min(inside)
            else:
                assert min(row.load.concurrency for row in each) > max(inside)


def test_other_seeds_deal_other_folds(rows: list[Row]) -> None:
    """And the same seed the same ones."""
    first, again, other = (folds(rows, Split.CONFIGURATION, seed) for seed in (0, 0, 1))
    assert first == again != other


def test_a_row_is_asked_without_what_only_its_date_tells(rows: list[Row]) -> None:
    """Unless it is told."""
    guessed = next(row for row in rows if row.setup.speculative)
    assert asked(guessed).speculative is None
    assert asked(guessed, told=True).speculative == 1
