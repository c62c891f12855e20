"""The parts of a report by name, and what stands where there is nothing to draw: page and Markdown alike."""

from __future__ import annotations

SIGN = "To sign"
SAVES = "What it saves"
CHANGES = "What would change it"
MONTH = "A month, side by side"
CAME = "Plan against actual"
EVEN = "Break-even"
HEATMAP = "Load by hour"
SIZING = "Replicas for the SLO"
HAD = "How to have the replicas"
MONTHS = "36 months"
LINES = "Every line of cost"
USE = "Cost per million tokens"
FRONTIER = "Throughput and latency"
TORNADO = "What matters most"
REGRET = "Regret"
ADVICE = "Advice"
WHAT_IF = "If one thing were different"
CLASSES = "Several classes and models"
BILL = "The bill"
RESTS = "What this rests on"
COMPUTED = "How it is computed"

NOTHING_CHANGES = "Nothing that was looked at."
NO_FRONTIER = "The catalog holds no figures for this model on this GPU."
LAYERS = "What serves at all hours is reserved or bought, what serves at times is had by the hour."
HINDSIGHT = (
    "Each option keeps the replicas it has today; the cell says how much more its 36 months then "
    "cost than the "
    "best in hindsight."
)
CHEAPEST_IN = (
    "“Cheapest in” is the share of the drawn worlds in which an option costs least; together they "
    "are all worlds."
)
