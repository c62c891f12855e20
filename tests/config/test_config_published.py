"""The published schema, the examples and docs/config.md say the same as the code."""

from __future__ import annotations

import importlib.util
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from baseload.catalog.providers import provider
from baseload.config import json_schema
from baseload.config.document import read_document
from baseload.config.load import LATER
from baseload.config.providers import ENDPOINTS, NATIVE_ENDPOINTS, endpoint
from baseload.config.published import key_rows, known_keys, meaning
from baseload.config.schema import SloSection
from baseload.core import Format, Slo

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


def plain(file: Path) -> Any:
    """The file as an editor's YAML 1.2 reader has it, references left as they stand."""
    return json.loads(
        json.dumps(read_document(file.read_text(), file.name, file.parent, {}).data, default=float)
    )


def accepts(document: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(json_schema()).is_valid(document))


def test_the_schema_is_a_valid_schema() -> None:
    """Editors that know draft 2020-12 can use it."""
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_every_example_validates_against_the_schema(file: Path) -> None:
    """What we show is what we publish."""
    jsonschema.Draft202012Validator(json_schema()).validate(plain(file))


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("targets", "lisen", 1),
        ("models", "chat", {"owned": ["llama-a"], "hard": {"share": "20%"}}),
        ("models", "chat", {"owned": ["llama-a"], "slo": {"ttft": 1.5}}),
        ("targets", "llama-a", {"url": "http://x/v1"}),
        ("targets", "llama-a", {"owned": {"engine": "vlm", "usd_per_hour": 1}, "url": "http://x/v1"}),
        ("tenants", "a shop", {}),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(section: str, key: str, value: Any) -> None:
    """Unknown keys, wrong notations, sides left out and bad names are caught by an editor already."""
    document = plain(ROOT / "examples" / "baseload.yaml")
    assert accepts(document)
    document[section][key] = value
    assert not accepts(document)


def test_the_default_class_is_required_by_the_schema_too() -> None:
    """There is none by silence."""
    document = plain(ROOT / "examples" / "baseload.yaml")
    del document["classes"]["default"]
    assert not accepts(document)


def test_the_docs_hold_the_keys_and_providers_of_the_code() -> None:
    """The tables of docs/config.md are what scripts/make_config_docs.py writes, no key more or less."""
    file = ROOT / "scripts" / "make_config_docs.py"
    spec = importlib.util.spec_from_file_location("make_config_docs", file)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    text = script.DOCS.read_text()
    assert script.renewed(text) == text


def test_every_key_has_a_meaning_and_an_example_or_a_default() -> None:
    """No row of the table leaves a reader guessing; a section's example is its keys'."""
    rows = list(key_rows())
    assert [row.key for row in rows if not row.meaning.endswith(".")] == []
    assert [
        row.key for row in rows if "section" not in row.kind and not (row.example or "`" in row.default)
    ] == []
    assert [key for key, count in Counter(row.key for row in rows).items() if count > 1] == []


def test_the_docs_name_every_key_of_later_versions() -> None:
    """What is refused for now is said."""
    text = (ROOT / "docs" / "config.md").read_text()
    assert [key for key in sorted(LATER) if f"`{key}`" not in text] == []


def test_keys_are_found_at_any_path() -> None:
    """Suggestions need the keys of the section at hand, through free names and optional sections."""
    assert known_keys(("models", "chat", "slo")) == ["ttft", "tpot"]
    assert known_keys(("tls",)) == ["cert", "key"]
    assert known_keys(("targets",)) == []
    assert "input" in known_keys(("targets", "gpt-4o", "metered", "price", "long_context"))
    assert "Where data may be processed" in meaning(("classes",))


def test_every_endpoint_is_of_a_provider_the_catalog_knows() -> None:
    """A base URL without prices would be a target whose cost is unknown."""
    assert [name for name in ENDPOINTS if (known := provider(name)) is None or known.name != name] == []
    assert [url for url in ENDPOINTS.values() if not url.startswith("https://") or url.endswith("/")] == []


def test_every_endpoint_is_where_the_price_package_expects_that_provider() -> None:
    """A second, independent source of each host: a credential must not go to a stranger."""
    from genai_prices.data import providers

    patterns = {known.id: known.api_pattern for known in providers}
    assert [name for name, url in ENDPOINTS.items() if not re.match(patterns[name], url)] == []
    native = [(name, url) for (name, _), url in NATIVE_ENDPOINTS.items()]
    assert [name for name, url in native if not re.match(patterns[name], url)] == []


def test_an_slo_that_is_not_written_is_the_cores() -> None:
    """The schema's defaults are those a model without `slo` gets."""
    section = SloSection()
    assert Slo() == Slo(section.ttft, section.tpot)


def test_googles_own_format_has_its_own_url_where_it_is_written() -> None:
    """Its usual format stays OpenAI's, under the path that speaks it."""
    assert endpoint("google", Format.GEMINI) == "https://generativelanguage.googleapis.com/v1beta"
    assert endpoint("google", None) == endpoint("google", Format.OPENAI) == ENDPOINTS["google"]
    assert endpoint("nobody", None) == ""
