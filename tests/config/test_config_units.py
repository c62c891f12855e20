"""The notations of the file: exact where they are money, refused where they are a guess."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload import money
from baseload.config import units


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1.5s", 1.5),
        ("60ms", 0.06),
        ("2m", 120.0),
        ("1h", 3600.0),
        ("79ns", 79e-9),
        ("50us", 50e-6),
        ("5 µs", 5e-6),
    ],
)
def test_durations_carry_their_unit(text: str, seconds: float) -> None:
    """Every unit means what it says, with or without a space before it."""
    assert seconds == pytest.approx(units.duration_s(text), rel=1e-12)


@pytest.mark.parametrize(
    "value", [60, Decimal("1.5"), "60", "s", "-1s", "1.5 sec", "1e3s", "", None, True, ["1s"]]
)
def test_a_duration_without_its_unit_is_refused(value: object) -> None:
    """A bare number's unit would be a guess; nothing else is a duration either."""
    with pytest.raises(ValueError, match="not a duration"):
        units.duration_s(value)


@pytest.mark.parametrize(
    ("value", "number"),
    [(600, 600), ("600", 600), ("400k", 400_000), ("2M", 2_000_000), ("1.5M", 1_500_000), ("1.234k", 1234)],
)
def test_counts_are_whole_and_exact(value: object, number: int) -> None:
    """k and M multiply without a float in between."""
    assert number == units.count(value)


@pytest.mark.parametrize(
    "value", ["1.5", Decimal("1.5"), "1.2345k", "400K", "2m", "2G", "-3", -3, True, None, [], "9" * 99]
)
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    """Fractions, unknown letters, signs and other types are no counts."""
    with pytest.raises(ValueError, match="not a whole number"):
        units.count(value)


@pytest.mark.parametrize(
    ("value", "number"),
    [(100, 100), ("1B", 1), ("64kB", 64_000), ("64KiB", 65_536), ("1.5MiB", 1_572_864), ("1GB", 10**9)],
)
def test_sizes_tell_powers_of_1000_from_powers_of_1024(value: object, number: int) -> None:
    """kB is 1000 bytes and KiB 1024."""
    assert number == units.size_bytes(value)


@pytest.mark.parametrize("value", ["64k", "1.5B", "1 gb", "", True, None])
def test_what_is_no_size_is_refused(value: object) -> None:
    """A size is whole bytes in a unit of the table."""
    with pytest.raises(ValueError, match="not a size"):
        units.size_bytes(value)


@given(st.integers(0, 10**18))
def test_every_amount_of_nano_dollars_is_read_exactly(amount: int) -> None:
    """Dollars written with nine decimal places come back as the same nano-dollars."""
    assert amount == units.usd_nano(f"{money.usd(amount):f}")


@pytest.mark.parametrize(
    "value", ["2,50", "$2", "-1", -1, "nan", "inf", "1e99", "1e-10", "0.0000000001", True, None, "٣"]
)
def test_amounts_that_cannot_be_booked_are_refused(value: object) -> None:
    """No sign, no currency, no more places than nano-dollars have, no other script's digits."""
    with pytest.raises(ValueError):
        units.usd_nano(value)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:4000", "127.0.0.1", 4000), ("[::1]:0", "::1", 0), ("gpu-1.lan:65535", "gpu-1.lan", 65535)],
)
def test_addresses_round_trip(text: str, host: str, port: int) -> None:
    """Host and port are found, and printing gives what was written."""
    found = units.address(text)
    assert ((host, port), text) == (tuple(found), str(found))


@pytest.mark.parametrize("value", [4000, ":4000", "127.0.0.1", "127.0.0.1:65536", "::1:4000", "a b:1", None])
def test_what_is_no_address_is_refused(value: object) -> None:
    """A host is needed, a port within range, brackets around IPv6."""
    with pytest.raises(ValueError, match="not an address"):
        units.address(value)


def test_only_loopback_addresses_count_as_this_machine() -> None:
    """0.0.0.0 and names of other machines are reachable from elsewhere."""
    assert [
        units.address(text).is_loopback
        for text in ("127.0.0.9:1", "[::1]:1", "localhost:1", "0.0.0.0:1", "gateway:1")
    ] == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("text", "number", "name"), [("2 x h100", 2, "h100"), ("8×H200", 8, "h200"), ("l4", 1, "l4")]
)
def test_gpus_are_a_number_and_a_name(text: str, number: int, name: str) -> None:
    """The number may be left out for one; case does not matter."""
    assert (number, name) == tuple(units.gpu_set(text))


@pytest.mark.parametrize("value", ["0 x h100", "2 h100", "x h100", 2, "", "2 x"])
def test_what_is_no_set_of_gpus_is_refused(value: object) -> None:
    """Zero GPUs, a missing sign or name, a bare number."""
    with pytest.raises(ValueError, match="not a set of GPUs"):
        units.gpu_set(value)
