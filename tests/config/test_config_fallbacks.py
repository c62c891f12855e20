"""Fallback lists in baseload.yaml: what a name means, and each mistake with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from baseload.catalog.rates import RateTable
from baseload.config.load import InvalidConfig, parse
from baseload.gateway.snapshot import compile_snapshot

FILE = """
targets:
  near: {metered: {provider: own, key: none, price: {input: 1, output: 1}}, url: "http://a/v1", model: m}
  far: {metered: {provider: own, key: none, price: {input: 1, output: 1}}, url: "http://b/v1", model: n}
  other: {metered: {provider: own, key: none, price: {input: 1, output: 1}}, url: "http://c/v1", model: o}
  nameless: {metered: {provider: own, key: none, price: {input: 1, output: 1}}, url: "http://d/v1"}
models:
  chat:
    metered: [near, far]
    slo: {ttft: 1s, tpot: 50ms}
    fallback: FALLBACK
  other: {metered: [other, far], slo: {ttft: 3s, tpot: 90ms}}
  aside: {metered: [nameless], slo: {ttft: 3s, tpot: 90ms}}
classes: {default: {regions: any}}
"""
NO_RATES = RateTable("2026-11-24", "", {})


def read(fallback: str) -> list[str]:
    """The problems of a file with these lists, each as its key and what is wrong."""
    try:
        parse(FILE.replace("FALLBACK", fallback), "baseload.yaml", Path())
    except InvalidConfig as error:
        return [f"{problem.key}: {problem.reason}" for problem in error.problems]
    return []


def test_a_name_is_a_target_or_a_model_with_its_targets() -> None:
    """What is both is the model; an entry has the asking model's promise where it is a target."""
    text = FILE.replace("FALLBACK", "{context_length: [far], error: [other]}")
    snapshot = compile_snapshot(parse(text, "baseload.yaml", Path()), NO_RATES)
    lists = snapshot.models["chat"].fallback
    assert lists is not None
    long, error = lists.context_length[0], lists.error[0]
    assert (long.name, [target.name for target in long.targets], long.slo.ttft_s) == ("far", ["far"], 1.0)
    assert [target.name for target in error.targets] == ["other", "far"]
    assert (error.slo.ttft_s, error.fallback, lists.content_policy) == (3.0, None, ())
    assert snapshot.models["other"].fallback is None


def test_lists_that_name_each_other_are_no_circle() -> None:
    """Only the lists of the model that was asked for count."""
    text = FILE.replace("FALLBACK", "{error: [other]}").replace(
        "metered: [other, far],", "metered: [other, far], fallback: {error: [chat]},"
    )
    models = compile_snapshot(parse(text, "baseload.yaml", Path()), NO_RATES).models
    reached = [models[name].fallback for name in ("chat", "other")]
    names = [[entry.name for entry in lists.error] for lists in reached if lists is not None]
    assert names == [["other"], ["chat"]]
    assert all(entry.fallback is None for lists in reached if lists is not None for entry in lists.error)


@pytest.mark.parametrize(
    ("lists", "problem"),
    [
        ("{error: [othr]}", "models.chat.fallback.error[0]: unknown target or model 'othr'"),
        (
            "{error: [chat]}",
            "models.chat.fallback.error[0]: is this model itself: its targets are tried already",
        ),
        ("{error: [far]}", "models.chat.fallback.error[0]: 'far' serves this model already"),
        ("{content_policy: [far, far]}", "models.chat.fallback.content_policy[1]: 'far' is listed twice"),
        (
            "{error: [nameless]}",
            "targets.nameless.model: is required: model chat falls back to this target",
        ),
        ("{error: [aside]}", "targets.nameless.model: is required: model chat falls back to this target"),
        ("{timeout: [other]}", "models.chat.fallback.timeout: unknown key"),
        ("{error: other}", "models.chat.fallback.error: must be a list (got other)"),
    ],
)
def test_each_mistake_is_named_with_its_place(lists: str, problem: str) -> None:
    """Unknown names, circles, repetitions, and targets that would be sent another model's name."""
    assert read(lists) == [problem]


def test_a_name_of_two_things_must_be_one() -> None:
    """A model and a target that does not serve it cannot share a name in a list."""
    text = FILE.replace("FALLBACK", "{error: [other]}").replace("metered: [other, far]", "metered: [far]")
    with pytest.raises(InvalidConfig) as caught:
        parse(text, "baseload.yaml", Path())
    assert caught.value.reason == "'other' is a model, and a target that does not serve it"
