"""Fault rules: how they are written, and which requests they hit."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.errors import UnknownName, UsageError
from baseload.twin.faults import KINDS, WHEN, FaultKind, FaultPlan, Rule, Stage, parse_rule, read_rule
from baseload.twin.mischief import BEHAVIOURS
from baseload.twin.server import rules_from_json


def test_short_forms_say_what_they_read_as() -> None:
    """`KIND=VALUE` sets the kind's first field; further fields follow by name."""
    assert parse_rule("status=503,every=10,retry_after_s=2") == Rule(
        FaultKind.STATUS, status=503, every=10, retry_after_s=2.0
    )
    assert parse_rule("cut,after_tokens=40,share=0.05") == Rule(FaultKind.CUT, after_tokens=40, share=0.05)
    assert parse_rule("hang=headers,times=3") == Rule(FaultKind.HANG, at=Stage.HEADERS, times=3)
    assert parse_rule("slow=0.5") == Rule(FaultKind.SLOW, seconds=0.5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("statos=500", "did you mean 'status'"),
        ("status=nope", "status"),
        ("status=50", "no HTTP status is 50"),
        ("cut,at=headers", "no field 'at'"),
        ("cut,after_tokens", "no field=value"),
        ("no_usage=1", "takes no value"),
        ("hang=nowhere", "nowhere"),
        ("cut,every=0", "`every` starts at 1"),
        ("cut,share=1.5", "`share` is 0 to 1"),
        ("", "unknown fault ''"),
    ],
)
def test_a_wrong_rule_is_refused_with_what_is_wrong(text: str, said: str) -> None:
    """Unknown kinds, fields, stages and values are named in the error."""
    with pytest.raises((UsageError, UnknownName)) as caught:
        parse_rule(text)
    assert said in str(caught.value)


def test_a_plan_in_json_mixes_short_forms_and_objects() -> None:
    """A fault file is a list, or an object with `faults`, of both forms; anything else is refused."""
    rules = rules_from_json(b'{"faults": ["cut=2", {"kind": "status", "status": 429}]}')
    assert rules == [Rule(FaultKind.CUT, after_tokens=2), Rule(FaultKind.STATUS, status=429)]
    for bad in (b"{", b'"cut"', b'{"rules": []}', b"[1]"):
        with pytest.raises(UsageError):
            rules_from_json(bad)


def test_every_kind_is_described_and_does_something() -> None:
    """Each kind has one line of meaning, only fields a rule has, and a behaviour."""
    fields = set(Rule.__struct_fields__)
    assert set(KINDS) == set(FaultKind) == set(BEHAVIOURS)
    assert set(WHEN) < fields
    for info in KINDS.values():
        assert info.meaning
        assert set(info.fields) <= fields - set(WHEN) - {"kind"}


def test_a_rule_survives_json() -> None:
    """What GET /twin/faults shows can be posted back."""
    rule = parse_rule("hang=tokens,after_tokens=7,share=0.5")
    assert read_rule(msgspec.to_builtins(rule)) == rule


def test_when_fields_agree() -> None:
    """Not the first five, each second of the rest, three times at most."""
    plan = FaultPlan([parse_rule("no_usage,skip=5,every=2,times=3")])
    hit = [number for number in range(1, 31) if plan.request() is not None]
    assert hit == [7, 9, 11]
    assert plan.hits == [3]


def test_the_first_rule_that_hits_wins() -> None:
    """Rules are asked in order; a later one gets the requests that earlier ones leave."""
    plan = FaultPlan([parse_rule("cut,every=3"), parse_rule("no_usage,every=2")])
    found = [plan.request() for _ in range(6)]
    assert [rule.kind.value if rule else None for rule in found] == [
        None,
        "no_usage",
        "cut",
        "no_usage",
        None,
        "cut",
    ]


def test_faults_before_reading_count_connections_not_requests() -> None:
    """A rule at `accept` is drawn per connection and never hits a request."""
    plan = FaultPlan([parse_rule("reset=accept,every=2")])
    assert plan.request() is None
    assert [plan.connection() is not None for _ in range(4)] == [False, True, False, True]


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), share=st.floats(0.05, 0.95))
def test_shares_are_seeded_and_about_right(seed: int, share: float) -> None:
    """The same seed hits the same requests; over 2,000 requests the share is met within 6 points."""
    rule = Rule(FaultKind.CUT, share=share)
    one, two = FaultPlan([rule], seed), FaultPlan([rule], seed)
    hits = [one.request() is not None for _ in range(2000)]
    assert hits == [two.request() is not None for _ in range(2000)]
    assert sum(hits) / 2000 == pytest.approx(share, abs=0.06)
