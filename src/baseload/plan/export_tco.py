"""Totals over months, risk and assumptions as plain data; docs/plan.md documents every key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from baseload.plan.assumptions import Assumptions
from baseload.plan.bands import VolumeBands
from baseload.plan.layers import Layers
from baseload.plan.model import Inputs
from baseload.plan.risk import Band, Risk
from baseload.plan.spares import SparePrice
from baseload.plan.tco import OptionTco, Tco


def tco_dict(tco: Tco) -> dict[str, Any]:
    """Dollars with cents, shares with six places; a list holds months 1 to 36."""
    return {
        "months": len(tco.options[0].cumulative_usd),
        "words": tco.words,
        "cheapest": tco.cheapest.option.name,
        "options": [_option(each) for each in tco.options],
        "overtaking": [
            {"option": each.option, "against": each.against, "month": each.month} for each in tco.overtaking
        ],
    }


def _option(each: OptionTco) -> dict[str, Any]:
    return {
        "name": each.option.name,
        "kind": each.option.kind.value,
        "usd_24": _usd(each.usd_24),
        "usd_36": _usd(each.usd_36),
        "npv_usd": _usd(each.npv_usd),
        "usd_per_million": round(each.usd_per_million, 6),
        "gpu_usd": _usd(each.gpu_usd),
        "amortised_usd": _usd(each.amortised_usd),
        "idle_usd": _usd(each.idle_usd),
        "lines": [
            {
                "line": line.name,
                "group": line.group.value,
                "words": line.words,
                "rests_on": list(line.rests_on),
                "usd_24": _usd(line.usd_24),
                "usd_36": _usd(line.usd_36),
                "usd_by_month": _dollars(line.by_month),
            }
            for line in each.lines
        ],
        "cumulative_usd": _dollars(each.cumulative_usd),
        "leaving_usd": _dollars(each.leaving_usd),
        "replicas": [round(value) for value in each.replicas],
        "spares": [round(value) for value in each.spares],
        "engineers": [round(value) for value in each.engineers],
        "owned_tokens_share": _shares(each.owned_share),
        "use": _shares(each.used),
    }


def risk_dict(risk: Risk) -> dict[str, Any]:
    """Totals in dollars, probabilities with four places."""
    return {
        "seed": risk.seed,
        "draws": risk.draws,
        "recommended": risk.recommended,
        "over": risk.over,
        "bands": [_band(band) for band in risk.bands],
        "beats": [
            {
                "a": each.a,
                "b": each.b,
                "probability_24": round(each.probability_24, 4),
                "probability_36": round(each.probability_36, 4),
            }
            for each in risk.beats
        ],
        "crossing": [
            {
                "option": each.option,
                "against": each.against,
                "probability_by_month": [round(value, 4) for value in each.by_month],
            }
            for each in risk.crossing
        ],
        "tornado": [
            {
                "assumption": bar.name,
                "meaning": bar.meaning,
                "low": bar.low,
                "high": bar.high,
                "saves_low_usd": _usd(bar.saves_low_usd),
                "saves_high_usd": _usd(bar.saves_high_usd),
                "swing_usd": _usd(bar.swing_usd),
                "flips": bar.flips,
            }
            for bar in risk.tornado
        ],
        "regret": _regret(risk),
    }


def _regret(risk: Risk) -> dict[str, Any]:
    return {
        "scenarios": list(risk.scenarios),
        "plans": [
            {
                "name": row.name,
                "usd": _dollars(row.usd),
                "regret_usd": _dollars(row.regret_usd),
                "worst_usd": _usd(row.worst_usd),
            }
            for row in risk.regret
        ],
    }


def _band(band: Band) -> dict[str, Any]:
    return {
        "name": band.name,
        "probability_cheapest": round(band.probability_cheapest, 4),
        "probability_lowest": round(band.probability_lowest, 4),
        "usd_24": _percentiles(band.usd_24),
        "usd_36": _percentiles(band.usd_36),
        "cumulative_usd": {
            "p10": _dollars(band.cumulative_p10),
            "p50": _dollars(band.cumulative_p50),
            "p90": _dollars(band.cumulative_p90),
        },
    }


def _percentiles(values: tuple[float, float, float]) -> dict[str, float]:
    return {name: _usd(value) for name, value in zip(("p10", "p50", "p90"), values, strict=True)}


def assumptions_dict(assumptions: Assumptions) -> list[dict[str, Any]]:
    """Every figure with its range, its source and who is to state it."""
    return [
        {
            "name": row.name,
            "value": row.value,
            "low": row.low,
            "high": row.high,
            "unit": row.unit,
            "meaning": row.meaning,
            "source": row.source,
            "as_of": row.as_of or None,
            "assumed": row.assumed,
            "asked": row.asked,
        }
        for row in assumptions
    ]


def bands_dict(found: VolumeBands) -> dict[str, Any]:
    """A month at every volume, with its band."""
    return {
        "tokens_per_day": [round(volume) for volume in found.tokens_per_day],
        "bands": [
            {
                "name": band.name,
                "p10_usd": _dollars(band.p10),
                "p50_usd": _dollars(band.p50),
                "p90_usd": _dollars(band.p90),
            }
            for band in found.bands
        ],
    }


def spare_dict(each: SparePrice) -> dict[str, Any]:
    """One spare against one price."""
    return {
        "spare": each.spare.value,
        "against": each.against,
        "replicas": each.replicas,
        "spare_replicas": each.spare_replicas,
        "usd_per_month": _usd(each.usd_per_month),
        "pure_usd_per_month": _usd(each.pure_usd_per_month),
        "saves_share": round(each.saves_share, 6),
    }


def layers_dict(each: Layers) -> dict[str, Any]:
    """The cheapest stack against one price, from the bottom up."""
    return {
        "against": each.against,
        "usd_per_month": _usd(each.usd_per_month),
        "on_demand_usd_per_month": _usd(each.on_demand_usd_per_month),
        "left_out": list(each.left_out),
        "layers": [
            {
                "term": layer.term,
                "replicas": layer.replicas,
                "usd_per_month": _usd(layer.usd_per_month),
                "tokens_share": round(layer.tokens_share, 6),
            }
            for layer in each.layers
        ],
    }


def load_dict(inputs: Inputs) -> dict[str, Any]:
    """The load over time, for heatmaps: windows in the order in which they came, over their mean."""
    return {
        "window_s": round(inputs.curve.window_s, 6),
        "over_mean": [round(float(value), 4) for value in inputs.curve.by_time],
    }


def _usd(amount: float) -> float:
    return round(amount, 2) + 0.0


def _dollars(amounts: Iterable[float]) -> list[float]:
    return [_usd(amount) for amount in amounts]


def _shares(values: Iterable[float]) -> list[float]:
    return [round(value, 6) for value in values]
