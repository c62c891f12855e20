"""docs/passthrough.md names every path that passes through, and its example starts."""

from __future__ import annotations

import re
from pathlib import Path

from baseload.config import parse
from baseload.config.passing import PassthroughSection
from baseload.gateway.passing.paths import PASSED
from baseload.wire import multipart
from tests.docs.pages import plain, rows


def _page(docs: Path) -> str:
    return (docs / "passthrough.md").read_text(encoding="utf-8")


def test_the_paths_are_the_codes(docs: Path) -> None:
    """Path, group, endpoint and what it counts."""
    found = rows(_page(docs), "path | group | endpoint in the ledger | counts")
    assert [tuple(map(plain, row)) for row in found] == [
        (path.decode(), passed.group, passed.name, passed.unit or "") for path, passed in PASSED.items()
    ]


def test_every_group_has_its_key() -> None:
    """What the file can name is what paths ask for."""
    assert {passed.group for passed in PASSED.values()} == set(PassthroughSection.model_fields)


def test_the_example_is_valid(docs: Path) -> None:
    """The configuration of the page is one."""
    [example] = re.findall(r"```yaml\n(.*?)```", _page(docs), re.DOTALL)
    read = parse(example, "baseload.yaml", docs, {"OPENAI_API_KEY": "sk-x"})
    assert read.passthrough.groups["moderations"] == ("openai",)


def test_the_bounds_are_the_codes(docs: Path) -> None:
    """What is read of a form."""
    said = f"At most {multipart.MAX_PARTS} parts, {multipart.MAX_PART_HEAD} bytes of a part's header, "
    assert said + f"{multipart.MAX_FIELD} bytes of a field" in _page(docs)
