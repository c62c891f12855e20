"""A bill's own dollars beside what the catalog's prices make of its tokens, and why they differ.

For each model   billed = computed + difference,
                 computed = list + cache + long + tier,
with `list` every token at the standard price of its day, `cache` what cached tokens save and written ones
add, `long` what long prompts add, `tier` what batch and priority change. Everything in nano-dollars; a group
of tokens with one price is rounded once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import NamedTuple

import numpy as np
from msgspec import structs

from baseload.core import TokenPrice, Tokens
from baseload.money import MILLION, divide_half_even, show, token_cost
from baseload.traffic.bills.bill import DAY_NS, TIERS, Bill, Table, Tier
from baseload.traffic.bills.prices import WRITE_1H_TIMES_INPUT, Priced, PricesOf, long_price, words_of
from baseload.traffic.table import Mask


class Parts(NamedTuple):
    """What tokens cost by the catalog, in nano-dollars: at list, and what changes it."""

    list_nano: int = 0
    cache_nano: int = 0
    long_nano: int = 0
    tier_nano: int = 0

    @property
    def nano(self) -> int:
        """All of it."""
        return sum(self)

    def plus(self, other: Parts) -> Parts:
        """Both together."""
        return Parts(*(a + b for a, b in zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True)
class Compared:
    """One model of the bill, or one thing that is no tokens (`model` is empty then, `what` names it).

    `billed_nano` None: the file has no dollars for it; `parts` None: the catalog has no price, or the file no
    tokens. `why` explains in words what the two sides do not share.
    """

    seller: str
    model: str
    what: str
    priced_as: str
    source: str
    input_tokens: int
    output_tokens: int
    billed_nano: int | None
    parts: Parts | None
    why: tuple[str, ...]

    @property
    def computed_nano(self) -> int | None:
        """What the catalog's prices make of the tokens."""
        return None if self.parts is None else self.parts.nano

    @property
    def difference_nano(self) -> int | None:
        """Billed less computed; None where one of them is not known."""
        if self.billed_nano is None or self.parts is None:
            return None
        return self.billed_nano - self.parts.nano


class Day(NamedTuple):
    """One day (UTC, by where a line starts): billed, computed, and tokens."""

    day: str
    input_tokens: int
    output_tokens: int
    billed_nano: int | None
    computed_nano: int | None


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Model by model, dearest first, then what is no tokens; and day by day."""

    rows: tuple[Compared, ...]
    days: tuple[Day, ...]

    @property
    def billed_nano(self) -> int | None:
        """All dollars of the bill; None without any."""
        billed = [row.billed_nano for row in self.rows if row.billed_nano is not None]
        return sum(billed) if billed else None

    @property
    def computed_nano(self) -> int | None:
        """All the catalog could price; None where it could price nothing."""
        return self.parts.nano if any(row.parts is not None for row in self.rows) else None

    @property
    def parts(self) -> Parts:
        """What the computed dollars consist of."""
        total = Parts()
        for row in self.rows:
            total = total if row.parts is None else total.plus(row.parts)
        return total

    @property
    def words(self) -> str:
        """Both sums of dollars in half a sentence."""
        if self.billed_nano is None:
            return f"no dollars in it; its tokens cost {show(self.computed_nano)} at the catalog's prices"
        if self.computed_nano is None:
            return f"billed {show(self.billed_nano)}; nothing in it can be priced from the catalog"
        return f"billed {show(self.billed_nano)}; {show(self.computed_nano)} at the catalog's prices"

    @property
    def unpriced_nano(self) -> int:
        """Dollars of models with no price or no tokens."""
        return sum(row.billed_nano or 0 for row in self.rows if row.model and row.parts is None)

    @property
    def other_nano(self) -> int:
        """Dollars of what is no tokens."""
        return sum(row.billed_nano or 0 for row in self.rows if not row.model)

    @property
    def difference_nano(self) -> int:
        """Billed less computed over the models where both are known."""
        return sum(row.difference_nano or 0 for row in self.rows)


def reconcile(bill: Bill, on: date | None = None) -> Reconciliation:
    """Compare the bill with the catalog, at the prices of each line's day, or of the day `on`.

    Imports genai-prices.
    """
    bill = one_name(bill)
    rows, days = [], _Days()
    for (seller, model, what), table in _by_model(bill):
        billed = int(table["nano"].sum()) if table["has_usd"].any() else None
        found = PricesOf(seller, model, on)
        parts, why = (None, []) if bill.inferred else _computed(table, found, days)
        if bill.inferred:
            why.append("its tokens were computed from its dollars, so there is nothing to compare")
        elif model and what:
            why.append(f"{what}, which have other prices")
        elif not model and _tokens(table):
            why.append("no model is named: export it grouped by model")
        elif not model:
            why.append("not tokens of a known model")
        elif parts is None:
            why.append("no price in the catalog" if _tokens(table) else "the file says no tokens for it")
        known = found.known
        rows.append(
            Compared(
                seller,
                model,
                what,
                known.name if known else "",
                known.price.source if known else "",
                int(table["input_tokens"].sum()),
                int(table["output_tokens"].sum()),
                billed,
                parts,
                tuple(why),
            )
        )
        days.bill(table)
    rows.sort(
        key=lambda row: (not row.model, -(row.billed_nano or row.computed_nano or 0), row.model, row.what)
    )
    return Reconciliation(tuple(_also_known(row, rows) for row in rows), days.rows())


def one_model(row: Compared, rows: Sequence[Compared]) -> list[Compared]:
    """The rows of the same seller whose names mean this row's model, itself among them.

    `gpt-4o` and `gpt-4o-2024-08-06` may have prices of their own, so each is computed at its own.
    """
    if not row.model or row.what:
        return [row]
    return [
        other
        for other in rows
        if other.seller == row.seller and not other.what and words_of(other.model) & words_of(row.model)
    ]


def _also_known(row: Compared, rows: Sequence[Compared]) -> Compared:
    """The row, saying under which other names the bill has its model and what they cost together."""
    same = one_model(row, rows)
    if len(same) < 2:
        return row
    names = " and ".join(other.model for other in same if other is not row)
    nano = [other.computed_nano if other.billed_nano is None else other.billed_nano for other in same]
    together = show(None if None in nano else sum(each or 0 for each in nano))
    return replace(row, why=(*row.why, f"another name of {names}: {together} together"))


def one_name(bill: Bill) -> Bill:
    """Dollars without tokens under the name of the tokens they paid, where exactly one model has its words.

    `Claude Sonnet 4.5` in a cost export is `claude-sonnet-4-5-20250929` in the usage export beside it.
    """
    names = bill.names["model"]
    with_tokens = {int(code) for code in np.unique(bill.table["model"][bill.used])}
    table = bill.table.copy()
    for code, name in enumerate(names):
        same = [other for other in with_tokens if words_of(names[other]) & words_of(name)]
        if name and code not in with_tokens and len(same) == 1:
            table["model"][bill.table["model"] == code] = same[0]
    return replace(bill, table=table)


def _by_model(bill: Bill) -> Iterator[tuple[tuple[str, str, str], Table]]:
    keys = np.stack([bill.table[name] for name in ("seller", "model", "what")], axis=1)
    groups, inverse = np.unique(keys, axis=0, return_inverse=True)
    for group, (seller, model, what) in enumerate(groups.tolist()):
        names = bill.names["seller"][seller], bill.names["model"][model], bill.names["what"][what]
        yield names, bill.table[inverse.ravel() == group]


def _computed(table: Table, found: PricesOf, days: _Days) -> tuple[Parts | None, list[str]]:
    """What the lines with tokens cost; None where a day of them has no price. And what is uncertain in it."""
    used = table[(table["input_tokens"] > 0) | (table["output_tokens"] > 0)]
    if not len(used):
        return None, []
    total, why, by_day = Parts(), dict[str, None](), dict[int, int]()
    for day in np.unique(used["start_ns"] // DAY_NS).tolist():
        known = found.at(day * DAY_NS)
        if known is None:
            return None, []
        if known.note:
            why[known.note] = None
        lines = used[used["start_ns"] // DAY_NS == day]
        for tier in np.unique(lines["tier"]).tolist():
            for long, part in _long_and_short(lines[lines["tier"] == tier], known.price, why):
                parts = _cost(part, known, TIERS[tier], long, why)
                total = total.plus(parts)
                by_day[day] = by_day.get(day, 0) + parts.nano
    days.compute(by_day)
    return total, list(why)


def _long_and_short(lines: Table, price: TokenPrice, why: dict[str, None]) -> Iterator[tuple[bool, Table]]:
    """The lines at the long-context price, and the others; a request is where its own input puts it."""
    if price.long_context is None:
        yield False, lines
        return
    request = (lines["requests"] == 1) & (lines["start_ns"] == lines["end_ns"])
    unknown = (lines["long_context"] < 0) & ~request
    if unknown.any():
        why[f"prompts of more than {price.long_context.above:,} tokens cost more; the file has sums"] = None
    above: Mask = request & (lines["input_tokens"] > price.long_context.above)
    long: Mask = (lines["long_context"] == 1) | (above & (lines["long_context"] < 0))
    for kind, part in ((False, lines[~long]), (True, lines[long])):
        if len(part):
            yield kind, part


def _cost(part: Table, known: Priced, tier: Tier, long: bool, why: dict[str, None]) -> Parts:
    """What these tokens, all of one tier and context, cost."""
    price = structs.replace(known.price, long_context=None)
    sums = {
        name: int(part[f"{name}_tokens"].sum())
        for name in ("input", "cached", "written", "written_1h", "output")
    }
    listed = token_cost(Tokens(input=sums["input"], output=sums["output"]), price) or 0
    cached = _with_cache(sums, price)
    longer = _with_cache(sums, long_price(known.price)) if long else cached
    special = {Tier.BATCH: known.batch, Tier.PRIORITY: known.priority}.get(tier)
    if tier is not Tier.STANDARD and special is None:
        why[f"no {tier.value} price in the catalog: computed at the standard one"] = None
    tiered = longer if special is None else _with_cache(sums, special)
    return Parts(listed, cached - listed, longer - cached, tiered - longer)


def _with_cache(sums: dict[str, int], price: TokenPrice) -> int:
    usual = token_cost(
        Tokens(
            input=sums["input"] - sums["written_1h"],
            cached_input=sums["cached"],
            cache_write=sums["written"],
            output=sums["output"],
        ),
        structs.replace(price, long_context=None),
    )
    hour = divide_half_even(sums["written_1h"] * WRITE_1H_TIMES_INPUT * price.input, MILLION)
    return (usual or 0) + hour


def _tokens(table: Table) -> int:
    return int(table["input_tokens"].sum()) + int(table["output_tokens"].sum())


class _Days:
    """Collects the days of a bill."""

    def __init__(self) -> None:
        self._billed: dict[int, int] = {}
        self._computed: dict[int, int] = {}
        self._tokens: dict[int, tuple[int, int]] = {}

    def compute(self, by_day: dict[int, int]) -> None:
        """Add what was computed for one model."""
        for day, nano in by_day.items():
            self._computed[day] = self._computed.get(day, 0) + nano

    def bill(self, table: Table) -> None:
        """Add the lines of one model."""
        starts = table["start_ns"] // DAY_NS
        for day in np.unique(starts).tolist():
            lines = table[starts == day]
            tokens_in, tokens_out = self._tokens.get(day, (0, 0))
            tokens_in += int(lines["input_tokens"].sum())
            self._tokens[day] = tokens_in, tokens_out + int(lines["output_tokens"].sum())
            if lines["has_usd"].any():
                self._billed[day] = self._billed.get(day, 0) + int(lines["nano"].sum())

    def rows(self) -> tuple[Day, ...]:
        """All days in order."""
        return tuple(
            Day(
                datetime.fromtimestamp(day * 86_400, UTC).date().isoformat(),
                *tokens,
                self._billed.get(day),
                self._computed.get(day),
            )
            for day, tokens in sorted(self._tokens.items())
        )
