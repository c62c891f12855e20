"""The report in a real browser: no console errors, sliders compute what Python does, and it can be seen.

Pictures of the page, desk and phone, light and dark, are left in the folder REPORT_SCREENSHOTS names.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import baseload as bl
from baseload.plan import figures
from baseload.plan.decide import decide
from baseload.plan.model import Plan
from baseload.plan.slide import moved, sliders
from baseload.traffic.shapes import servegen_m_large
from tests.services.conftest import program

pytestmark = pytest.mark.services

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
OPTION_FIELDS = (
    "usd_per_month",
    "usd_per_million",
    "replicas",
    "spare_replicas",
    "owned_tokens_share",
    "use",
    "spill_usd_per_month",
)
DRAWN = (figures.load_duration, figures.break_even)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
SCREENS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]


@pytest.fixture(scope="module", params=["none", "idle", "serving"])
def plan(request: pytest.FixtureRequest) -> Plan:
    """The two-week load with each kind of spare."""
    return bl.plan(
        servegen_m_large(),
        tokens_per_day=1e9,
        output_share=0.5,
        api=("gpt-4o",),
        open_api_price=0.88,
        model="llama-3.3-70b",
        gpu="h100",
        gpus=2,
        usd_per_gpu_hour=4.0,
        throughput=4392.0,
        spare=request.param,
        on=date(2026, 11, 22),
    )


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Headless Chromium with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium")
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(program("chromedriver")))
    yield found
    found.quit()


def logged(browser: webdriver.Chrome) -> list[dict[str, Any]]:
    """What the console said since it was last asked."""
    rows: list[dict[str, Any]] = browser.execute("getLog", {"type": "browser"})["value"]
    return rows


Open = Callable[..., webdriver.Chrome]


@pytest.fixture
def open_page(browser: webdriver.Chrome, plan: Plan, tmp_path: Path) -> Open:
    """Open the plan's report on a screen of this width and scheme."""

    def opened(width: int = 1280, scheme: str = "light") -> webdriver.Chrome:
        logged(browser)
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get(plan.report(tmp_path / "plan.html").as_uri())
        return browser

    return opened


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_it_shows_without_errors_and_without_scrolling_sideways(
    open_page: Open, plan: Plan, tmp_path: Path, width: int, scheme: str
) -> None:
    """At a desk and on a phone, light and dark; the whole page is left as a picture."""
    browser = open_page(width, scheme)
    size = browser.execute_script(
        "const e = document.documentElement; return [e.scrollWidth, e.scrollHeight]"
    )
    assert size[0] <= width
    clip = {"x": 0, "y": 0, "width": width, "height": min(size[1], 16_000), "scale": 1}
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    folder = Path(os.environ.get("REPORT_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / f"report-{plan.inputs.fleet.spare}-{width}-{scheme}.png"
    picture.write_bytes(base64.b64decode(shot["data"]))
    assert picture.stat().st_size > 50_000
    assert [row for row in logged(browser) if row["level"] == "SEVERE"] == []


@pytest.mark.parametrize("width", [1280, 390])
def test_text_in_pictures_is_never_smaller_than_twelve_pixels(open_page: Open, width: int) -> None:
    """No picture is scaled until nobody can read it."""
    script = """return [...document.querySelectorAll('svg.bl')].filter((svg) => svg.getClientRects().length)
      .map((svg) => 13 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)"""
    sizes = open_page(width).execute_script(script)
    assert len(sizes) == 6
    assert min(sizes) >= 12


def grid(plan: Plan) -> Iterator[dict[str, float]]:
    """Slider values: near and far, alone and together."""
    now = asdict(sliders(plan.inputs))
    values = product(
        (2e7, 1e9, 3.3e10), (0.0, 0.5, 0.93), (0.8, 4.0, 11.5), (0.05, 0.7, 1.0), (0.0, 20_000.0, 61_500.0)
    )
    for value in values:
        yield dict(zip(now, value, strict=True))


def test_the_pages_arithmetic_is_pythons(open_page: Open, plan: Plan) -> None:
    """Every option, crossing, sentence on a grid of 243 slider settings: equal to rounding."""
    browser = open_page()
    asked = list(grid(plan))
    script = """return arguments[0].map((to) => { const found = baseload.answerAt(to); return {
      options: found.options.map((o) => [o.usd, o.per_million, o.n, o.spare, o.share, o.use, o.spill]),
      answer: found.answer, verdicts: found.verdicts,
      even: found.breakEven.map((e) => [e.crossings.length, e.hybrid_from, ...e.crossings.slice(0, 3).concat(
        e.crossings.slice(-1)).map((c) => c.tokens_per_day)]) }; })"""
    found: list[dict[str, Any]] = browser.execute_script(script, asked)
    for to, there in zip(asked, found, strict=True):
        expected = decide(moved(plan.inputs, replace(sliders(plan.inputs), **to)))
        options = [[getattr(option, field) for field in OPTION_FIELDS] for option in expected.options]
        assert there["options"] == [pytest.approx(row, rel=1e-12, abs=1e-9) for row in options], to
        assert there["answer"] == expected.answer
        assert there["verdicts"] == list(expected.verdicts)
        for ours, theirs in zip(expected.break_even, there["even"], strict=True):
            some = [c.tokens_per_day for c in (*ours.crossings[:3], *ours.crossings[-1:])]
            assert theirs[0] == len(ours.crossings), to
            assert theirs[1] == (
                start and pytest.approx(start, rel=1e-12)
                if (start := ours.hybrid_from_tokens_per_day)
                else None
            )
            assert theirs[2:] == pytest.approx(some, rel=1e-12)


@pytest.mark.parametrize("narrow", [False, True])
def test_the_pages_pictures_are_pythons(open_page: Open, plan: Plan, narrow: bool) -> None:
    """At the planned numbers both draw the same, to a tenth of a pixel; bands are Python's alone."""
    words = " ".join(found.words for found in plan.break_even)
    script = """const found = baseload.answerAt({});
      const [words, narrow] = arguments;
      return [baseload.drawLoad(found, narrow), baseload.drawBreakEven(found, words, narrow)]"""
    drawn = open_page().execute_script(script, words, narrow)
    for there, svg in zip(drawn, [draw(plan, narrow=narrow) for draw in DRAWN], strict=True):
        ours = re.sub(r'<path class="band-.*\n', "", svg)
        assert NUMBER.sub("#", there) == NUMBER.sub("#", ours)
        numbers = ([float(found) for found in NUMBER.findall(text)] for text in (there, ours))
        assert next(numbers) == pytest.approx(next(numbers), abs=0.11)


def test_a_slider_changes_the_figures_and_the_button_brings_the_plan_back(open_page: Open) -> None:
    """By keyboard: the answer, the table and both pictures follow; afterwards all is as it was."""
    browser = open_page()

    def shown() -> list[str | None]:
        names = ("h1", '[data-option="2"]', "#load-wide", "#even-wide", "#o-tokens_per_day")
        return [browser.find_element(By.CSS_SELECTOR, name).get_attribute("innerHTML") for name in names]

    before = shown()
    slider = browser.find_element(By.ID, "s-tokens_per_day")
    slider.send_keys(Keys.PAGE_UP)
    assert all(now != then for now, then in zip(shown(), before, strict=True))
    browser.find_element(By.ID, "reset").click()
    assert [re.sub(r"width: ?([\d.]+?)0*%;?", r"\1", now or "") for now in shown()] == [
        re.sub(r"width: ?([\d.]+?)0*%;?", r"\1", then or "") for then in before
    ]
    assert [row for row in logged(browser) if row["level"] == "SEVERE"] == []


def test_a_number_shows_its_source_and_escape_leads_back(open_page: Open) -> None:
    """Formula, figures, source and date in a card, opened and closed by keyboard."""
    browser = open_page()
    number = browser.find_element(By.CSS_SELECTOR, '[data-option="2"] a.n')
    number.send_keys(Keys.ENTER)
    card = browser.find_element(By.ID, "card")
    assert card.is_displayed()
    assert "price of an hour" in card.text
    assert "given" in card.text
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not card.is_displayed()
    assert browser.switch_to.active_element == number


def test_every_control_has_a_name(open_page: Open) -> None:
    """Sliders by their labels with a value in words, pictures by their titles, tables by headings."""
    browser = open_page()
    script = """const all = (name, keeps) => [...document.querySelectorAll(name)].every(keeps);
      return all('input', (e) => e.labels.length && e.getAttribute('aria-valuetext'))
      && all('svg', (e) => e.querySelector('title') && e.querySelector('desc'))
      && all('table', (e) => e.querySelector('th[scope=col]'))"""
    assert browser.execute_script(script)


def test_with_sliders_moved_every_part_changes_or_says_that_it_does_not(open_page: Open) -> None:
    """What is neither new nor marked as the plan's would be read as an answer to the sliders."""
    browser = open_page()
    script = "return [...document.querySelectorAll('section')].map((part) => part.innerHTML)"
    before = browser.execute_script(script)
    browser.find_element(By.ID, "s-tokens_per_day").send_keys(Keys.PAGE_UP)
    shown = """return [...document.querySelectorAll('section')].map((part) =>
      [...part.querySelectorAll('.moved-note')].some((note) => note.getClientRects().length > 0))"""
    told = browser.execute_script(shown)
    moved = [now != then for now, then in zip(browser.execute_script(script), before, strict=True)]
    assert [a != b for a, b in zip(told, moved, strict=True)] == [True] * len(before)
    browser.find_element(By.ID, "reset").click()
    assert not any(browser.execute_script(shown))


@pytest.mark.parametrize(("width", "hinted"), [(1280, False), (390, True)])
def test_a_table_wider_than_the_screen_says_so_until_its_end_is_seen(
    open_page: Open, width: int, hinted: bool
) -> None:
    """On a phone a line under it; none where all columns are in sight."""
    browser = open_page(width)
    script = """return [...document.querySelectorAll('.scroll')].filter((e) => e.getClientRects().length)
      .map((e) => [e.scrollWidth > e.clientWidth + 4, e.nextElementSibling.getClientRects().length > 0])"""
    found = browser.execute_script(script)
    assert all(wide == told for wide, told in found)
    assert any(told for _, told in found) == hinted
    browser.execute_script(
        """document.querySelectorAll('.scroll').forEach((e) => {
        e.scrollLeft = e.scrollWidth; e.dispatchEvent(new Event('scroll')); })"""
    )
    assert not any(told for _, told in browser.execute_script(script))
