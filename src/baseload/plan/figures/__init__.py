"""The figures of a plan, each made once, for a desk and for a phone: report and notebooks show them."""

from __future__ import annotations

from baseload.plan.figures.break_even import break_even
from baseload.plan.figures.choice import metered_of, shown_hybrid
from baseload.plan.figures.load import heat_words, heatmap, load_duration, load_words
from baseload.plan.figures.months import cumulative, months_words
from baseload.plan.figures.rates import cost_by_use, frontier_figure, frontier_words, planned_words, use_words

__all__ = [
    "break_even",
    "cost_by_use",
    "cumulative",
    "frontier_figure",
    "frontier_words",
    "heat_words",
    "heatmap",
    "load_duration",
    "load_words",
    "metered_of",
    "months_words",
    "planned_words",
    "shown_hybrid",
    "use_words",
]
