"""The report: one file, offline, the same bytes for the same plan."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from baseload.core import TokenPrice
from baseload.errors import EnvironmentProblem
from baseload.money import nano
from baseload.plan import words
from baseload.plan.check import compare, planned_month
from baseload.plan.costs import Fleet
from baseload.plan.decide import decide
from baseload.plan.model import Metered, Plan, Role
from baseload.plan.report import check_html
from baseload.plan.slide import moved, sliders

MakePlan = Callable[..., Plan]

VOID = {"meta", "br", "input"}


class Checker(HTMLParser):
    """Collects tags and attributes and checks that elements are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check(page: str) -> Checker:
    """The page, parsed; every element closed."""
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    return checker


def test_the_report_opens_offline(plans: dict[str, Plan]) -> None:
    """No image, no font, no script file and no link leaves the page."""
    for plan in plans.values():
        page = plan.html()
        found = check(page)
        assert not {"link", "img", "iframe", "object"} & set(found.seen)
        assert not {"src", "srcset"} & found.attributes
        assert {goal[:1] for goal in re.findall(r'href="([^"]*)"', page)} == {"#"}
        assert "url(" not in page
        assert "@import" not in page
        assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}


def test_the_report_has_every_section(plans: dict[str, Plan]) -> None:
    """The answer first, how it was computed last; six pictures for a desk and for a phone."""
    page = plans["hybrid"].html()
    assert re.findall(r"<h2[^>]*>([^<]+)</h2>", page) == [
        "What it saves",
        "What would change it",
        "A month, side by side",
        "Break-even",
        "Load by hour",
        "36 months",
        "Every line of cost",
        "Cost per million tokens",
        "Throughput and latency",
        "What matters most",
        "Regret",
        "Advice",
        "If one thing were different",
        "What this rests on",
        "How it is computed",
    ]
    assert page.count("<svg xmlns") == 2 * 5 + 1  # and the one the script writes
    assert page.index("<h1") < page.index("<h2")


def test_every_number_leads_to_a_source_that_is_there(plans: dict[str, Plan]) -> None:
    """A click on a number finds its formula and figures; no two elements share an id."""
    for plan in plans.values():
        page = plan.html().split("<script")[0]
        goals = set(re.findall(r'href="#([^"]*)"', page))
        ids = re.findall(r' id="([^"]*)"', page)
        assert goals <= set(ids)
        assert len(ids) == len(set(ids))
        assert page.count('class="n"') > 100


def test_assumptions_are_told_apart_from_what_was_given(plans: dict[str, Plan]) -> None:
    """A row of the table says by its class that nobody stated the figure."""
    page = plans["hybrid"].html()
    assert '<tr class="assumed"><th scope="row">spare</th><td>none</td><td>assumption</td>' in page
    assert '<tr><th scope="row">volume</th><td>1B tokens/day</td><td>given</td><td></td></tr>' in page


def test_markdown_says_the_same(plans: dict[str, Plan]) -> None:
    """The same figures as the page, and tables whose rows have as many cells as their headings."""
    for plan in plans.values():
        text = plan.markdown()
        assert text.startswith("# At ")
        for option in plan.options:
            assert words.usd(option.usd_per_month) in text
        for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_a_name_ending_in_md_writes_markdown(make_plan: MakePlan, tmp_path: Path) -> None:
    """`plan.report("plan.md")`."""
    plan = make_plan()
    assert plan.report(tmp_path / "plan.md").read_text(encoding="utf-8") == plan.markdown()


def test_the_plan_stands_beside_what_came(make_plan: MakePlan) -> None:
    """With a ledger's month the page has both, line by line, and the causes."""
    plan = make_plan()
    option, planned = planned_month(plan.to_dict())
    found = compare(option, planned, replace(planned, tokens_per_day=2e9, replicas=3.0), 30.0)
    page = plan.html(found)
    check(page)
    assert "Plan against actual" in page
    assert all(escape(each.why) in page for each in found.causes)
    alone = check_html(found)
    check(alone)
    assert set(re.findall(r'href="#([^"]*)"', alone)) == {"d-check"}


def test_untouched_sliders_ask_for_the_very_same_plan(plans: dict[str, Plan]) -> None:
    """And moved ones for another."""
    for plan in plans.values():
        inputs = plan.inputs
        assert decide(moved(inputs, sliders(inputs))).options == plan.options
        assert decide(moved(inputs, sliders(inputs))).answer == plan.answer
    there = replace(
        sliders(inputs), tokens_per_day=5e9, usd_per_gpu_hour=1.0, usable=0.5, team_usd_per_month=7.0
    )
    fleet = moved(inputs, there).fleet
    assert (fleet.usd_per_hour / inputs.gpus, fleet.usable, fleet.team_usd_per_month) == (1.0, 0.5, 7.0)


def test_the_mix_moves_an_api_s_price_by_its_parts(make_plan: MakePlan) -> None:
    """$2.50 in and $10 out: a quarter of output tokens cost $4.375; a flat price stays."""
    price = TokenPrice(nano(2.5), nano(10.0))
    plan = make_plan(
        metered=(Metered("gpt-4o", Role.FRONTIER, 6.25, price), Metered("x API", Role.OPEN, 0.88))
    )
    there = moved(plan.inputs, replace(sliders(plan.inputs), output_share=0.25))
    assert [metered.usd_per_million for metered in there.metered] == pytest.approx([4.375, 0.88])


def test_equal_plans_give_equal_bytes(make_plan: MakePlan) -> None:
    """Made twice from the same inputs: same report, same data."""
    assert make_plan().html() == make_plan().html()
    assert make_plan().to_dict() == make_plan().to_dict()


def test_names_cannot_break_out_of_the_page(make_plan: MakePlan) -> None:
    """An API's name is text, whatever it holds."""
    plan = make_plan(metered=(Metered("<script>x</script>&", Role.FRONTIER, 6.25),))
    page = plan.html()
    assert "<script>x" not in page
    assert "&lt;script&gt;x" in page
    check(page)


def test_a_report_that_cannot_be_written_says_where_and_why(make_plan: MakePlan, tmp_path: Path) -> None:
    """A missing folder ends with exit code 3, not with a traceback."""
    with pytest.raises(EnvironmentProblem, match="cannot write") as refused:
        make_plan().report(tmp_path / "missing" / "plan.html")
    assert refused.value.exit_code == 3


def test_a_notebook_shows_the_answer_the_table_and_the_signature_figure(plans: dict[str, Plan]) -> None:
    """What `plan` alone displays in a cell."""
    shown = plans["hybrid"]._repr_html_()
    check(shown)
    assert plans["hybrid"].answer in shown
    assert shown.count("<svg ") == 1
    assert "<table>" in shown
    assert "<script" not in shown


def test_a_plan_prints_its_answer_and_verdicts(make_plan: MakePlan) -> None:
    """`print(plan)` is readable by itself."""
    plan = make_plan(fleet=Fleet(4392, 8.0))
    assert str(plan).splitlines() == [plan.answer, *plan.told]
