"""Dollars without tokens: what they paid for, at the catalog's prices."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np

from baseload.money import MILLION, divide_half_even
from baseload.traffic.bills.bill import ITEMS, TIERS, Bill, Item
from baseload.traffic.bills.prices import PricesOf, price_of

_COLUMNS = {
    Item.INPUT: ("input_tokens",),
    Item.CACHED: ("input_tokens", "cached_tokens"),
    Item.WRITE: ("input_tokens", "written_tokens"),
    Item.WRITE_1H: ("input_tokens", "written_1h_tokens"),
    Item.OUTPUT: ("output_tokens",),
    Item.TOKENS: (),
}


def with_tokens(bill: Bill, on: date | None = None) -> Bill:
    """A bill of dollars with the tokens they paid, at the catalog's prices; others as they are.

    Only lines that name a model and one kind of token can be turned; the others keep their dollars.
    """
    if bill.has_tokens:
        return bill
    table = bill.table.copy()
    for at in np.flatnonzero(table["has_usd"] & (table["item"] != ITEMS.index(Item.OTHER))):
        line = table[at]
        found = PricesOf(bill.names["seller"][line["seller"]], bill.names["model"][line["model"]], on)
        known, item = found.at(int(line["start_ns"])), ITEMS[line["item"]]
        price = (
            None if known is None else price_of(item, known, TIERS[line["tier"]], line["long_context"] == 1)
        )
        if price and line["nano"] > 0:
            tokens = divide_half_even(int(line["nano"]) * MILLION, price)
            for column in _COLUMNS[item]:
                table[column][at] = tokens
    return replace(bill, table=table, inferred=True)
