"""ServeGen curves: windows as published, lengths from the histogram beside them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from baseload.errors import DataError, UsageError
from baseload.traffic.read import read_shape, read_traffic
from baseload.traffic.servegen import histogram_edges, read_servegen

CURVE = "workload,t_s,rps,length_coverage,mean_input_tokens,mean_output_tokens\n"
HISTOGRAM = "workload,bin_lower_tokens,p_input,p_output\nm,0.0,0.5,1.0\nm,8.0,0.25,0.0\nm,9.4,0.25,0.0\n"


def write(folder: Path, curve: str, histogram: str = HISTOGRAM) -> Path:
    """A curve with its histogram beside it."""
    (folder / "my_length_hist.csv").write_text(histogram)
    path = folder / "my_load.csv"
    path.write_text(CURVE + curve)
    return path


@pytest.mark.parametrize(("workload", "peak"), [("m-large", 2.98), ("m-small", 3.30)])
def test_the_published_curves_equal_a_plain_reading(workload: str, peak: float, shared: Path) -> None:
    """2,016 windows of ten minutes with the rates of the file, gaps included; tokens are rate times mean."""
    path = shared / "data" / "traces" / "servegen" / "servegen_load_10min.csv"
    shape = read_shape(path, workload=workload)
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["workload"] == workload]
    assert (len(shape.load), shape.window_s, shape.duration_s) == (2_016, 600.0, 14 * 86_400.0)
    assert shape.load.requests_per_s.tolist() == [float(row["rps"]) for row in rows]
    tokens = [float(row["rps"]) * float(row["mean_input_tokens"] or 0) for row in rows]
    assert shape.load.input_tokens_per_s.tolist() == pytest.approx(tokens)
    rate = shape.load.requests_per_s
    assert float(rate.max() / rate.mean()) == pytest.approx(peak, abs=0.01)


def test_the_workload_must_be_chosen_where_there_are_several(shared: Path) -> None:
    """A file with two workloads says their names; one that it does not hold is refused with them."""
    path = shared / "data" / "traces" / "servegen" / "servegen_load_10min.csv"
    for workload in (None, "m-medium"):
        with pytest.raises(UsageError) as caught:
            read_shape(path, workload=workload)
        assert caught.value.hint == "choose one of m-large, m-small"


def test_a_curve_is_no_traffic(shared: Path) -> None:
    """Asked for requests, the reader says what the file is and how it is read."""
    with pytest.raises(DataError, match="holds no requests"):
        read_traffic(shared / "data" / "traces" / "servegen" / "servegen_load_10min.csv")


def test_windows_without_lengths_get_the_mean_of_the_others(tmp_path: Path) -> None:
    """A window with requests of unknown length has the rate-weighted mean; one without requests has none."""
    path = write(tmp_path, "m,0,1.0,1,100,10\nm,600,3.0,1,200,30\nm,1200,2.0,0,,\nm,1800,0.0,0,,\n")
    shape = read_shape(path)
    assert shape.mean_input_tokens.tolist() == [100.0, 200.0, 175.0, 0.0]
    assert shape.mean_output_tokens.tolist() == [10.0, 30.0, 25.0, 0.0]


def test_lengths_come_from_the_histogram_taken_as_independent(tmp_path: Path) -> None:
    """Bins hold the whole numbers from their lower edge up; the joint weight is the product."""
    lengths = read_shape(write(tmp_path, "m,0,1.0,1,100,10\nm,600,3.0,1,200,30\n")).lengths
    assert lengths.input_edges.tolist() == [0, 8, 10, 12]
    assert lengths.weights[:, 0].tolist() == [0.5, 0.25, 0.25]
    assert histogram_edges(np.array([0.0, 8.0, 16.0])).tolist() == [0, 8, 16, 32]


@pytest.mark.parametrize(
    ("curve", "reason"),
    [
        ("m,0,1,1,1,1\nm,600,1,1,1,1\nm,1800,1,1,1,1\n", "equal steps"),
        ("m,0,1,1,1,1\n", "equal steps"),
        ("m,0,1,1,,1\nm,600,1,1,,1\n", "no window has a mean_input_tokens"),
        ("m,0,x,1,1,1\nm,600,1,1,1,1\n", "line 2"),
        ("", "holds no requests"),
    ],
)
def test_broken_curves_are_refused(curve: str, reason: str, tmp_path: Path) -> None:
    """Uneven windows, no lengths at all and text for numbers are told with file and reason."""
    with pytest.raises(DataError) as caught:
        read_shape(write(tmp_path, curve))
    assert reason in str(caught.value)
    assert "my_load.csv" in str(caught.value)


def test_a_histogram_must_lie_beside_the_curve_or_be_named(tmp_path: Path) -> None:
    """Without a histogram the error says so; a named one is used wherever it lies."""
    path = write(tmp_path, "m,0,1.0,1,100,10\nm,600,3.0,1,200,30\n")
    elsewhere = tmp_path / "elsewhere.csv"
    (tmp_path / "my_length_hist.csv").rename(elsewhere)
    with pytest.raises(UsageError, match="0 lie beside it"):
        read_servegen(path)
    assert len(read_servegen(path, elsewhere).load) == 2


def test_a_broken_histogram_is_refused(tmp_path: Path) -> None:
    """Bins that do not rise are no histogram."""
    path = write(tmp_path, "m,0,1.0,1,100,10\nm,600,3.0,1,200,30\n", HISTOGRAM.replace("9.4", "8.0"))
    with pytest.raises(DataError, match="bin_lower_tokens must rise"):
        read_shape(path)
