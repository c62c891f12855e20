"""Links of every page lead somewhere, and no file gives away or depends on the machine it was written on."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    if name and (ROOT / name).is_file()
]
PAGES = [path for path in FILES if path.suffix == ".md"]
MACHINE_PATH = re.compile(r"(?<![\w.…/-])/(?:work|home|root|Users|opt|mnt)/[\w.]")
PINS = re.compile(r"lock|constraints|requirements", re.IGNORECASE)
PACKAGE_INDEX = re.compile(r"(?:index-url|find-links|registry) *[=:]? *(?:https?|file):/", re.IGNORECASE)


def name(path: Path) -> str:
    """A file as the repository calls it."""
    return path.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", heading.lower()).strip()
        found.add(words.replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_relative_link_resolves(page: Path) -> None:
    """To a file or folder of the repository, and where it names a heading, to one that is there."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        goal = (page.parent / path) if path else page
        if not goal.exists() or (anchor and anchor not in anchors(goal)):
            broken.append(link)
    assert broken == []


def test_every_page_is_in_the_index() -> None:
    """docs/README.md names every page."""
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([^)#\s/]+\.md)\)", index))
    assert {path.name for path in PAGES if path.parent == ROOT / "docs"} - {"README.md"} == linked


DECISIONS = [path for path in PAGES if path.parent.name == "adr"]


@pytest.mark.parametrize("decision", DECISIONS, ids=name)
def test_a_decision_is_a_numbered_page(decision: Path) -> None:
    """Its number is its file's, it fits a page, and where the index lists it, it does so by its title."""
    lines = decision.read_text(encoding="utf-8").splitlines()
    number, title = re.findall(r"^# (\d+)\. (.+)$", lines[0])[0]
    assert decision.name.startswith(f"{int(number):04d}-")
    assert len(lines) <= 60
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    listed = re.findall(rf"\| \[\d+\]\(adr/{re.escape(decision.name)}\) \| (.+) \|", index)
    assert listed in ([], [title])


def test_no_file_names_a_place_of_a_machine() -> None:
    """Paths of somebody's computer mean nothing on another."""
    found = []
    for path in FILES:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{name(path)}: {line.strip()}" for line in text.splitlines() if MACHINE_PATH.search(line)]
    assert found == []


def test_no_package_index_or_download_address_is_pinned() -> None:
    """Where packages come from is the installer's business: a lock names versions and hashes only."""
    found = []
    for path in FILES:
        text = path.read_text(encoding="utf-8", errors="replace")
        if PINS.search(path.name) and re.search(r"https?://", text):
            found.append(name(path))
        if PACKAGE_INDEX.search(text):
            found.append(name(path))
    assert found == []


def test_architecture_is_a_page() -> None:
    """At most 150 lines and one diagram."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    assert text.count("```") == 2


def test_architecture_names_every_room() -> None:
    """The table of rooms is the package's folders and modules."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([\w.]+)/?` \| ", text, re.MULTILINE))
    package = ROOT / "src" / "baseload"
    rooms = {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    rooms |= {path.name for path in package.glob("*.py") if not path.name.startswith("__")}
    assert named == rooms
