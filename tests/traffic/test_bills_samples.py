"""The sample bills: recognised, read to the token and the nano-dollar, packed or not, and priced."""

from __future__ import annotations

import csv
import gzip
import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
import zstandard

from baseload.traffic.bills.bill import Bill
from baseload.traffic.bills.read import READERS, BillFormat, read_bill
from baseload.traffic.bills.reconcile import reconcile
from baseload.traffic.read import Format, detect, read_shape, read_traffic
from tests.traffic.bill_samples import FOLDER, SAMPLES

TOTALS: dict[BillFormat, tuple[int, int | None, int, int, int, int, int | None]] = {
    BillFormat.ANTHROPIC_COSTS: (16, None, 0, 0, 0, 0, 68_380_000_000),
    BillFormat.ANTHROPIC_USAGE: (4, None, 47_966_317, 17_853_528, 6_122_209, 1_945_030, None),
    BillFormat.BEDROCK_CLOUDWATCH: (12, 511, 970_900, 204_400, 0, 117_530, None),
    BillFormat.BEDROCK_CUR: (43, None, 96_352_286, 7_285_820, 0, 11_234_687, 203_615_468_800),
    BillFormat.HELICONE: (29, 29, 36_115, 0, 0, 7_970, 10_199_250),
    BillFormat.LANGFUSE: (25, 25, 71_496, 14_293, 0, 9_586, 256_733_750),
    BillFormat.LITELLM: (38, 38, 122_299, 51_794, 0, 17_599, 461_260_450),
    BillFormat.OPENAI_COSTS: (12, None, 0, 0, 0, 0, 287_901_367_600),
    BillFormat.OPENAI_USAGE: (50, 60_124, 93_802_941, 23_818_112, 0, 12_499_882, None),
    BillFormat.VERTEX_BILLING: (21, None, 333_575_575, 42_609_109, 0, 33_579_493, 182_435_950_870),
}
"""Lines, requests, input, cached, written and output tokens, nano-dollars of each sample."""


def same(one: Bill, other: Bill) -> bool:
    """Whether two bills have the same lines."""
    return one.table.tobytes() == other.table.tobytes() and one.names == other.names


def test_there_is_a_sample_and_a_reader_of_every_format() -> None:
    """And a sample is named after its format."""
    assert set(SAMPLES) == set(BillFormat) == set(READERS)
    assert {kind.value for kind in BillFormat} <= {kind.value for kind in Format}


@pytest.mark.parametrize("kind", BillFormat)
def test_a_sample_is_recognised_and_read_whole(kind: BillFormat) -> None:
    """By its content, with exact totals and no bad record."""
    bill = read_bill(SAMPLES[kind])
    assert (bill.format, bill.bad_rows) == (kind.value, 0)
    total = bill.total()
    assert total[1:] == TOTALS[kind]
    assert detect(SAMPLES[kind]).value == kind.value


@pytest.mark.parametrize("kind", BillFormat)
def test_packing_and_naming_the_format_change_nothing(kind: BillFormat, tmp_path: Path) -> None:
    """Gzip and zstd are unpacked, whatever the file is called."""
    raw, plain = SAMPLES[kind].read_bytes(), read_bill(SAMPLES[kind])
    (tmp_path / "a").write_bytes(gzip.compress(raw))
    (tmp_path / "b").write_bytes(zstandard.compress(raw))
    assert same(read_bill(tmp_path / "a"), plain)
    assert same(read_bill(tmp_path / "b", format=kind.value), plain)


@pytest.mark.parametrize("kind", BillFormat)
def test_every_sample_becomes_traffic_and_a_load(kind: BillFormat) -> None:
    """`read_traffic` and `read_shape` take bills; tokens are the bill's, missing ones its dollars' worth."""
    traffic, bill = read_traffic(SAMPLES[kind]), read_bill(SAMPLES[kind])
    assert traffic.start_ns is not None
    if bill.has_tokens:
        total = bill.total()
        assert int(traffic.input_tokens.sum()) == total.input_tokens
        assert int(traffic.cached_tokens.sum()) == total.cached_tokens
        assert int(traffic.output_tokens.sum()) == total.output_tokens
    per_day = read_shape(SAMPLES[kind]).tokens_per_day().total
    assert per_day == pytest.approx(traffic.tokens_per_day().total, rel=1e-9)


def test_the_sum_of_the_file_is_the_sum_of_the_bill() -> None:
    """Added up from the raw samples by other means, exactly."""
    with SAMPLES[BillFormat.OPENAI_USAGE].open() as file:
        rows = [row for row in csv.DictReader(file) if row["input_tokens"]]
    bill = read_bill(SAMPLES[BillFormat.OPENAI_USAGE]).total()
    assert bill.input_tokens == sum(int(row["input_tokens"]) for row in rows)
    assert bill.requests == sum(int(float(row["num_model_requests"])) for row in rows)
    page = json.loads(SAMPLES[BillFormat.OPENAI_COSTS].read_text(), parse_float=Decimal)
    dollars = sum(each["amount"]["value"] for bucket in page["data"] for each in bucket["results"])
    assert read_bill(SAMPLES[BillFormat.OPENAI_COSTS]).billed_nano == dollars * 10**9


@pytest.mark.parametrize(
    ("names", "billed", "computed", "other"),
    [
        (("openai_usage.csv", "openai_costs.json"), 287_901_367_600, 285_501_367_600, 2_400_000_000),
        (("anthropic_usage.json", "anthropic_costs.csv"), 68_380_000_000, 68_126_766_150, 240_000_000),
        (("bedrock_cur.csv",), 203_615_468_800, 208_615_468_800, -5_000_000_000),
        (("vertex_billing.csv",), 182_435_950_870, 182_435_950_870, 0),
        (("litellm.jsonl",), 461_260_450, 461_260_450, 0),
        (("langfuse.jsonl",), 256_733_750, 256_733_750, 0),
        (("helicone.csv",), 10_199_250, 10_199_250, 0),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_the_catalog_makes_the_same_dollars_of_the_tokens(
    names: tuple[str, ...], billed: int, computed: int, other: int
) -> None:
    """What differs is what is no tokens, and the cents that the Console rounds to."""
    found = reconcile(read_bill(*(FOLDER / name for name in names)))
    assert (found.billed_nano, found.computed_nano, found.other_nano) == (billed, computed, other)
    assert found.billed_nano == computed + found.difference_nano + found.unpriced_nano + found.other_nano
    assert abs(found.difference_nano) <= 10_000_000 * (names[0] == "anthropic_usage.json") * 2


def test_the_folder_describes_its_files() -> None:
    """The table of examples/bills/README.md is the folder."""
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE))
    assert named == {path.name for path in FOLDER.iterdir()} - {"README.md"}
