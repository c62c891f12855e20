"""`Bill`: lines of usage and money as one table, with exact sums.

Tokens are integers and money is integer nano-dollars. An export may write fractions of a nano-dollar; they
are carried from line to line, so that the lines always add up to the exact sum of the file, rounded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from baseload.errors import DataError, UsageError
from baseload.money import NANO
from baseload.traffic.rows import BadRows, Names
from baseload.traffic.table import BadRow, Mask

if TYPE_CHECKING:
    from baseload.traffic.bills.reconcile import Reconciliation
    from baseload.traffic.load import LoadShape
    from baseload.traffic.table import Traffic

DAY_NS = 86_400 * 1_000_000_000
MAX_LINE_TOKENS = 10**15
MAX_TOKENS_A_REQUEST = 10_000_000
"""More tokens than this in the mean request of a line are a mistake."""
MAX_LINE_USD = 10**9
MAX_TOTAL_NANO = 9 * 10**18
"""Nine billion dollars: what 64 bits hold."""

_EXACT = Context(prec=120)
_CHUNK_LINES = 1 << 16


class Tier(StrEnum):
    """How tokens were bought."""

    STANDARD = "standard"
    BATCH = "batch"  # answered within a day
    FLEX = "flex"  # answered when there is room
    PRIORITY = "priority"  # answered faster


class Item(StrEnum):
    """What a line is for; dollars of one kind of token come on a line of their own in many exports."""

    TOKENS = "tokens"  # all kinds together
    INPUT = "input"
    CACHED = "cached input"
    WRITE = "cache write"
    WRITE_1H = "cache write, 1 hour"
    OUTPUT = "output"
    OTHER = "other"  # not tokens: `Line.what` says what


TIERS, ITEMS = tuple(Tier), tuple(Item)
_TIER_CODES, _ITEM_CODES = ({each: code for code, each in enumerate(kinds)} for kinds in (TIERS, ITEMS))


class Line(NamedTuple):
    """One line of a bill: what one model used between `start_ns` and `end_ns` (Unix time; equal: a request).

    `input_tokens` hold the cached and the written ones. `requests` None: not said. `usd` None: the export
    says no dollars. `long_context` None: not said. A line with `requests` 1 and no duration is one request.
    """

    start_ns: int
    end_ns: int
    model: str = ""
    item: Item = Item.TOKENS
    what: str = ""
    seller: str = ""
    tenant: str = ""
    tier: Tier = Tier.STANDARD
    long_context: bool | None = None
    requests: int | None = None
    input_tokens: int = 0
    cached_tokens: int = 0
    written_tokens: int = 0
    written_1h_tokens: int = 0
    output_tokens: int = 0
    usd: Decimal | None = None


TOKEN_COLUMNS = ("input_tokens", "cached_tokens", "written_tokens", "written_1h_tokens", "output_tokens")
CODED = ("model", "seller", "tenant", "what")

LINE = np.dtype(
    [
        ("start_ns", "i8"),
        ("end_ns", "i8"),
        *((name, "i4") for name in CODED),
        ("item", "i1"),
        ("tier", "i1"),
        ("long_context", "i1"),  # -1: not said
        ("requests", "i8"),  # -1: not said
        *((name, "i8") for name in TOKEN_COLUMNS),
        ("has_usd", "?"),
        ("nano", "i8"),
    ]
)
"""A line in the table; names are codes into `Bill.names`, items and tiers into `ITEMS` and `TIERS`."""

Table = npt.NDArray[np.void]


class Sum(NamedTuple):
    """Sums of some lines. `requests` None: a line with tokens does not say; `nano` None: no dollars."""

    group: tuple[str, ...]
    lines: int
    requests: int | None
    input_tokens: int
    cached_tokens: int
    written_tokens: int
    output_tokens: int
    nano: int | None


GROUPS = ("model", "seller", "tenant", "tier", "item", "what", "day")


@dataclass(frozen=True, slots=True, eq=False)
class Bill:
    """What was used and paid, line by line.

    `names` holds the names behind the codes of `table` (dtype `LINE`). `start_ns` and `end_ns` are the time
    the export covers, quiet buckets too. `notes` say what was left out; `inferred` that the file has dollars
    alone and its tokens were computed from them.
    """

    table: Table
    names: dict[str, tuple[str, ...]]
    start_ns: int
    end_ns: int
    format: str
    source: str
    bad_rows: int = 0
    first_bad: tuple[BadRow, ...] = ()
    notes: tuple[str, ...] = ()
    inferred: bool = False

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"Bill({len(self):,} lines, {self.days:g} days, source={self.source!r})"

    @property
    def days(self) -> float:
        """How many days the export covers."""
        return (self.end_ns - self.start_ns) / DAY_NS

    @property
    def has_tokens(self) -> bool:
        """Whether any line says tokens."""
        return bool(self.used.any())

    @property
    def used(self) -> Mask:
        """The lines with tokens."""
        mask: Mask = (self.table["input_tokens"] > 0) | (self.table["output_tokens"] > 0)
        return mask

    @property
    def of_requests(self) -> bool:
        """Whether every line with tokens is one request with its own time and lengths."""
        used = self.table[self.used]
        return bool(len(used) and ((used["requests"] == 1) & (used["start_ns"] == used["end_ns"])).all())

    def total(self) -> Sum:
        """Everything together."""
        return self._sum((), self.table)

    @property
    def billed_nano(self) -> int | None:
        """The dollars of all lines, in nano-dollars; None where the export says none."""
        return self.total().nano

    def sums(self, by: Sequence[str]) -> list[Sum]:
        """Sums by some of `GROUPS`, most dollars first, else most tokens; days (UTC) in their order."""
        wrong = [name for name in by if name not in GROUPS]
        if wrong:
            raise UsageError(f"a bill has no grouping {wrong[0]!r}", hint=f"there are {', '.join(GROUPS)}")
        keys = np.stack([self._codes(name) for name in by], axis=1)
        _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(inverse.ravel(), kind="stable")
        parts = np.split(self.table[order], np.cumsum(np.bincount(inverse.ravel()))[:-1])
        found = [
            self._sum(tuple(self._name(name, keys[at, place]) for place, name in enumerate(by)), part)
            for at, part in zip(first, parts, strict=True)
        ]
        if "day" in by:
            return sorted(found, key=lambda each: each.group[list(by).index("day")])
        return sorted(found, key=lambda e: (-(e.nano or 0), -(e.input_tokens + e.output_tokens), e.group))

    def only(self, *, model: str) -> Bill:
        """The lines of one model, over the same time. Raises UsageError for one the bill does not have."""
        if model not in self.names["model"]:
            known = ", ".join(filter(None, self.names["model"]))
            raise UsageError(f"the bill has no model {model!r}", hint=f"it has {known}")
        return replace(self, table=self.table[self.table["model"] == self.names["model"].index(model)])

    def traffic(self, *, seed: int = 1) -> Traffic:
        """The requests: as they were, or modelled so that each line's tokens are met exactly (`modelled`)."""
        from baseload.traffic.bills.modelled import traffic_of

        return traffic_of(self, seed=seed)

    def shape(self, window_s: float | None = None) -> LoadShape:
        """The load over time, of any volume; within long buckets it is modelled (`modelled`)."""
        from baseload.traffic.bills.modelled import shape_of

        return shape_of(self, window_s)

    def reconcile(self, on: date | None = None) -> Reconciliation:
        """Its dollars beside the catalog's, at each line's own day or at `on`. Imports genai-prices."""
        from baseload.traffic.bills.reconcile import reconcile

        return reconcile(self, on)

    def _codes(self, name: str) -> npt.NDArray[np.int64]:
        codes = self.table["start_ns"] // DAY_NS if name == "day" else self.table[name]
        return codes.astype(np.int64)

    def _name(self, column: str, code: Any) -> str:
        match column:
            case "day":
                return datetime.fromtimestamp(int(code) * 86_400, UTC).date().isoformat()
            case "tier":
                return str(TIERS[code].value)
            case "item":
                return str(ITEMS[code].value)
        return str(self.names[column][code])

    def _sum(self, group: tuple[str, ...], part: Table) -> Sum:
        tokens = {name: int(part[name].sum()) for name in TOKEN_COLUMNS}
        used = part[(part["input_tokens"] > 0) | (part["output_tokens"] > 0) | (part["requests"] > 0)]
        said = bool(len(used) and (used["requests"] >= 0).all())
        return Sum(
            group,
            len(part),
            int(used["requests"].sum()) if said else None,
            tokens["input_tokens"],
            tokens["cached_tokens"],
            tokens["written_tokens"] + tokens["written_1h_tokens"],
            tokens["output_tokens"],
            int(part["nano"].sum()) if part["has_usd"].any() else None,
        )


class Lines:
    """Grows the table of a bill line by line."""

    def __init__(self) -> None:
        self._chunks: list[Table] = []
        self._rows: list[tuple[Any, ...]] = []
        self._names = {name: Names() for name in CODED}
        self._exact = Decimal(0)
        self._booked = self._gross = self._tokens = 0
        self._start_ns, self._end_ns = 2**62, -(2**62)
        self.count = 0

    def cover(self, start_ns: int, end_ns: int) -> None:
        """The export covers this time, whether or not something was used in it."""
        self._start_ns, self._end_ns = min(self._start_ns, start_ns), max(self._end_ns, end_ns)

    def add(self, line: Line) -> None:
        """Append a line. Raises ValueError, and appends nothing, where its figures cannot be."""
        check(line)
        nano = 0
        if line.usd is not None:
            exact = _EXACT.add(self._exact, line.usd)
            booked = int(_EXACT.multiply(exact, NANO).to_integral_value(ROUND_HALF_EVEN))
            nano, self._exact, self._booked = booked - self._booked, exact, booked
            self._gross += abs(nano)
        self._tokens += line.input_tokens + line.output_tokens
        if max(self._gross, self._tokens) > MAX_TOTAL_NANO:
            raise ValueError("the lines up to this one add up to more than nine billion dollars")
        self.cover(line.start_ns, line.end_ns)
        self.count += 1
        self._rows.append(
            (
                line.start_ns,
                line.end_ns,
                *(self._names[name].code(getattr(line, name)) for name in CODED),
                _ITEM_CODES[line.item],
                _TIER_CODES[line.tier],
                -1 if line.long_context is None else int(line.long_context),
                -1 if line.requests is None else line.requests,
                *(getattr(line, name) for name in TOKEN_COLUMNS),
                line.usd is not None,
                nano,
            )
        )
        if len(self._rows) == _CHUNK_LINES:
            self._flush()

    def _flush(self) -> None:
        self._chunks.append(np.array(self._rows, dtype=LINE))
        self._rows.clear()

    def bill(self, format: str, source: str, bad: BadRows, notes: Sequence[str], good: int = 0) -> Bill:
        """The bill of all lines added, out of `good` records. Raises DataError where too little is there."""
        if bad.count:
            bad.settle(max(good, self.count))
        if not self.count:
            raise DataError(
                f"{bad.name}: says nothing of usage or costs", hint="\n  ".join(notes) or "nothing was used"
            )
        self._flush()
        names = {name: known.all() for name, known in self._names.items()}
        return Bill(
            np.concatenate(self._chunks),
            names,
            self._start_ns,
            self._end_ns,
            format,
            source,
            bad.count,
            tuple(bad.first),
            tuple(notes),
        )


def check(line: Line) -> None:
    """Raise ValueError for figures that cannot be."""
    if line.end_ns < line.start_ns:
        raise ValueError("its end is before its start")
    for name in TOKEN_COLUMNS:
        if not 0 <= getattr(line, name) <= MAX_LINE_TOKENS:
            raise ValueError(f"{getattr(line, name)} {name} are not within 0 and {MAX_LINE_TOKENS:,}")
    parts = line.cached_tokens + line.written_tokens + line.written_1h_tokens
    if parts > line.input_tokens:
        raise ValueError(f"{parts} cached and written of {line.input_tokens} input tokens")
    if line.requests is not None and line.requests < 0:
        raise ValueError(f"{line.requests} requests")
    if line.requests and line.input_tokens + line.output_tokens > line.requests * MAX_TOKENS_A_REQUEST:
        raise ValueError(f"more than {MAX_TOKENS_A_REQUEST:,} tokens in each of {line.requests} requests")
    if line.usd is not None and not (line.usd.is_finite() and abs(line.usd) <= MAX_LINE_USD):
        raise ValueError(f"{line.usd} dollars")
