"""The small SVG writer."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.plan.figures.svg import Linear, Log, Svg, number, spread


@given(st.lists(st.floats(-50, 450), max_size=12), st.floats(1, 60))
def test_spread_labels_keep_their_distance_order_and_bounds(wanted: list[float], gap: float) -> None:
    """No two labels nearer than the gap (or than there is room for), none outside, order kept."""
    placed = spread(wanted, gap, 0.0, 400.0)
    assert len(placed) == len(wanted)
    room = min(gap, 400.0 / max(len(wanted) - 1, 1))
    in_order = [place for _, place in sorted(zip(wanted, placed, strict=True), key=lambda pair: pair[0])]
    assert all(b - a >= room - 1e-6 for a, b in zip(sorted(placed), sorted(placed)[1:], strict=False))
    assert all(-1e-6 <= place <= 400 + 1e-6 for place in placed)
    if len(set(wanted)) == len(wanted):
        assert in_order == sorted(in_order)


@given(st.lists(st.floats(0, 400), min_size=1, max_size=6, unique=True))
def test_labels_with_room_enough_stay_where_they_belong(wanted: list[float]) -> None:
    """What does not collide is not moved."""
    gap = min((b - a for a, b in zip(sorted(wanted), sorted(wanted)[1:], strict=False)), default=1.0)
    assert spread(wanted, gap * 0.99, 0.0, 400.0) == pytest.approx(wanted)


@given(st.floats(0, 1e9), st.floats(1e-3, 1e9))
def test_linear_ticks_are_within_the_range_and_few(low: float, span: float) -> None:
    """About five round values, all shown."""
    scale = Linear(low, low + span, 0, 100)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 7 or span < low * 1e-9
    assert all(low - span * 1e-6 <= tick <= low + span * (1 + 1e-6) for tick in ticks)


@given(st.floats(1e-3, 1e6), st.floats(4, 1e8))
def test_log_ticks_are_within_the_range(low: float, ratio: float) -> None:
    """Every range of a factor 4 or more has a tick."""
    scale = Log(low, low * ratio, 0, 100)
    assert scale.ticks() or ratio < 10
    assert all(-1e-6 <= scale(tick) <= 100 + 1e-6 for tick in scale.ticks())


def test_words_are_escaped() -> None:
    """A model's name cannot break out of the picture."""
    figure = Svg(100, 50, "<title>", "a & b")
    figure.text((1, 2), "<script>alert(1)</script>")
    root = ElementTree.fromstring(figure.to_str())
    assert root.find("{http://www.w3.org/2000/svg}text").text == "<script>alert(1)</script>"  # type: ignore[union-attr]


def test_coordinates_are_short() -> None:
    """A tenth of a pixel is enough, and zero has no sign."""
    assert [number(value) for value in (1.0, 1.25, -0.01, 1234.56)] == ["1", "1.2", "0", "1234.6"]
