"""The figures, read back as a reader sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree

import pytest

from baseload.core import Slo
from baseload.plan import figures
from baseload.plan.frontier import frontier, use_cost
from baseload.plan.model import Kind, Plan

SVG = "{http://www.w3.org/2000/svg}"
CHARACTER_PX, BOLD_PX, ASCENT_PX, DESCENT_PX = 6.9, 7.6, 10.0, 3.0
"""Mean advance and extent of 13 px text in the widest of the usual system fonts, DejaVu Sans."""

FIGURES = [
    figures.load_duration,
    figures.break_even,
    figures.heatmap,
    figures.cumulative,
    figures.cost_by_use,
]
DESK_AND_PHONE = [False, True]
KINDS = ["hybrid", "buy", "flat", "own", "huge", "tiny", "serving", "many"]

Box = tuple[float, float, float, float]


def boxes(svg: str) -> list[tuple[str, Box]]:
    """Every label with the rectangle it takes."""
    found = []
    for text in ElementTree.fromstring(svg).iter(f"{SVG}text"):
        words = text.text or ""
        width = len(words) * (BOLD_PX if text.get("class") in ("strong", "t-hybrid") else CHARACTER_PX)
        left = float(text.get("x", "0")) - {"middle": width / 2, "end": width}.get(
            text.get("text-anchor", ""), 0
        )
        base = float(text.get("y", "0"))
        found.append((words, (left, base - ASCENT_PX, left + width, base + DESCENT_PX)))
    return found


@pytest.mark.parametrize("narrow", DESK_AND_PHONE)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("draw", FIGURES)
def test_no_two_labels_overlap_and_none_is_cut_off(
    draw: Callable[..., str | None], kind: str, narrow: bool, plans: dict[str, Plan]
) -> None:
    """Whatever the plan, every label can be read, and a phone's figure is no wider than the phone."""
    svg = draw(plans[kind], narrow=narrow)
    if svg is None:
        assert (draw, plans[kind].inputs.curve.peak) == (figures.heatmap, 1.0)
        return
    assert_readable(svg, 358 if narrow else 720)


def assert_readable(svg: str, most_px: float) -> None:
    """No label over another or outside, no figure too wide."""
    width, height = (float(part) for part in ElementTree.fromstring(svg).get("viewBox", "").split()[2:])
    assert width <= most_px
    labels = boxes(svg)
    for words, (left, top, right, bottom) in labels:
        assert left >= 0, words
        assert top >= 0, words
        assert right <= width, words
        assert bottom <= height, words
    for (one, a), (other, b) in combinations(labels, 2):
        apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        assert apart, (one, other)


@pytest.mark.parametrize("narrow", DESK_AND_PHONE)
def test_the_frontier_can_be_read_and_its_dot_keeps_the_slo(
    narrow: bool, make_plan: Callable[..., Plan]
) -> None:
    """Throughput rises with time per token; the dot is within the box."""
    inputs = replace(make_plan().inputs, gpu="H100-SXM", gpus=2, precision="fp8")
    found = frontier(inputs)
    assert found is not None
    assert found.within is not None
    assert found.within.tpot_s <= inputs.slo.tpot_s
    assert found.within.ttft_s <= inputs.slo.ttft_s
    assert [at.tpot_s for at in found.points] == sorted(at.tpot_s for at in found.points)
    assert_readable(figures.frontier_figure(found, narrow=narrow), 358 if narrow else 720)


@pytest.mark.parametrize("narrow", DESK_AND_PHONE)
def test_the_box_ends_where_either_promise_is_broken(narrow: bool, make_plan: Callable[..., Plan]) -> None:
    """A TTFT that the curve reaches before the TPOT's limit is a line of its own, and the box ends there."""
    ends = {}
    for ttft_s in (2.0, 0.12, 0.01):
        slo = Slo(ttft_s, 0.1)
        found = frontier(replace(make_plan().inputs, gpu="H100-SXM", gpus=2, precision="fp8", slo=slo))
        assert found is not None
        svg = figures.frontier_figure(found, narrow=narrow)
        assert_readable(svg, 358 if narrow else 720)
        assert (f"TTFT {ttft_s:g} s" in [text for text, _ in boxes(svg)]) == (ttft_s < 2)
        assert "TPOT 100 ms" in [text for text, _ in boxes(svg)]
        box = next(e for e in ElementTree.fromstring(svg).iter(f"{SVG}rect") if e.get("class") == "box-open")
        ends[ttft_s] = float(box.get("width", "0"))
        if found.within is not None and found.tpot_at_ttft_s is not None:
            assert found.within.tpot_s <= found.tpot_at_ttft_s
    assert ends[2.0] > ends[0.12] > ends[0.01]


def test_what_the_catalog_lacks_has_no_frontier(make_plan: Callable[..., Plan]) -> None:
    """A throughput that was given needs no model of the GPU."""
    assert frontier(replace(make_plan().inputs, gpu="abacus")) is None


def test_use_makes_the_price_of_what_is_reserved_and_not_of_what_is_used(plans: dict[str, Plan]) -> None:
    """Half the use, twice the price of a token; by usage the price is that of a full replica."""
    rows = {row.use: row for row in use_cost(plans["hybrid"].inputs)}
    assert rows[0.5].reservation_usd_per_million == pytest.approx(2 * rows[1.0].reservation_usd_per_million)
    assert {row.usage_usd_per_million for row in rows.values()} == {rows[1.0].reservation_usd_per_million}
    assert rows[1.0].reservation_usd_per_million == pytest.approx(8.0 / 4392 / 3600 * 1e6)


@pytest.mark.parametrize("draw", FIGURES)
def test_equal_plans_draw_equal_bytes(draw: Callable[[Plan], str], plans: dict[str, Plan]) -> None:
    """Figures hold no clock and no chance."""
    assert draw(plans["hybrid"]) == draw(plans["hybrid"])


@pytest.mark.parametrize("kind", KINDS)
def test_every_crossing_is_marked(kind: str, plans: dict[str, Plan]) -> None:
    """A dot for each crossing within the picture, and one where the hybrid starts to pay."""
    plan = plans[kind]
    root = ElementTree.fromstring(figures.break_even(plan))
    own = plan.inputs.tokens_per_day
    expected = sum(
        own / 4000 <= crossing.tokens_per_day <= own * 4000
        for found in plan.break_even
        for crossing in found.crossings
    )
    assert len(root.findall(f"{SVG}circle")) >= expected


def test_the_signature_picture_shows_the_split_the_table_shows(plans: dict[str, Plan]) -> None:
    """The share bought stands beside the spill, and "full" is named by the use it is planned with."""
    plan = plans["hybrid"]
    option = figures.shown_hybrid(plan)
    assert (option.kind, option.replicas > 0) == (Kind.HYBRID, True)
    words = [label for label, _ in boxes(figures.load_duration(plan))]
    assert f"bought {(1 - option.owned_tokens_share) * 100:.1f}%" in words
    assert f"{option.replicas} replicas at 70%" in words
