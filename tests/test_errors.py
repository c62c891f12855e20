"""Errors are data: the tree as it is drawn, and every fault of the data port in one table."""

from __future__ import annotations

import re
from http import HTTPStatus

import pytest

from baseload import errors
from baseload.errors import (
    FAULTS,
    BaseloadError,
    Fault,
    RequestError,
    Source,
    UnknownName,
    nearest,
    number_hint,
)


def drawn() -> dict[str, int | None]:
    """The classes in the module's drawing and the exit codes beside them, where one stands there."""
    lines = re.findall(r"[├└]── (\w+) .*?(?:\(exit (\d)\))?$", errors.__doc__ or "", re.MULTILINE)
    return {name: int(code) if code else None for name, code in lines}


def test_the_tree_is_as_drawn() -> None:
    """Every class stands in the drawing with its exit code, and every name there is a class."""
    assert drawn() == {
        each.__name__: None if each is RequestError else each.exit_code
        for each in BaseloadError.__subclasses__()
        if each.__module__ == errors.__name__
    }


def test_a_fault_is_found_by_its_code() -> None:
    """Codes are unique: each named fault is the table's own, and the table holds no other."""
    named = {name: value for name, value in vars(errors).items() if isinstance(value, Fault)}
    assert len(named) == len(FAULTS)
    assert {fault.code: fault for fault in named.values()} == FAULTS


@pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda fault: fault.code)
def test_a_fault_can_be_answered_with(fault: Fault) -> None:
    """Its status is an HTTP error that fits whose fault it is; its code is a word; it says what next."""
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", fault.code)
    status = HTTPStatus(fault.status)
    not_the_clients = status >= 500 or status is HTTPStatus.TOO_MANY_REQUESTS
    assert status >= 400
    assert fault.source is Source.CLIENT or not_the_clients
    assert fault.next


@pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda fault: fault.code)
def test_openais_error_type_follows_the_status(fault: Fault) -> None:
    """SDKs choose their exception by it: 401, 403, 429 and 5xx have a type each."""
    expected = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    server_fault = "api_error" if fault.source is not Source.CLIENT else "invalid_request_error"
    assert fault.type == expected.get(fault.status, server_fault)


def test_an_error_says_what_to_do_next() -> None:
    """On the line below its message; without a hint there is no second line."""
    assert str(BaseloadError("it broke", hint="mend it")) == "it broke\n  mend it"
    assert str(BaseloadError("it broke")) == "it broke"
    assert RequestError(errors.RATE_LIMITED, "slow down").hint == errors.RATE_LIMITED.next


@pytest.mark.parametrize(
    ("name", "expected"), [("h10", "h100"), ("gpt4o", "gpt-4o"), ("zebra", None), ("", None)]
)
def test_the_nearest_name_is_near(name: str, expected: str | None) -> None:
    """A typo finds its name; what is like nothing finds nothing, and the error claims no meaning."""
    known = ["h100", "gpt-4o", "b200"]
    assert nearest(name, known) == expected
    hint = UnknownName("name", name, known).hint
    assert hint == f"did you mean {expected!r}?" if expected else "did you mean" not in hint


def test_an_unknown_name_always_says_what_next() -> None:
    """The name that is meant, or the least unlike ones where none is close."""
    assert UnknownName("model", "lama-70b", ["llama-70b", "qwen-7b"]).hint == "did you mean 'llama-70b'?"
    assert UnknownName("model", "zzz", ["llama-70b", "qwen-7b"]).hint.startswith("the nearest names are ")
    assert UnknownName("model", "zzz", []).hint == ""


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("1e9", "YAML reads 1e9 as text: write 1000000000 or 1.0e+9"),
        ("2.5e-3", "YAML reads 2.5e-3 as text: write 0.0025 or 2.5e-3"),
        ("many", ""),
        ("inf", ""),
        (True, ""),
    ],
)
def test_a_number_that_yaml_takes_for_text_says_how_to_write_it(value: object, hint: str) -> None:
    """YAML 1.1 asks for a dot and a sign; the message writes both forms out."""
    assert number_hint(value) == hint
