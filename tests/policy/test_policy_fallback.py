"""Fallback lists as pure rules: which cause has which list, what an entry must allow, and when lists end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.core import DataClass, Fallback, Limits, Model, Reason, Side, Target, TokenPrice
from baseload.errors import (
    CONTEXT_TOO_LONG,
    FAULTS,
    NO_TARGET,
    OVERLOADED,
    RESIDENCY,
    TOO_LARGE_FOR_LIMIT,
    RequestError,
)
from baseload.policy.dispatch import Ask
from baseload.policy.fallback import REFUSALS, Cause, Fallbacks, cause_of, longer_than
from baseload.policy.load import TargetLoad
from baseload.policy.retry import Kind, classify
from baseload.wire.openai import ErrorDetail, bare_error, read_answer

NOW_S = 1000.0
ANY = DataClass("default")
ASK = Ask(500, 200, ANY)


def target(name: str, usd: int = 1, **more: object) -> Target:
    """An API in the US at this price."""
    price = TokenPrice(usd * 1_000_000_000, usd * 1_000_000_000)
    fields = {"price": price, "region": "us", **more}
    return Target(name, Side.METERED, "http://api", **fields)  # type: ignore[arg-type]


class Scene:
    """A model with one target `own` and lists of entries."""

    def __init__(self, own: Target | None = None, **lists: tuple[Model, ...]) -> None:
        self.model = Model("chat", (own or target("own"),), fallback=Fallback(**lists))
        assert self.model.fallback is not None
        every = (*self.model.targets, *self.model.fallback.targets)
        self.loads = {each.name: TargetLoad(each) for each in every}
        self.lists = Fallbacks(self.model, self.loads)

    def eject(self, *names: str) -> None:
        """Five failures at once, of each."""
        for name in names:
            for _ in range(5):
                self.loads[name].health.failure(NOW_S, 0.0)

    def chosen(self, cause: Cause, ask: Ask = ASK, tried: tuple[str, ...] = ()) -> tuple[str, Reason]:
        """The target that the list chooses, and why."""
        found = self.lists.of(cause)
        assert found is not None
        choice = found.choose(ask, NOW_S, tried)
        return choice.target.name, choice.reason


def entry(*targets: Target) -> Model:
    """An entry of a list: a target, or a model with several."""
    return Model(targets[0].name, targets)


def test_a_list_is_walked_in_order_and_an_entry_by_price() -> None:
    """The first entry serves though a later one is cheaper; within a model the cheapest target does."""
    scene = Scene(error=(entry(target("a", 9), target("b", 5)), entry(target("c", 1))))
    assert scene.chosen(Cause.ERROR) == ("b", Reason.FALLBACK)
    assert scene.chosen(Cause.ERROR, tried=("b",)) == ("a", Reason.FALLBACK)
    assert scene.chosen(Cause.ERROR, tried=("a", "b")) == ("c", Reason.FALLBACK)


def test_a_cause_without_a_list_has_none() -> None:
    """Lists do not stand in for each other."""
    scene = Scene(context_length=(entry(target("long")),))
    assert scene.lists.of(Cause.CONTENT_POLICY) is None
    assert scene.lists.of(Cause.ERROR) is None


def test_every_entry_keeps_the_class() -> None:
    """Residency never bends: entries elsewhere are passed over, and none left refuses."""
    eu = DataClass("patient", frozenset({"eu"}), True)
    there = target("there", region="eu", zero_retention=True)
    scene = Scene(error=(entry(target("here")), entry(there)))
    ask = Ask(500, 200, eu)
    assert scene.chosen(Cause.ERROR, ask) == ("there", Reason.FALLBACK)
    with pytest.raises(RequestError) as caught:
        scene.chosen(Cause.ERROR, ask, tried=("there",))
    assert caught.value.fault in (NO_TARGET, RESIDENCY)


def test_an_entry_without_room_is_passed_over() -> None:
    """Quotas and health decide at a list as they do among the model's own targets."""
    small = target("small", quota=Limits(tokens_per_minute=100))
    scene = Scene(error=(entry(target("out")), entry(small), entry(target("free", 9))))
    scene.eject("out")
    assert scene.chosen(Cause.ERROR) == ("free", Reason.FALLBACK)


def test_own_targets_that_are_ejected_make_way() -> None:
    """With an error list an ejected last target is not insisted on; without one it is."""
    relieved, alone = Scene(error=(entry(target("other")),)), Scene(context_length=(entry(target("other")),))
    for scene in (relieved, alone):
        scene.eject("own")
    with pytest.raises(RequestError) as caught:
        relieved.lists.own.choose(ASK, NOW_S)
    assert cause_of(caught.value) is Cause.ERROR
    assert alone.lists.own.choose(ASK, NOW_S).target.name == "own"


def test_the_error_list_ends_with_whatever_returns_soonest() -> None:
    """With all of it ejected too, the last target is not given up."""
    scene = Scene(error=(entry(target("other")),))
    scene.eject("own")
    scene.loads["other"].health.failure(NOW_S + 9.0, 0.0)
    scene.eject("other")
    assert scene.chosen(Cause.ERROR)[0] in ("own", "other")
    assert scene.chosen(Cause.ERROR, tried=("other",))[0] == "own"


@given(st.integers(1, 10**6), st.one_of(st.none(), st.integers(1, 10**6)))
def test_a_refused_length_is_longer_than_the_window(counted: int, window: int | None) -> None:
    """What is known of the request's length only grows."""
    ask = Ask(500, 200, ANY, context_tokens=counted)
    longer = longer_than(ask, target("own", context_tokens=window)).context_tokens
    assert longer == max(counted, (window or 0) + 1) if window is not None else longer == counted


def test_entries_no_longer_than_the_one_that_refused_are_passed_over() -> None:
    """A list with one window twice asks it once."""
    short, long = target("short", context_tokens=8192), target("long", context_tokens=9000)
    scene = Scene(target("own", context_tokens=8192), context_length=(entry(short), entry(long)))
    ask = longer_than(ASK, scene.model.targets[0])
    assert scene.chosen(Cause.CONTEXT_LENGTH, ask) == ("long", Reason.FALLBACK)
    with pytest.raises(RequestError) as caught:
        scene.chosen(Cause.CONTEXT_LENGTH, longer_than(ask, long))
    assert caught.value.fault is CONTEXT_TOO_LONG


def test_which_of_dispatchs_refusals_have_a_list() -> None:
    """Nobody to serve and no window: yes. Residency, a client's mistake, its limits: never."""
    found = {fault.code: cause_of(RequestError(fault, "")) for fault in FAULTS.values()}
    wanted = {
        CONTEXT_TOO_LONG.code: Cause.CONTEXT_LENGTH,
        NO_TARGET.code: Cause.ERROR,
        OVERLOADED.code: Cause.ERROR,
        TOO_LARGE_FOR_LIMIT.code: Cause.ERROR,
    }
    assert {code: cause for code, cause in found.items() if cause is not None} == wanted


def test_the_refusals_with_lists_are_the_two_that_dispatch_classifies() -> None:
    """Everything else a target says is trouble, or the client's to correct."""
    assert set(REFUSALS) == {Kind.CONTEXT_LENGTH, Kind.CONTENT_POLICY}


def test_no_recorded_error_of_another_kind_leads_to_a_list(shared: Path) -> None:
    """Of the errors that providers were recorded with, none is about length or content: none is taken so."""
    seen = 0
    for file in sorted((shared / "fixtures" / "exchanges").glob("*.jsonl")):
        for line in file.read_text().splitlines():
            recorded = json.loads(line)
            status, body = int(recorded["status"]), json.dumps(recorded.get("response")).encode()
            if status < 400 or recorded.get("response") is None:
                continue
            answer = read_answer(body)
            detail = answer.error if answer is not None else None
            found = detail if isinstance(detail, ErrorDetail) else bare_error(body) or ErrorDetail()
            assert classify(status, found.code, found.type, found.message).kind not in REFUSALS, body
            seen += 1
    assert seen >= 40
