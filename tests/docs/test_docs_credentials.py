"""docs/credentials.md says what the code does: keys, places, durations, bounds, and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from baseload.config.fields import NO_KEY
from baseload.config.logins import AwsSection, EntraSection, GoogleSection
from baseload.config.published import known_keys
from baseload.gateway.login import KeyHeader, aws_keys, book, clock, fetch, google, renewal, sts
from tests.docs.pages import plain, rows

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = {"entra": EntraSection, "google": GoogleSection, "aws": AwsSection}
METERED = ("targets", "cloud", "metered")


@pytest.fixture(scope="module")
def page() -> str:
    """The page's text, its line breaks as blanks in `words`."""
    return (ROOT / "docs" / "credentials.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def words(page: str) -> str:
    """The page as one line."""
    return " ".join(page.split())


def test_the_ways_are_the_configurations(page: str) -> None:
    """Every way to sign in is a row, and every row is a key of `metered`."""
    said = [plain(row[0]) for row in rows(page, "way | for | what it needs | what goes out")]
    assert said == ["key", *SECTIONS]
    assert set(said) <= set(known_keys(METERED))


@pytest.mark.parametrize("name", SECTIONS)
def test_every_key_of_a_section_is_explained(page: str, name: str) -> None:
    """By its name, in backticks or in the example; and the example is a section that the code takes."""
    [example] = re.findall(rf"^{name}: (\{{.+\}})$", page, re.MULTILINE)
    keys = set(known_keys((*METERED, name)))
    assert set(yaml.safe_load(example)) <= keys
    unexplained = [key for key in keys if f"`{key}`" not in page and f"{key}:" not in example]
    assert unexplained == []


def test_every_header_that_carries_a_key_is_named(words: str) -> None:
    """The four there are."""
    for header in KeyHeader:
        assert f"`{header.value.decode().strip().removesuffix(':')}`" in words


@pytest.mark.parametrize("name", ["aws_keys", "google"])
def test_the_places_are_those_the_code_looks_at(page: str, name: str) -> None:
    """Every variable that is read is named, and none that is not."""
    code = (ROOT / "src/baseload/gateway/login" / f"{name}.py").read_text()
    prefix = "AWS_" if name == "aws_keys" else "(?:GOOGLE_APPLICATION|GCE)_"
    read = set(re.findall(rf'"({prefix}[A-Z_]+)"', code))
    read |= (
        {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"}
        if name == "aws_keys"
        else set()
    )
    said = set(re.findall(rf"`({prefix}[A-Z_]+)`", page))
    assert read == said


def test_durations_and_bounds_are_the_codes(words: str) -> None:
    """Each number of the page, read off the constant that it stands for."""
    for text in (
        f"{book.FIRST_S:g} s in all at most",
        f"or {renewal.LEAD_S:g} s before its end",
        f"doubled each time to {renewal.LONGEST_BACKOFF_S:g} s at most",
        f"| {renewal.MARGIN_S:g} s before its end without a new one |",
        f"if it is {renewal.REFUSED_AGE_S:g} s old",
        f"differences of {clock.NOTICED_S:g} s and more",
        f"found {clock.MOVED_S:g} s off or more",
        f"A token endpoint has {fetch.TIMEOUT_S:g} s to accept a connection",
        f"a metadata service {fetch.METADATA_TIMEOUT_S:g} s",
        f"{fetch.MAX_REPLY:,} bytes at most",
        google.DEFAULT_METADATA_HOST,
        f"or `{sts.DEFAULT_SESSION}`",
        f"or `{NO_KEY}`",
    ):
        assert text in words
    assert sts.ROLE_S == google.STATEMENT_S == 3600
    assert aws_keys.STS_URL in words


def test_every_promise_names_tests_that_exist(page: str) -> None:
    """A promise without a test is a wish."""
    tests = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
    }
    promised = [re.findall(r"`(\w+)`", row[1]) for row in rows(page, "promise | test")]
    assert len(promised) > 20
    assert [name for names in promised for name in names if name not in tests] == []
    assert all(promised)
