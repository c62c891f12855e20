"""The shipped shapes: what is drawn from them is statistically the traffic they were made from.

Bounds are stated with each test; seeds are fixed, so a failure means that something changed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from baseload.traffic.draw import Arrivals, draw
from baseload.traffic.load import Ints, LoadShape
from baseload.traffic.read import read_shape, read_traffic
from baseload.traffic.shapes import azure_conversation_2023, servegen_m_large
from baseload.traffic.table import Traffic


@pytest.fixture(scope="module")
def raw(shared: Path) -> Traffic:
    """The trace that the Azure shape was made from."""
    return read_traffic(shared / "data" / "traces" / "azure2023" / "AzureLLMInferenceTrace_conv.csv")


@pytest.fixture(scope="module", params=[1, 2, 3])
def drawn(request: pytest.FixtureRequest) -> Traffic:
    """Traffic drawn from the Azure shape with a few seeds."""
    return draw(azure_conversation_2023(), seed=request.param, arrivals=Arrivals.COUNTS)


def dispersion(traffic: Traffic, window_s: float) -> float:
    """Variance over mean of the requests per window: 1 for a Poisson process, more for bursts."""
    load = traffic.load(window_s)
    counts = load.requests_per_s * load.window_s
    return float(counts.var() / counts.mean())


def test_a_draw_has_the_traces_rate(raw: Traffic, drawn: Traffic) -> None:
    """As many requests as the trace, over the same time: 19,366 in 3,502 s."""
    assert len(drawn) == len(raw) == 19_366
    assert drawn.duration_s == pytest.approx(raw.duration_s)


@pytest.mark.parametrize("column", ["input_tokens", "output_tokens"])
def test_a_draw_has_the_traces_mean_lengths(column: str, raw: Traffic, drawn: Traffic) -> None:
    """Mean input and output lengths lie within four standard errors of the trace's."""
    lengths: Ints = getattr(raw, column)
    error = float(lengths.std()) / np.sqrt(len(raw))
    assert abs(float(getattr(drawn, column).mean()) - float(lengths.mean())) < 4 * error


@pytest.mark.parametrize("column", ["input_tokens", "output_tokens"])
def test_a_draw_has_the_traces_length_distribution(column: str, raw: Traffic, drawn: Traffic) -> None:
    """Deciles differ by less than a bin (a fifth) or two tokens, the maximum by less than two bins."""
    shares = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99]
    expected, actual = (np.quantile(getattr(table, column), shares) for table in (raw, drawn))
    assert (np.abs(actual - expected) <= np.maximum(0.2 * expected, 2)).all()
    assert getattr(drawn, column).max() <= 1.4 * getattr(raw, column).max()


def test_a_draw_keeps_input_and_output_together(raw: Traffic, drawn: Traffic) -> None:
    """The rank correlation of input and output length is the trace's within 0.05: the histogram is joint."""

    def correlation(table: Traffic) -> float:
        ranks = [np.argsort(np.argsort(c, kind="stable")) for c in (table.input_tokens, table.output_tokens)]
        return float(np.corrcoef(ranks[0], ranks[1])[0, 1])

    assert correlation(drawn) == pytest.approx(correlation(raw), abs=0.05)


@pytest.mark.parametrize("window_s", [1.0, 10.0, 60.0])
def test_a_draw_is_as_bursty_as_the_trace(window_s: float, raw: Traffic, drawn: Traffic) -> None:
    """Requests per 1, 10 and 60 s are dispersed as in the trace within 5%: counts are kept, not smoothed."""
    assert dispersion(drawn, window_s) == pytest.approx(dispersion(raw, window_s), rel=0.05)


def test_a_draw_peaks_as_the_trace_does(raw: Traffic, drawn: Traffic) -> None:
    """The busiest minute's requests over the mean agree within 5%, its tokens within 20% (lengths drift)."""
    busiest = [
        float(t.load(60.0).requests_per_s.max() / t.load(60.0).requests_per_s.mean()) for t in (raw, drawn)
    ]
    assert busiest[1] == pytest.approx(busiest[0], rel=0.05)
    assert drawn.load(60.0).peak_over_mean == pytest.approx(raw.load(60.0).peak_over_mean, rel=0.2)


def test_m_large_is_the_published_curve(shared: Path) -> None:
    """The shipped shape equals what the reader makes of the raw files: windows, rates and histogram."""
    published = read_shape(
        shared / "data" / "traces" / "servegen" / "servegen_load_10min.csv", workload="m-large"
    )
    shipped = servegen_m_large()
    for column in ("requests_per_s", "input_tokens_per_s", "output_tokens_per_s"):
        assert getattr(shipped.load, column).tolist() == getattr(published.load, column).tolist()
    assert shipped.lengths.input_edges.tolist() == published.lengths.input_edges.tolist()
    assert shipped.lengths.weights.tolist() == published.lengths.weights.tolist()
    assert shipped.window_s == 600.0


def test_a_draw_from_m_large_meets_its_volume() -> None:
    """Scaled to 200M tokens a day, two weeks drawn have that volume within 1% and the mix of the curve."""
    shape = servegen_m_large().scaled(tokens_per_day=200e6)
    traffic = draw(shape, seed=1)
    assert traffic.tokens_per_day().total == pytest.approx(200e6, rel=0.01)
    assert traffic.tokens_per_day().output == pytest.approx(shape.tokens_per_day().output, rel=0.01)
    assert float(np.corrcoef(traffic.load(600.0).requests_per_s, shape.load.requests_per_s)[0, 1]) > 0.99


@pytest.mark.parametrize(
    ("shape", "parts"),
    [
        (azure_conversation_2023(), ("Splitwise", "CC-BY-4.0", "2023-11-16")),
        (servegen_m_large(), ("arXiv 2505.09999", "Apache-2.0", "2025-06-09")),
    ],
    ids=["azure", "m-large"],
)
def test_sources_carry_citation_licence_and_date(shape: LoadShape, parts: tuple[str, ...]) -> None:
    """Whoever shows a figure drawn from these shapes can show where it is from."""
    for part in parts:
        assert part in shape.source
