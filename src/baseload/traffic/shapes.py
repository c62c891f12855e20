"""Load shapes that ship with the package: small figures of two public traces, made by a script.

`scripts/make_traffic_figures.py` makes the files in `data/` from the raw traces; each file names its source,
licence, citation and date, and so does the `source` of the shapes.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TypeVar

import msgspec
import numpy as np

from baseload.traffic.load import Lengths, Load, LoadShape
from baseload.traffic.servegen import histogram_edges

AZURE_FILE = "azure_conversation_2023.json"
SERVEGEN_FILE = "servegen_m_large.json"


class Provenance(msgspec.Struct, frozen=True):
    """Where figures come from: shown wherever they are used."""

    title: str
    url: str
    licence: str
    cite: str
    as_of: str
    change: str

    def __str__(self) -> str:
        return f"{self.title} ({self.cite}; {self.licence}; {self.as_of})"


class CountFigures(msgspec.Struct, frozen=True):
    """Requests in equal windows and their joint length histogram: a cell is (bin, bin, count)."""

    provenance: Provenance
    start_ns: int
    duration_s: float
    requests: list[int]
    mean_input_tokens: float
    mean_output_tokens: float
    input_edges: list[int]
    output_edges: list[int]
    cells: list[tuple[int, int, int]]


class CurveFigures(msgspec.Struct, frozen=True):
    """Requests per second and mean lengths in equal windows, and two marginal length histograms.

    `length_coverage` is the share of each window's requests whose lengths are known.
    """

    provenance: Provenance
    window_s: float
    requests_per_s: list[float]
    length_coverage: list[float]
    mean_input_tokens: list[float]
    mean_output_tokens: list[float]
    bin_lower_tokens: list[float]
    input_share: list[float]
    output_share: list[float]


F = TypeVar("F", CountFigures, CurveFigures)


@cache
def azure_conversation_2023() -> LoadShape:
    """One hour of a conversation service on Azure, 2023-11-16: 19,366 requests, counted per second.

    Lengths do not follow the seconds: every window has the trace's mean lengths, so that a draw's busiest
    minute has 1.5 times the mean's tokens where the trace has 1.8. Draw it with `Arrivals.COUNTS`, since the
    counts are the trace's own.
    """
    figures = _figures(AZURE_FILE, CountFigures)
    window_s = figures.duration_s / len(figures.requests)
    rate = np.array(figures.requests) / window_s
    weights = np.zeros((len(figures.input_edges) - 1, len(figures.output_edges) - 1))
    for i, j, count in figures.cells:
        weights[i, j] = count
    return LoadShape(
        Load(
            window_s,
            requests_per_s=rate,
            input_tokens_per_s=rate * figures.mean_input_tokens,
            cached_tokens_per_s=np.zeros(len(rate)),
            output_tokens_per_s=rate * figures.mean_output_tokens,
        ),
        Lengths(np.array(figures.input_edges), np.array(figures.output_edges), weights),
        source=str(figures.provenance),
        start_ns=figures.start_ns,
    )


@cache
def servegen_m_large() -> LoadShape:
    """Two weeks of a large model of Alibaba Cloud Model Studio: 2,016 windows of ten minutes.

    Mean lengths of a window are over the clients whose lengths are published (14% to 97% of its requests).
    """
    figures = _figures(SERVEGEN_FILE, CurveFigures)
    rate = np.array(figures.requests_per_s)
    return LoadShape(
        Load(
            figures.window_s,
            requests_per_s=rate,
            input_tokens_per_s=rate * np.array(figures.mean_input_tokens),
            cached_tokens_per_s=np.zeros(len(rate)),
            output_tokens_per_s=rate * np.array(figures.mean_output_tokens),
        ),
        Lengths.independent(
            histogram_edges(np.array(figures.bin_lower_tokens)),
            np.array(figures.input_share),
            np.array(figures.output_share),
        ),
        source=str(figures.provenance),
    )


def _figures(name: str, kind: type[F]) -> F:
    return msgspec.json.decode(files("baseload.traffic").joinpath("data", name).read_bytes(), type=kind)
