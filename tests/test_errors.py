"""Errors are data: the tree as it is drawn, and every fault of the data port in one table."""

from __future__ import annotations

import re
from http import HTTPStatus

import pytest

from baseload import errors
from baseload.errors import FAULTS, BaseloadError, Fault, RequestError, Source, UnknownName, nearest


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
    """A typo finds its name; what is like nothing finds nothing, and the error claims nothing."""
    known = ["h100", "gpt-4o", "b200"]
    assert nearest(name, known) == expected
    assert UnknownName("name", name, known).hint == (f"did you mean {expected!r}?" if expected else "")
