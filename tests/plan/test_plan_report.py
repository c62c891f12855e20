"""The report: one file, offline, the same bytes for the same plan."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from baseload.errors import EnvironmentProblem
from baseload.plan.costs import Fleet
from baseload.plan.model import Metered, Plan, Role

MakePlan = Callable[..., Plan]

VOID = {"meta", "br"}


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
    """No script, no image, no font and no link leaves the file."""
    for plan in plans.values():
        page = plan.html()
        found = check(page)
        assert not {"script", "link", "img", "iframe", "object"} & set(found.seen)
        assert not {"src", "href", "srcset"} & found.attributes
        assert "url(" not in page
        assert "@import" not in page
        assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}


def test_the_report_has_every_section_and_all_three_figures(plans: dict[str, Plan]) -> None:
    """The answer first, how it was computed last."""
    page = plans["hybrid"].html()
    titles = re.findall(r"<h2>([^<]+)</h2>", page)
    assert titles == [
        "A month, side by side",
        "Own the base, buy the peaks",
        "Break-even",
        "What would change the answer",
        "What this rests on",
        "How it is computed",
    ]
    assert page.count("<svg ") == 3
    assert page.index(plans["hybrid"].answer) < page.index("<h2>")


def test_assumptions_are_told_apart_from_what_was_given(plans: dict[str, Plan]) -> None:
    """A row of the table says by its class that nobody stated the figure."""
    page = plans["hybrid"].html()
    assert (
        '<tr class="assumed"><td>spare</td><td>none</td><td>assumption</td><td>2026-11-22</td></tr>' in page
    )
    assert "<tr><td>volume</td><td>1B tokens/day</td><td>given</td><td></td></tr>" in page


def test_equal_plans_give_equal_bytes(make_plan: MakePlan) -> None:
    """Made twice from the same inputs: same report, same data."""
    assert make_plan().html() == make_plan().html()
    assert make_plan().to_dict() == make_plan().to_dict()


def test_names_cannot_break_out_of_the_page(make_plan: MakePlan) -> None:
    """An API's name is text, whatever it holds."""
    plan = make_plan(metered=(Metered("<script>x</script>&", Role.FRONTIER, 6.25),))
    page = plan.html()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
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


def test_a_plan_prints_its_answer_and_verdicts(make_plan: MakePlan) -> None:
    """`print(plan)` is readable by itself."""
    plan = make_plan(fleet=Fleet(4392, 8.0))
    assert str(plan).splitlines() == [plan.answer, *plan.verdicts]
