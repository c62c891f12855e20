"""Reading bills: totals of any file, every way JSON comes, bad records, several files together."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.errors import BaseloadError, DataError, EnvironmentProblem, UnknownName, UsageError
from baseload.traffic.bills.read import BillFormat, read_bill
from baseload.traffic.read import detect, read_traffic
from tests.traffic.bill_samples import DAY_NS, SAMPLES, START_NS

START_S = START_NS // 10**9
tokens = st.integers(0, 10**9)
dollars = st.decimals(0, 10**4, allow_nan=False, allow_infinity=False, places=12)


def result(input_tokens: int, output_tokens: int, **more: Any) -> dict[str, Any]:
    """One result of OpenAI's usage API."""
    return {
        "object": "organization.usage.completions.result",
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "num_model_requests": max(1, (input_tokens + output_tokens) // 1000),
        **more,
    }


def bucket(number: int, *results: dict[str, Any]) -> dict[str, Any]:
    """A day of it."""
    start = START_S + number * 86_400
    return {"object": "bucket", "start_time": start, "end_time": start + 86_400, "results": list(results)}


def page(*buckets: dict[str, Any]) -> dict[str, Any]:
    """A page of it."""
    return {"object": "page", "data": list(buckets), "has_more": False, "next_page": None}


def written(folder: Path, text: str) -> Path:
    """A file whose name says nothing."""
    path = folder / "export"
    path.write_text(text, encoding="utf-8")
    return path


@settings(max_examples=40)
@given(st.lists(st.tuples(tokens, tokens, st.integers(0, 100), st.sampled_from(["a", "b"])), min_size=1))
def test_openai_pages_keep_every_token(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, int, str]]
) -> None:
    """Input, cached and output tokens and requests are the results' sums, by model too."""
    results = [result(i, o, input_cached_tokens=i * share // 100, model=model) for i, o, share, model in rows]
    text = json.dumps(page(*(bucket(n, each) for n, each in enumerate(results))))
    used = [each for each in results if each["input_tokens"] or each["output_tokens"]]
    path = written(tmp_path_factory.mktemp("pages"), text)
    bill = read_bill(path)
    total = bill.total()
    assert total.input_tokens == sum(each["input_tokens"] for each in results)
    assert total.cached_tokens == sum(each["input_cached_tokens"] for each in results)
    assert total.output_tokens == sum(each["output_tokens"] for each in results)
    assert total.requests == sum(each["num_model_requests"] for each in results)
    for group in bill.sums(["model"]):
        mine = [each for each in used if each["model"] == group.group[0]]
        assert group.output_tokens == sum(each["output_tokens"] for each in mine)
    assert bill.days == len(rows)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(dollars, st.sampled_from(["gpt-4o, input", "gpt-4o, output", "tools"])), min_size=1)
)
def test_cost_rows_keep_every_nano_dollar(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Decimal, str]]
) -> None:
    """The bill's dollars are the column's exact sum, rounded once, however many places it has."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(["start_time", "end_time", "amount_value", "amount_currency", "line_item", "project_id"])
    for number, (amount, item) in enumerate(rows):
        start = START_S + number * 86_400
        table.writerow([start, start + 86_400, format(amount, "f"), "usd", item, "p"])
    bill = read_bill(written(tmp_path_factory.mktemp("costs"), out.getvalue()))
    exact = int((sum((each for each, _ in rows), Decimal(0)) * 10**9).to_integral_value(ROUND_HALF_EVEN))
    assert bill.billed_nano == exact
    assert sum(group.nano or 0 for group in bill.sums(["item", "day"])) == exact


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(["input", "output"]), tokens, dollars), min_size=1, max_size=30))
def test_cost_and_usage_reports_keep_tokens_and_dollars(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, Decimal]]
) -> None:
    """Amounts in thousands of tokens come out as the tokens they are."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(
        ["lineItem/UsageStartDate", "lineItem/UsageEndDate", "lineItem/ProductCode", "lineItem/UsageType",
         "lineItem/UsageAmount", "lineItem/UnblendedCost", "lineItem/LineItemType", "pricing/unit"]
    )  # fmt: skip
    for kind, count, amount in rows:
        table.writerow(
            ["2026-10-05T00:00:00Z", "2026-10-05T01:00:00Z", "AmazonBedrock", f"USE1-NovaLite-{kind}-tokens",
             format(Decimal(count) / 1000, "f"), format(amount, "f"), "Usage", "1K tokens"]
        )  # fmt: skip
    total = read_bill(written(tmp_path_factory.mktemp("cur"), out.getvalue())).total()
    assert total.input_tokens == sum(count for kind, count, _ in rows if kind == "input")
    assert total.output_tokens == sum(count for kind, count, _ in rows if kind == "output")
    exact = int((sum((each for *_, each in rows), Decimal(0)) * 10**9).to_integral_value(ROUND_HALF_EVEN))
    assert total.nano == exact


PAGES = [page(bucket(0, result(10, 1, model="a"))), page(bucket(1), bucket(2, result(20, 2, model="a")))]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(PAGES),
        json.dumps(PAGES, indent=2),
        "\n".join(json.dumps(each) for each in PAGES) + "\n",
        "".join(json.dumps(each, indent=1) for each in PAGES),
        json.dumps([*PAGES[0]["data"], *PAGES[1]["data"]]),
        "\ufeff" + json.dumps(page(*PAGES[0]["data"], *PAGES[1]["data"])),
    ],
    ids=["array", "indented", "lines", "one after the other", "buckets", "one page"],
)
def test_pages_are_read_however_they_were_saved(text: str, tmp_path: Path) -> None:
    """As an array, as lines, appended to one file, or joined; quiet buckets count as time."""
    bill = read_bill(written(tmp_path, text))
    assert (bill.total().input_tokens, bill.total().output_tokens, bill.days) == (30, 3, 3.0)
    assert bill.format == "openai_usage"


def test_pages_that_are_not_all_are_said(tmp_path: Path) -> None:
    """Where the last page says more follow; not where only an earlier one did."""
    more = {**PAGES[0], "has_more": True, "next_page": "x"}
    assert read_bill(written(tmp_path, json.dumps([more, PAGES[1]]))).notes == ()
    note = "the last page says that more follow: this is not the whole bill"
    assert read_bill(written(tmp_path, json.dumps(more))).notes == (note,)


def test_the_limit_of_bad_records_counts_all_records(tmp_path: Path) -> None:
    """Lines of other services are records too: one bad line among many of them does not refuse the report."""
    header = (
        "line_item_usage_start_date,line_item_usage_end_date,line_item_product_code,line_item_usage_type,"
    )
    header += "line_item_usage_amount,line_item_unblended_cost,pricing_unit\n"
    row = "2026-10-05T00:00:00Z,2026-10-05T01:00:00Z,{},USE1-NovaLite-input-tokens,{},0.1,1K tokens\n"
    others = row.format("AmazonEC2", 1).replace("NovaLite-input-tokens", "Hours") * 150
    text = header + others + row.format("AmazonBedrock", 2) + row.format("AmazonBedrock", "two")
    bill = read_bill(written(tmp_path, text))
    assert (bill.total().input_tokens, bill.bad_rows, bill.first_bad[0].line) == (2000, 1, 153)
    with pytest.raises(DataError, match="says nothing of usage") as caught:
        read_bill(written(tmp_path, header + others))
    assert caught.value.hint == "150 records are left out: another service than Bedrock ($15.00)"


def test_bad_records_are_counted_and_shown(tmp_path: Path) -> None:
    """One in a hundred is let through with its place and reason."""
    results = [result(10, 1, model="a") for _ in range(199)] + [result(-5, 1, model="a")]
    bill = read_bill(
        written(tmp_path, json.dumps(page(*(bucket(n, each) for n, each in enumerate(results)))))
    )
    assert bill.bad_rows == 1
    assert (bill.first_bad[0].line, len(bill)) == (200, 199)
    assert "-5 input_tokens" in bill.first_bad[0].reason


def test_more_than_one_percent_refuses_the_file_with_line_numbers(tmp_path: Path) -> None:
    """The first five bad rows of a CSV are named by their lines."""
    header = "usage_date_utc,model_version,usage_input_tokens_no_cache,usage_output_tokens\n"
    rows = "".join(f"2026-10-0{n},claude-x,{'ten' if n > 2 else 10},1\n" for n in range(1, 10))
    with pytest.raises(DataError, match="7 of 9 rows cannot be read") as caught:
        read_bill(written(tmp_path, header + rows))
    assert "line 4: uncached_input_tokens is 'ten'" in caught.value.message
    assert "line 8" in caught.value.message
    assert "line 9" not in caught.value.message


def test_lines_of_json_lines_are_numbered_as_they_stand(tmp_path: Path) -> None:
    """Blank lines count, and what is no object is a bad line."""
    good = {"startTime": "2026-10-05 09:00:00.000", "spend": 0.1, "prompt_tokens": 5, "completion_tokens": 1}
    text = "\n".join([*[json.dumps(good)] * 150, "", "no json"]) + "\n"
    bill = read_bill(written(tmp_path, text))
    assert (len(bill), bill.first_bad[0].line, bill.billed_nano) == (150, 152, 150 * 10**8)


def test_cells_may_hold_whole_prompts(tmp_path: Path) -> None:
    """A log exported with its bodies is read, however long they are."""
    header = "request_created_at,request_body,model,prompt_tokens,completion_tokens,cost\n"
    row = f'2026-10-05T09:00:00Z,"{"word, " * 50_000}",gpt-4o,5,1,0.1\n'
    assert read_bill(written(tmp_path, header + row * 3)).total().input_tokens == 15


def test_an_export_of_a_quiet_time_is_known_for_what_it_is(tmp_path: Path) -> None:
    """The dashboard then writes four columns; the error is not about columns."""
    text = "start_time,end_time,start_time_iso,end_time_iso\n1791158400,1791244800,2026-10-05,2026-10-06\n"
    with pytest.raises(DataError, match="says nothing of usage or costs"):
        read_traffic(written(tmp_path, text))


def test_a_log_can_be_read_by_named_columns(tmp_path: Path) -> None:
    """With columns named, an export is plain JSON Lines or CSV."""
    columns = "arrival=startTime,input=completion_tokens,output=prompt_tokens"
    plain = read_traffic(SAMPLES[BillFormat.LITELLM], columns=columns)
    assert len(plain) == 40
    columns = "arrival=request_created_at,input=completion_tokens,output=prompt_tokens"
    assert len(read_traffic(SAMPLES[BillFormat.HELICONE], columns=columns)) == 30


def test_lines_before_the_header_are_left_out_and_counted(tmp_path: Path) -> None:
    """An invoice's summary stands above the cost table; line numbers stay those of the file."""
    text = (
        "Invoice number,1\nCurrency,USD\n\n"
        "Service description,SKU description,Usage start date,Usage end date,Usage amount,Usage unit,"
        "Cost ($)\n"
        + "Vertex AI,Gemini 2.5 Pro Text Input - Predictions,2026-10-05,2026-10-05,1000,count,0.00125\n" * 120
        + "Vertex AI,Gemini 2.5 Pro Text Input - Predictions,someday,2026-10-05,1000,count,0.00125\n"
    )
    bill = read_bill(written(tmp_path, text))
    assert (bill.total().input_tokens, bill.first_bad[0].line) == (120_000, 125)


def test_a_cut_document_names_its_line(tmp_path: Path) -> None:
    """A download that broke off is refused, never read as a shorter bill."""
    whole = json.dumps(PAGES, indent=1)
    with pytest.raises(DataError, match=r"export:\d+: is no JSON"):
        read_bill(written(tmp_path, whole[: len(whole) // 2]), format="openai_usage")


def test_what_is_no_bill_says_which_there_are(tmp_path: Path) -> None:
    """Unknown content, a wrong name, a missing file and none at all are told apart."""
    with pytest.raises(DataError, match="is no bill that is known") as caught:
        read_bill(written(tmp_path, "city,people\nBerne,1\n"))
    assert "openai_usage" in caught.value.hint
    with pytest.raises(UnknownName, match="did you mean 'litellm'"):
        read_bill(tmp_path / "export", format="litelm")
    with pytest.raises(EnvironmentProblem, match="no such file"):
        read_bill(tmp_path / "none")
    with pytest.raises(UsageError, match="no bill is named"):
        read_bill()


def test_several_files_are_one_bill(tmp_path: Path) -> None:
    """Lines, time and names are put together; equal names stay one."""
    paths = []
    for number, each in enumerate(PAGES):
        paths.append(tmp_path / f"{number}.json")
        paths[-1].write_text(json.dumps(each))
    bill = read_bill(*paths)
    assert (bill.total().input_tokens, bill.days, bill.names["model"]) == (30, 3.0, ("a",))
    assert bill.end_ns - bill.start_ns == 3 * DAY_NS
    assert bill.notes == (
        "the files cover different times: 0.json (OpenAI usage) 2026-10-05 00:00 to 2026-10-06 00:00, "
        "1.json (OpenAI usage) 2026-10-06 00:00 to 2026-10-08 00:00",
    )
    assert read_bill(SAMPLES[BillFormat.OPENAI_USAGE], SAMPLES[BillFormat.OPENAI_COSTS]).notes == ()


def test_parquet_is_read_as_the_other_ways(tmp_path: Path) -> None:
    """Columns tell whose it is; times, maps and floats come out as JSON would have them."""
    table = pa.table(
        {
            "type": ["GENERATION", "SPAN"],
            "start_time": pa.array([START_NS // 1000, START_NS // 1000], pa.timestamp("us")),
            "provided_model_name": ["gpt-4o", ""],
            "usage_details": pa.array([[("input", 60), ("output", 5)], []], pa.map_(pa.string(), pa.int64())),
            "total_cost": [0.00020000000000000001, 0.0],
        }
    )
    pq.write_table(table, tmp_path / "export")
    bill = read_bill(tmp_path / "export")
    assert (bill.format, detect(tmp_path / "export").value) == ("langfuse", "langfuse")
    assert len(read_traffic(tmp_path / "export")) == 1
    assert (bill.total().input_tokens, bill.billed_nano, bill.start_ns) == (60, 200_000, START_NS)
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_bill(written(tmp_path, "PAR1 and no more"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("2026-10-05"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = (
    "start_time", "end_time", "input_tokens", "num_model_requests", "amount", "amount_value", "line_item",
    "starting_at", "ending_at", "usage_date_utc", "uncached_input_tokens", "cache_creation", "cost_usd",
    "startTime", "spend", "prompt_tokens", "metadata", "request_created_at", "cost", "usage_details", "type",
    "line_item_usage_type", "line_item_unblended_cost", "line_item_usage_amount", "MetricDataResults",
    "Timestamp", "service", "sku", "usage", "credits", "data", "results",
)  # fmt: skip


@settings(max_examples=150)
@given(
    st.lists(st.dictionaries(st.sampled_from(KEYS), json_values, max_size=12), min_size=1, max_size=4),
    st.sampled_from(BillFormat),
)
def test_no_content_breaks_a_reader(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]], kind: BillFormat
) -> None:
    """Whatever stands in a record, it is read, or refused with an error of ours."""
    path = written(tmp_path_factory.mktemp("any"), json.dumps(records))
    with contextlib.suppress(BaseloadError):
        read_bill(path, format=kind.value)


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"{", b"[", b"start_time,end_time,num_model_requests\n"])
)
def test_no_bytes_break_recognition(
    tmp_path_factory: pytest.TempPathFactory, rest: bytes, start: bytes
) -> None:
    """Any file is some format, or an error of ours."""
    path = tmp_path_factory.mktemp("bytes") / "file"
    path.write_bytes(start + rest)
    with contextlib.suppress(BaseloadError):
        detect(path)
    with contextlib.suppress(BaseloadError):
        read_bill(path)
