"""The file as text: places, references, and what a hostile or careless file meets."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.config.document import MOST_NODES, Document, dotted, read_document
from baseload.errors import ConfigError


def read(text: str, env: dict[str, str] | None = None, base: Path = Path()) -> Document:
    return read_document(text, "baseload.yaml", base, env or {})


def problems(document: Document) -> list[tuple[int, str, str]]:
    return [(problem.line, problem.key, problem.reason) for problem in document.problems]


def test_scalars_are_those_of_yaml_1_2() -> None:
    """`no`, `on`, times and octals are text; true, null and numbers are what they look like."""
    text = "[no, on, 12:30, 010, 0x1F, true, null, ~, 7, -7, 2.50, 1e3, '7', 2026-10-01]"
    expected = [
        "no",
        "on",
        "12:30",
        10,
        "0x1F",
        True,
        None,
        None,
        7,
        -7,
        Decimal("2.50"),
        Decimal("1e3"),
        "7",
        "2026-10-01",
    ]
    assert expected == read(text).data


def test_every_value_knows_its_line() -> None:
    """Keys, items and flow mappings are found again; what is not written has the line around it."""
    document = read("a:\n  b: 1\n  c:\n    - x\n    - {d: 2,\n       e: 3}\n")
    lines = [
        document.line(path)
        for path in [("a",), ("a", "b"), ("a", "c", 0), ("a", "c", 1, "e"), ("a", "zz", "y")]
    ]
    assert lines == [1, 2, 4, 6, 1]


def test_paths_are_written_as_people_write_them() -> None:
    """Dots between keys, brackets around positions."""
    assert dotted(("models", "chat", "owned", 0)) == "models.chat.owned[0]"


def test_references_need_no_quotes_anywhere() -> None:
    """Plain, quoted, in flow mappings, inside text, and several in one value."""
    env = {"A": "one", "B_2": "two: {}"}
    text = "{p: ${A}, q: \"${B_2}\", r: http://${A}:1/${B_2}, s: [${A}, '${A}']}"
    expected = {"p": "one", "q": "two: {}", "r": "http://one:1/two: {}", "s": ["one", "one"]}
    assert expected == read(text, env).data


def test_what_a_reference_stands_for_is_text_and_cannot_add_keys() -> None:
    """YAML in a variable's value stays a value; numbers in it stay text."""
    assert read("{a: ${X}, c: ${Y}}", {"X": "1, b: 2", "Y": "7"}).data == {"a": "1, b: 2", "c": "7"}


def test_a_missing_variable_is_named_with_its_place_and_the_nearest_one() -> None:
    """The error says the variable, the line, the key, and what was probably meant."""
    document = read("a:\n  key: ${OPENAI_API_KYE}\n", {"OPENAI_API_KEY": "x"})
    assert problems(document) == [(2, "a.key", "environment variable OPENAI_API_KYE is not set")]
    assert document.problems[0].hint == "did you mean OPENAI_API_KEY?"


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("${EMPTY}", "environment variable EMPTY is empty"),
        ("${LINES}", "environment variable LINES holds a line break or control character"),
        ("${A:-b}", "cannot read ${A:-b}"),
        ("${}", "cannot read ${}"),
    ],
)
def test_references_that_stand_for_nothing_usable_are_problems(reference: str, reason: str) -> None:
    """An empty or multi-line value would pass for a credential; defaults are not part of the notation."""
    document = read(f"key: {reference}", {"EMPTY": "", "LINES": "a\r\nX-Evil: 1", "A": "x"})
    assert [(1, "key", reason)] == problems(document)


def test_files_lose_their_trailing_line_break_and_are_watched(tmp_path: Path) -> None:
    """`${file:PATH}` is seen from the file's folder and listed, so that a change of it reloads."""
    (tmp_path / "key").write_bytes(b"sk-1 \r\n")
    document = read("{key: ${file:key}}", base=tmp_path)
    assert ({"key": "sk-1 "}, (tmp_path / "key",)) == (document.data, document.secret_files)


@pytest.mark.parametrize("content", [None, b"", b"\n", b"two\nlines", b"\xff\xfe", b"x" * 70_000])
def test_a_secret_file_that_is_not_one_line_is_a_problem(tmp_path: Path, content: bytes | None) -> None:
    """Missing, empty, of two lines, binary, huge: a problem at the key, and the content is never shown."""
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    document = read("key: ${file:key}", base=tmp_path)
    [problem] = document.problems
    assert (problem.line, problem.key) == (1, "key")
    assert str(tmp_path / "key") in problem.reason
    assert "two" not in str(problem)


def test_a_key_written_twice_names_both_lines() -> None:
    """The second is refused at its line, the first is told; the rest of the file is still read."""
    document = read("a: 1\nb: 2\na: 3\n")
    assert problems(document) == [(3, "a", "written twice, first on line 1")]
    assert document.data == {"a": 1, "b": 2}


def test_aliases_work_within_bounds() -> None:
    """Limits written once may be used again."""
    assert read("a: &l {x: 1}\nb: *l\n").data == {"a": {"x": 1}, "b": {"x": 1}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("a: 1\n---\nb: 2\n", "a second document"),
        ("a: !!python/object/apply:os.system [ls]", "tags are not supported"),
        ("a: !secret x", "tags are not supported"),
        ("? [a]\n: 1\n", "a key must be a plain word"),
        ("a: *nobody\n", "unknown alias"),
        ("a: &a [*a]\n", "unknown alias"),
        ("[" * 5000, "nested more than"),
        ("a: {b: 1\n", "not YAML"),
        ("a:\n\t- b\n", "not YAML"),
        ("a: \x00\n", "U\\+0000"),
        ("a: 1\nb: \x85\n", "baseload.yaml:2: holds the character U\\+0085"),
        ("a: \ud800\n", "U\\+D800"),
        ("a: \ue0f0\n", "U\\+E0F0"),
    ],
)
def test_what_is_no_plain_yaml_is_refused(text: str, reason: str) -> None:
    """Tags, cycles, deep nests, several documents and broken syntax end the reading with one clear error."""
    with pytest.raises(ConfigError, match=reason):
        read(text)


def test_an_alias_bomb_is_counted_before_it_is_built() -> None:
    """Nine levels of ten aliases each would be a thousand million values; reading stops at the bound."""
    bomb = "a0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
    )
    with pytest.raises(ConfigError, match=f"more than {MOST_NODES} values"):
        read(bomb)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever the file holds, the reader ends with a document that has a root, or with a ConfigError."""
    with contextlib.suppress(ConfigError):
        assert () in read(text).places
