"""A replay on a terminal: what changes in one sentence, then the views side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from baseload.plan import words
from baseload.plan.replay import View
from baseload.plan.sized import Sized, sentences
from baseload.traffic.table import Traffic


def print_replay(traffic: Traffic, views: Sequence[View], sized: Sized | None, console: Console) -> None:
    """Write the views, and the SLO search if one was made, to this console; readable without colour."""
    console.print(Text(sentence(views), style="bold"))
    console.print()
    console.print(_table(traffic, views))
    console.print(
        Text("before and after are simulated; the TTFT and TPOT of metered targets are assumed", style="dim")
    )
    if any(view.windows for view in views):
        many = max(view.windows for view in views)
        estimated = f"estimated from {many} windows: ± is half of a 95% interval, percentiles have none"
        console.print(Text(estimated, style="dim"))
    if sized is not None:
        console.print()
        for line in sentences(sized):
            console.print(Text(line))


def sentence(views: Sequence[View]) -> str:
    """The difference the change makes; without one, what was simulated."""
    last = views[-1]
    if last.name != "after":
        return f"Simulated as it stands: {_figures(last)}."
    before = views[-2]
    return f"After: {_figures(last)}; before: {_figures(before)}."


def _figures(view: View) -> str:
    return (
        f"{_usd(view.usd)}, TTFT p95 {_seconds(view.ttft_s[1])}, {words.percent(view.spill_share)} spilled"
        + (f", {_refused(view)} refused" if view.refused else "")
    )


def _table(traffic: Traffic, views: Sequence[View]) -> Table:
    title = f"{len(traffic):,} requests in {_span(traffic.duration_s)}"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("")
    for view in views:
        table.add_column(view.name, justify="right")
    rows = (
        ("cost", lambda v: _usd(v.usd) + _usd_error(v)),
        ("  owned, by the hour", lambda v: _usd(v.owned_usd)),
        ("  metered, by the token", lambda v: _usd(v.metered_usd) + _usd_error(v)),
        ("TTFT p50", lambda v: _seconds(v.ttft_s[0])),
        ("TTFT p95", lambda v: _seconds(v.ttft_s[1])),
        ("TTFT p99", lambda v: _seconds(v.ttft_s[2])),
        ("TPOT p50", lambda v: _seconds(v.tpot_s[0])),
        ("TPOT p95", lambda v: _seconds(v.tpot_s[1])),
        ("TPOT p99", lambda v: _seconds(v.tpot_s[2])),
        ("spilled requests", lambda v: words.percent(v.spill_share) + _points(v, v.spill_share_error)),
        (
            "owned tokens",
            lambda v: words.percent(v.owned_tokens_share) + _points(v, v.owned_tokens_share_error),
        ),
        ("refused", _refused),
        ("cut", lambda v: f"{v.cut:,}"),
    )
    for heading, cell in rows:
        table.add_row(heading, *(cell(view) for view in views))
    return table


def _usd_error(view: View) -> str:
    """Half of the cost's interval where it is an estimate."""
    if not view.windows or view.usd is None or view.metered_usd_error is None:
        return ""
    return f" ± {words.usd(view.metered_usd_error)}" if math.isfinite(view.metered_usd_error) else " ± ?"


def _points(view: View, half: float) -> str:
    """Half of a share's interval where it is an estimate."""
    if not view.windows:
        return ""
    return f" ± {half * 100:.2g} points" if math.isfinite(half) else " ± ?"


def _usd(amount: float | None) -> str:
    return "unknown" if amount is None else words.usd(amount)


def _span(duration_s: float) -> str:
    for unit, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if duration_s >= 2 * unit:
            return f"{duration_s / unit:.1f} {name}"
    return f"{duration_s:.0f} s"


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def _refused(view: View) -> str:
    total = sum(view.refused.values())
    if not total:
        return "0"
    return f"{total:,} ({', '.join(view.refused)})"
