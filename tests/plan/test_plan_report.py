"""The report: one file, offline, the same bytes for the same plan."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from baseload.core import TokenPrice
from baseload.errors import EnvironmentProblem
from baseload.money import nano
from baseload.plan import figures, words
from baseload.plan.answers import answers
from baseload.plan.check import Check, compare, planned_month
from baseload.plan.costs import Fleet
from baseload.plan.decide import decide
from baseload.plan.frontier import frontier
from baseload.plan.model import Metered, Plan, Role
from baseload.plan.report import check_html, titles
from baseload.plan.sizing_words import run_out_days
from baseload.plan.slide import moved, sliders
from baseload.plan.tables import months
from baseload.plan.tables.months import shown_options
from tests.plan.conftest import build_plan

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


SECTIONS = (
    titles.SIGN,
    titles.SAVES,
    titles.CHANGES,
    titles.MONTH,
    titles.EVEN,
    titles.HEATMAP,
    titles.HAD,
    titles.MONTHS,
    titles.LINES,
    titles.USE,
    titles.FRONTIER,
    titles.TORNADO,
    titles.REGRET,
    titles.ADVICE,
    titles.WHAT_IF,
    titles.RESTS,
    titles.COMPUTED,
)


def headings(text: str) -> list[str]:
    """The second-level headings of a page or of Markdown."""
    if text.startswith("#"):
        return re.findall(r"^## (.+)$", text, re.MULTILINE)
    return re.findall(r"<h2[^>]*>([^<]+)</h2>", text)


def test_the_report_has_every_section(plans: dict[str, Plan]) -> None:
    """The answer first, how it was computed last; six pictures for a desk and for a phone."""
    page = plans["hybrid"].html()
    assert headings(page) == list(SECTIONS)
    assert page.count("<svg xmlns") == 2 * 5 + 1  # and the one the script writes
    assert page.index("<h1") < page.index("<h2")


def test_a_plan_that_has_everything_shows_everything(whole: Plan) -> None:
    """c(n), the day it ends, offers with their command, layers, classes and the bill: page and text."""
    extra = {titles.SIZING, titles.HAD, titles.CLASSES, titles.BILL, titles.CAME}
    found = compared(whole)
    searched, sized, portfolio = whole.inputs.searched, whole.inputs.sized, whole.portfolio
    assert searched is not None
    assert sized is not None
    assert portfolio is not None
    for text in (whole.html(found), whole.markdown(found)):
        assert set(headings(text)) == {*SECTIONS, *extra}
        plain = re.sub(r"<[^>]+>|\\", "", text)
        assert all(f"{room.tokens_per_s:,.0f}" in plain for room in sized.rooms)
        assert all(words.usd(offer.usd_per_month) in plain for offer in searched.offers[:5])
        assert searched.offers[0].launch.split()[0] in plain
        assert f"{run_out_days(whole.inputs):,.0f} days" in plain
        assert words.usd(portfolio.usd_per_month) in plain
        assert "The bill, over 2 days: billed $287.90" in plain
        assert found.answer in plain.replace("&#x27;", "'")


def test_what_a_plan_does_not_have_is_not_shown(plans: dict[str, Plan]) -> None:
    """No empty part, no heading without something under it."""
    for plan in plans.values():
        assert {titles.SIZING, titles.CLASSES, titles.BILL, titles.CAME}.isdisjoint(headings(plan.html()))
        assert re.search(r"^## .+\n\n## ", plan.markdown(), re.MULTILINE) is None


def test_page_and_markdown_show_the_same_cells(plans: dict[str, Plan], whole: Plan) -> None:
    """Every row of every table, and every heading; the tornado's bars are a picture on the page."""
    for plan, found in [*((plan, None) for plan in plans.values()), (whole, compared(whole))]:
        page, text = plan.html(found).split("<script")[0], plan.markdown(found)
        assert headings(page) == headings(text)
        before, _, after = text.partition(f"## {titles.TORNADO}\n")
        assert markdown_rows(before + after[after.find("\n## ") :]) == page_rows(page)


def compared(plan: Plan) -> Check:
    """What a ledger might have said of this plan's month."""
    option, planned = planned_month(plan.to_dict())
    return compare(option, planned, replace(planned, tokens_per_day=6e8, replicas=3.0), 30.0)


def page_rows(page: str) -> list[list[str]]:
    """The rows of all tables of a page as text, headings among them; empty cells left out."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    texts = [[unescape(re.sub(r"<[^>]+>", "", cell)) for cell in row] for row in cells]
    return [[text for text in row if text] for row in texts]


def markdown_rows(text: str) -> list[list[str]]:
    """The rows of all tables of a Markdown text but those that say how columns are set."""
    rows = []
    for line in re.findall(r"^\|(.*)\|$", text, re.MULTILINE):
        cells = [re.sub(r"^\*+|(?<!\\)\*+$", "", cell.strip()) for cell in re.split(r"(?<!\\)\|", line)]
        if not set("".join(cells)) <= {"-", ":"}:
            rows.append([re.sub(r"\\(.)", r"\1", cell) for cell in cells if cell])
    return rows


def test_every_section_moves_with_the_sliders_or_says_that_it_does_not(whole: Plan) -> None:
    """Whatever stands still while the sliders are elsewhere says so."""
    page = whole.html(compared(whole)).split("<script")[0]
    sections = re.findall(r"<section.*?</section>", page, re.DOTALL)
    assert len(sections) == len(SECTIONS) - 3 + 4
    for part in sections:
        assert ('class="moved-note"' in part) != ("data-live=" in part or "data-option=" in part)


def test_every_table_has_a_name_of_its_own(whole: Plan) -> None:
    """A screen reader tells them apart."""
    names = re.findall(r'<table aria-label="([^"]+)">', whole.html(compared(whole)))
    assert len(names) == len(set(names)) == whole.html(compared(whole)).count("<table")


def test_totals_and_their_picture_say_the_same_dollars(plans: dict[str, Plan]) -> None:
    """A line's label is the total of the table, leaving included."""
    for plan in plans.values():
        svg = figures.cumulative(plan, narrow=True)
        for each in shown_options(plan):
            assert words.short_usd(each.usd_36) in svg


def test_shares_of_worlds_add_up_to_all_of_them(plans: dict[str, Plan]) -> None:
    """No option that is the cheapest somewhere is left out of "cheapest in"."""
    for plan in plans.values():
        shown = {row.cells[0].text.split(" (")[0] for row in months.totals(plan).rows}
        odds = [band.probability_cheapest for band in plan.risk.bands if band.name in shown]
        assert sum(odds) == pytest.approx(1.0, abs=1e-9)


def test_slo_lengths_and_regions_are_a_click_away(plans: dict[str, Plan], whole: Plan) -> None:
    """From the frontier and from the sizing; where nobody stated the SLO it says so."""
    for plan, ids in ((plans["hybrid"], ["d-frontier"]), (whole, ["d-frontier", "d-slo", "d-offers"])):
        for name in ids:
            [told] = re.findall(rf'<div class="source" id="{name}">(.*?)</div>', plan.html(), re.DOTALL)
            assert "<b>SLO</b>" in told
            assert "<b>length of a request</b>" in told
            assert "regions that each serve an equal part" in told


def test_what_a_replica_is_planned_with_is_said_beside_what_it_could_serve(whole: Plan) -> None:
    """Full throughput, and the part of it that is counted on; in several regions that of one of them."""
    found = frontier(whole.inputs)
    assert found is not None
    fleet = whole.inputs.fleet
    said = figures.planned_words(whole, found)
    assert f"{fleet.throughput_tokens_per_s:,.0f} tokens/s" in said
    assert f"{fleet.usable_tokens_per_s:,.0f} tokens/s" in said
    assert words.percent(fleet.usable) in said
    two = replace(whole, inputs=replace(whole.inputs, fleet=fleet.in_regions(2)))
    assert figures.planned_words(two, replace(found, regions=2)) == said.replace(
        "replica to", "replica in each of 2 regions to"
    )


def test_advice_against_the_cheapest_month_is_on_the_first_screen() -> None:
    """Where answers rule it out, nobody reads the price of what cannot be had alone."""
    plan = build_plan()
    barred = decide(replace(plan.inputs, answers=answers({"air_gap": True})))
    assert barred.advice.option == "owned"
    for text in (barred.html(), barred.markdown()):
        assert 0 < text.index("The cheapest month is not what is advised") < text.index("What it saves")
    assert "The cheapest month is not" not in plan.html()


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
    assert shown.count("<table ") == 1
    assert "href" not in shown
    assert "<script" not in shown


def test_a_plan_prints_its_answer_and_verdicts(make_plan: MakePlan) -> None:
    """`print(plan)` is readable by itself."""
    plan = make_plan(fleet=Fleet(4392, 8.0))
    assert str(plan).splitlines() == [plan.answer, *plan.told]


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (-0.2, "per year", "−20% a year"),
        (0.003, "share", "0.3%"),
        (15_000.0, "$/month", "$15,000/month"),
        (0.08, "$/GB/month", "$0.08/GB/month"),
        (-5.0, "$", "−$5"),
        (1.25, "×", "1.25×"),
        (3.0, "count", "3"),
        (10.0, "minutes", "10 minutes"),
        ("on_demand", "on_demand|spot", "on demand"),
        (None, "$", "not known"),
    ],
)
def test_a_figure_is_said_with_its_unit(value: float | str | None, unit: str, said: str) -> None:
    """As a board reads it, not as a file holds it."""
    assert words.figure(value, unit) == said


def test_dollars_below_nothing_have_their_sign_in_front() -> None:
    """−$5, never $-5; nothing is not below nothing."""
    assert [words.usd(usd) for usd in (-5.0, -5000.0, -0.001, 0.0, 5.0)] == [
        "−$5.00",
        "−$5,000",
        "$0.00",
        "$0",
        "$5.00",
    ]
