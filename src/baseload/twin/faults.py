"""What a twin can do wrong, as data: kinds with their meaning and fields, and rules that say when.

A rule is written `KIND[=VALUE][,field=value...]`, for example `status=500,every=10`,
`cut,after_tokens=40,share=0.05` or `hang=headers,times=3`; VALUE is the kind's first field.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec import Struct

from baseload.errors import UnknownName, UsageError


class Stage(StrEnum):
    """Where in a request's life a `hang` or `reset` happens."""

    ACCEPT = "accept"  # the connection is accepted, nothing is read
    REQUEST = "request"  # the request was read, no byte of the answer was sent
    HEADERS = "headers"  # the answer's headers were sent, nothing of its body
    TOKENS = "tokens"  # `after_tokens` tokens were sent


class FaultKind(StrEnum):
    """What goes wrong; KINDS says it in words."""

    REFUSE = "refuse"
    RESET = "reset"
    HANG = "hang"
    STATUS = "status"
    SLOW = "slow"
    CUT = "cut"
    ERROR_EVENT = "error_event"
    ERROR_200 = "error_200"
    NO_USAGE = "no_usage"
    BAD_JSON = "bad_json"
    ENDLESS_BODY = "endless_body"
    ENDLESS_HEADERS = "endless_headers"
    DOUBLE_DONE = "double_done"
    WRONG_LENGTH = "wrong_length"


class KindInfo(NamedTuple):
    """One line of meaning and the fields a kind reads, the first of which `KIND=VALUE` sets."""

    meaning: str
    fields: tuple[str, ...]


KINDS: dict[FaultKind, KindInfo] = {
    FaultKind.REFUSE: KindInfo(
        "the request is reset and the port refuses connections for a while", ("seconds",)
    ),
    FaultKind.RESET: KindInfo("the connection is reset (RST) at a stage", ("at", "after_tokens")),
    FaultKind.HANG: KindInfo(
        "nothing more is sent from a stage on, the connection stays", ("at", "after_tokens", "seconds")
    ),
    FaultKind.STATUS: KindInfo(
        "an error answer with this status, `Retry-After` and error code", ("status", "retry_after_s", "code")
    ),
    FaultKind.SLOW: KindInfo("every token (unstreamed: every tenth of the body) waits", ("seconds",)),
    FaultKind.CUT: KindInfo("the connection is closed in the middle of an event or body", ("after_tokens",)),
    FaultKind.ERROR_EVENT: KindInfo(
        "a stream ends with an in-band error event and no [DONE]", ("after_tokens",)
    ),
    FaultKind.ERROR_200: KindInfo("status 200 with an error as the whole body", ()),
    FaultKind.NO_USAGE: KindInfo("the answer lacks its usage", ()),
    FaultKind.BAD_JSON: KindInfo("one event, or the body, is broken JSON", ("after_tokens",)),
    FaultKind.ENDLESS_BODY: KindInfo("the body never ends, sent as fast as the client reads", ()),
    FaultKind.ENDLESS_HEADERS: KindInfo("header lines never end, sent as fast as the client reads", ()),
    FaultKind.DOUBLE_DONE: KindInfo("a stream says [DONE] twice", ()),
    FaultKind.WRONG_LENGTH: KindInfo(
        "Content-Length differs from the body: too large by `by` (then closed) or too small", ("by",)
    ),
}

WHEN = {
    "every": "each Nth request",
    "share": "this share of requests, drawn with the twin's seed",
    "skip": "not the first N requests",
    "times": "at most N times",
}
"""Fields of a rule that say which requests it hits; without any, all."""


class Rule(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A fault and the requests it hits; every `when` field must agree. Defaults suit the kind."""

    kind: FaultKind
    at: Stage = Stage.REQUEST
    after_tokens: int = 3
    seconds: float | None = None
    status: int = 500
    retry_after_s: float | None = None
    code: str = ""
    by: int = 16
    every: int = 1
    share: float = 1.0
    skip: int = 0
    times: int | None = None

    def at_tokens(self) -> Rule:
        """The same rule, striking after `after_tokens`."""
        return msgspec.structs.replace(self, at=Stage.TOKENS)


def parse_rule(text: str) -> Rule:
    """A rule from its short form. Raises UsageError or UnknownName naming what is wrong."""
    first, *rest = [part.strip() for part in text.split(",")]
    name, _, value = first.partition("=")
    if name not in set(FaultKind):
        raise UnknownName("fault", name, [kind.value for kind in FaultKind])
    kind = FaultKind(name)
    fields: dict[str, str] = {}
    if value:
        if not KINDS[kind].fields:
            raise UsageError(f"fault {name!r} takes no value", hint=f"write {name!r} alone")
        fields[KINDS[kind].fields[0]] = value
    for part in rest:
        key, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"fault {text!r}: {part!r} is no field=value")
        fields[key] = value
    return read_rule({"kind": name, **fields})


def read_rule(data: object) -> Rule:
    """A rule from its JSON form, checked. Raises UsageError."""
    try:
        rule = msgspec.convert(data, Rule, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"bad fault: {error}", hint="see `baseload twin faults`") from None
    known = {"kind", *KINDS[rule.kind].fields, *WHEN}
    given = data if isinstance(data, dict) else {}
    for key in given:
        if key not in known:
            raise UsageError(
                f"fault {rule.kind.value!r} has no field {key!r}", hint=f"it reads {', '.join(sorted(known))}"
            )
    if rule.every < 1 or not 0 <= rule.share <= 1 or rule.after_tokens < 0:
        raise UsageError("bad fault: `every` starts at 1, `share` is 0 to 1, `after_tokens` starts at 0")
    if not 100 <= rule.status <= 999:
        raise UsageError(f"bad fault: no HTTP status is {rule.status}")
    return rule


class FaultPlan:
    """Rules in order; the first that hits a request is its fault. Seeded, so a run can be repeated."""

    def __init__(self, rules: Iterable[Rule] = (), seed: int = 0) -> None:
        self.seed = seed
        self.rules: list[Rule] = []
        self.replace(rules)

    def replace(self, rules: Iterable[Rule]) -> None:
        """Use these rules from now on, counting from the start."""
        self.rules = list(rules)
        self._seen = [0] * len(self.rules)
        self._hits = [0] * len(self.rules)
        self._draws = [random.Random(f"{self.seed}/{index}") for index in range(len(self.rules))]

    @property
    def hits(self) -> Sequence[int]:
        """How often each rule has hit."""
        return self._hits

    def connection(self) -> Rule | None:
        """The fault of a new connection, from the rules that act before anything is read."""
        return self._first(at_accept=True)

    def request(self) -> Rule | None:
        """The fault of a new request, from all other rules."""
        return self._first(at_accept=False)

    def _first(self, *, at_accept: bool) -> Rule | None:
        found = None
        for index, rule in enumerate(self.rules):
            if acts_at_accept(rule) != at_accept:
                continue
            self._seen[index] += 1
            number = self._seen[index] - rule.skip
            drawn = self._draws[index].random() < rule.share  # drawn always: the sequence stays the same
            spent = rule.times is not None and self._hits[index] >= rule.times
            if found is None and number > 0 and number % rule.every == 0 and drawn and not spent:
                self._hits[index] += 1
                found = rule
        return found


def acts_at_accept(rule: Rule) -> bool:
    """Whether the rule acts on a connection before a request is read."""
    return rule.at is Stage.ACCEPT and rule.kind in (FaultKind.HANG, FaultKind.RESET)
