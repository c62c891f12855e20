"""ServeGen load curves: requests/s and mean lengths in ten-minute windows, with a length histogram beside.

There are no requests in it, so it gives a `LoadShape`. Columns of the curve: workload, t_s, rps,
length_coverage, mean_input_tokens, mean_output_tokens; of the histogram: workload, bin_lower_tokens, p_input,
p_output. Input and output lengths are published apart and taken as independent. Source: Xiang et al.,
ServeGen, arXiv 2505.09999 (Apache-2.0).
"""

from __future__ import annotations

import io
from collections import defaultdict
from pathlib import Path

import numpy as np

from baseload.errors import DataError, UsageError
from baseload.traffic.columns import locate
from baseload.traffic.delimited import Delimited
from baseload.traffic.load import Floats, Ints, Lengths, Load, LoadShape
from baseload.traffic.rows import BadRows
from baseload.traffic.source import open_trace

CURVE = ("workload", "t_s", "rps", "length_coverage", "mean_input_tokens", "mean_output_tokens")
HISTOGRAM = ("workload", "bin_lower_tokens", "p_input", "p_output")
CITATION = "ServeGen, arXiv 2505.09999, Apache-2.0"


def read_servegen(curve: Path, histogram: Path | None = None, workload: str | None = None) -> LoadShape:
    """The load shape of one workload from its curve and its length histogram.

    Without a `histogram` the file beside the curve with `length_hist` in its name is taken; without a
    `workload` the file must hold only one. Raises DataError, naming file and row.
    """
    histogram = histogram or _beside(curve)
    windows = _of_workload(curve, CURVE, workload)
    bins = _of_workload(histogram, HISTOGRAM, windows.workload)
    return LoadShape(_load(windows), _lengths(bins), source=f"{curve.name}: {windows.workload} ({CITATION})")


def histogram_edges(lower: Floats) -> Ints:
    """Integer edges of published bins: from each lower edge up, the last bin as wide as the one before."""
    edges = np.append(lower, lower[-1] * lower[-1] / lower[-2])
    whole: Ints = np.ceil(edges).astype(np.int64)
    return whole


class _Table:
    """The numbers of one workload, column by column; an empty cell is NaN."""

    def __init__(self, path: Path, workload: str, columns: dict[str, Floats]) -> None:
        self.path, self.workload, self._columns = path, workload, columns

    def __getitem__(self, column: str) -> Floats:
        return self._columns[column]

    def refuse(self, wrong: str) -> DataError:
        """An error about this workload."""
        return DataError(f"{self.path}: {self.workload}: {wrong}", hint="see docs/traffic.md for the format")


def _of_workload(path: Path, columns: tuple[str, ...], workload: str | None) -> _Table:
    found: dict[str, list[list[float]]] = defaultdict(list)
    bad = BadRows(str(path))
    with open_trace(path) as stream:
        found = _rows_by_workload(stream, path, columns, bad)
    bad.settle(sum(map(len, found.values())))
    if bad.count:
        raise DataError(
            f"{path}: line {bad.first[0].line}: {bad.first[0].reason}", hint="a curve has no gaps"
        )
    if workload is None and len(found) > 1:
        raise UsageError(f"{path} holds several workloads", hint=f"choose one of {', '.join(found)}")
    chosen = workload or next(iter(found))
    if chosen not in found:
        raise UsageError(f"{path} holds no workload {chosen!r}", hint=f"choose one of {', '.join(found)}")
    numbers = np.array(found[chosen], dtype=np.float64)
    return _Table(path, chosen, dict(zip(columns[1:], numbers.T, strict=True)))


def _rows_by_workload(
    stream: io.BufferedReader, path: Path, columns: tuple[str, ...], bad: BadRows
) -> dict[str, list[list[float]]]:
    found: dict[str, list[list[float]]] = defaultdict(list)
    table = Delimited(stream, path, bad)
    at = locate({column: column for column in columns}, table.header, path)
    for number, cells in table:
        try:
            values = [float(cells[at[column]] or "nan") for column in columns[1:]]
        except ValueError as error:
            bad.add(number, str(error))
            continue
        found[cells[at["workload"]]].append(values)
    return found


def _load(windows: _Table) -> Load:
    """Rates of tokens from rates of requests and mean lengths; windows without requests have no mean."""
    starts_s, rate = windows["t_s"], windows["rps"]
    steps_s = np.diff(starts_s)
    if len(starts_s) < 2 or not (steps_s == steps_s[0]).all() or not steps_s[0] > 0:
        raise windows.refuse("t_s must rise in equal steps")
    lengths = {}
    for column in ("mean_input_tokens", "mean_output_tokens"):
        known = ~np.isnan(windows[column])
        if not (known & (rate > 0)).any():
            raise windows.refuse(f"no window has a {column}")
        # A window whose clients published no lengths gets the mean of the others.
        mean = float(np.average(windows[column][known], weights=rate[known]))
        lengths[column] = np.where(known, windows[column], mean)
    return Load(
        window_s=float(steps_s[0]),
        requests_per_s=rate,
        input_tokens_per_s=rate * lengths["mean_input_tokens"],
        cached_tokens_per_s=np.zeros(len(rate)),
        output_tokens_per_s=rate * lengths["mean_output_tokens"],
    )


def _lengths(bins: _Table) -> Lengths:
    lower = bins["bin_lower_tokens"]
    if len(lower) < 3 or not (np.diff(np.ceil(lower)) > 0).all() or lower[0] < 0:
        raise bins.refuse("bin_lower_tokens must rise by at least one token")
    return Lengths.independent(histogram_edges(lower), bins["p_input"], bins["p_output"])


def _beside(curve: Path) -> Path:
    found = sorted(curve.parent.glob("*length_hist*"))
    if len(found) != 1:
        raise UsageError(
            f"{curve}: a load curve needs its length histogram, and {len(found)} lie beside it",
            hint="name the histogram's file",
        )
    return found[0]
