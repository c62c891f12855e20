"""What upstream answers mean, retry budgets, and how long to wait."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.errors import UPSTREAM_CREDENTIALS, UPSTREAM_ERROR, UPSTREAM_MODEL, UPSTREAM_NO_ROOM
from baseload.policy.mistranslation import field_named
from baseload.policy.retry import VERDICTS, Kind, RetryBudget, backoff_s, classify, retry_after_s

NOW_S = 1_700_000_000.0


@pytest.mark.parametrize(
    ("status", "code", "type_", "message", "kind"),
    [
        (500, None, None, "", Kind.TROUBLE),
        (502, None, None, "<html>", Kind.TROUBLE),
        (503, None, "server_error", "", Kind.TROUBLE),
        (504, None, None, "", Kind.TROUBLE),
        (408, None, None, "", Kind.TROUBLE),
        (409, None, None, "", Kind.TROUBLE),
        (429, "rate_limit_exceeded", "tokens", "", Kind.NO_ROOM),
        (429, None, None, "", Kind.NO_ROOM),
        (529, None, "overloaded_error", "Overloaded", Kind.NO_ROOM),
        (503, "overloaded", None, "", Kind.NO_ROOM),
        (503, "slow_down", None, "", Kind.NO_ROOM),
        (429, "insufficient_quota", "insufficient_quota", "", Kind.DEAD_CREDENTIAL),
        (429, None, "insufficient_quota", "", Kind.DEAD_CREDENTIAL),
        (401, "invalid_api_key", "invalid_request_error", "", Kind.DEAD_CREDENTIAL),
        (402, 402, None, "Insufficient credits", Kind.DEAD_CREDENTIAL),
        (403, None, "permission_error", "", Kind.DEAD_CREDENTIAL),
        (400, None, "invalid_request_error", "Your credit balance is too low to", Kind.DEAD_CREDENTIAL),
        (400, None, None, "bad value: 'your credit balance is too low'", Kind.CLIENT_MISTAKE),
        (403, "insufficient_permissions", None, "", Kind.DEAD_CREDENTIAL),
        (403, "billing_not_active", None, "", Kind.DEAD_CREDENTIAL),
        (403, "unsupported_country_region_territory", "request_forbidden", "", Kind.CLIENT_MISTAKE),
        (403, 403, None, "Your chosen model requires moderation", Kind.CLIENT_MISTAKE),
        (403, None, None, "", Kind.CLIENT_MISTAKE),
        (403, "content_filter", None, "", Kind.CONTENT_POLICY),
        (403, "model_not_found", "invalid_request_error", "", Kind.MODEL_MISSING),
        (404, "model_not_found", "invalid_request_error", "", Kind.MODEL_MISSING),
        (404, 404, "NotFoundError", "The model `x` does not exist.", Kind.MODEL_MISSING),
        (404, None, "not_found_error", "model: claude", Kind.MODEL_MISSING),
        (404, None, None, "", Kind.MODEL_MISSING),
        (404, "file_not_found", None, "", Kind.CLIENT_MISTAKE),
        (405, None, None, "", Kind.TRANSLATION),
        (302, None, None, "", Kind.TRANSLATION),
        (415, None, None, "", Kind.TRANSLATION),
        (400, "context_length_exceeded", "invalid_request_error", "", Kind.CONTEXT_LENGTH),
        (400, 400, "BadRequestError", "This model's maximum context length is 4096", Kind.CONTEXT_LENGTH),
        (400, None, "exceed_context_size_error", "", Kind.CONTEXT_LENGTH),
        (400, None, "invalid_request_error", "prompt is too long: 210000 tokens", Kind.CONTEXT_LENGTH),
        (400, "content_filter", None, "", Kind.CONTENT_POLICY),
        (400, "content_policy_violation", None, "", Kind.CONTENT_POLICY),
        (400, None, "invalid_request_error", "'temperature' must be at most 2", Kind.CLIENT_MISTAKE),
        (413, None, None, "", Kind.CLIENT_MISTAKE),
        (422, None, None, "", Kind.CLIENT_MISTAKE),
    ],
)
def test_answers_mean_what_the_table_says(
    status: int, code: str | int | None, type_: str | None, message: str, kind: Kind
) -> None:
    """Each error answer of the providers and engines we know has the stated meaning."""
    assert classify(status, code, type_, message).kind is kind


@pytest.mark.parametrize(
    ("code", "param", "kind"),
    [
        (None, "input", Kind.CLIENT_MISTAKE),
        (404, "response_id", Kind.CLIENT_MISTAKE),
        (None, "model", Kind.MODEL_MISSING),
        (404, "model", Kind.MODEL_MISSING),
        ("model_not_found", "input", Kind.MODEL_MISSING),
        (None, "", Kind.MODEL_MISSING),
    ],
)
def test_a_404_that_names_another_field_is_the_clients(
    code: str | int | None, param: str, kind: Kind
) -> None:
    """OpenAI's "Item with id 'rs_…' not found": a client's stale history must not put a target out of use."""
    said = classify(404, code, "invalid_request_error", "Item with id 'rs_1' not found.", param)
    assert said.kind is kind


OPENAI = "invalid_request_error"


@pytest.mark.parametrize(
    ("status", "code", "type_", "message", "kind"),
    [
        (400, "unknown_parameter", OPENAI, "Unknown parameter: 'x'.", Kind.MISTRANSLATED),
        (400, "unsupported_parameter", OPENAI, "", Kind.MISTRANSLATED),
        (400, "unsupported_value", OPENAI, "'messages[0].role' does not …", Kind.MISTRANSLATED),
        (400, "invalid_type", OPENAI, "Invalid type for 'tools[0]': expected an object", Kind.MISTRANSLATED),
        (
            400,
            None,
            OPENAI,
            "Unsupported parameter: 'temperature' is not supported with this model.",
            Kind.MISTRANSLATED,
        ),
        (400, None, OPENAI, "Web search options not supported with this model.", Kind.MISTRANSLATED),
        (400, None, OPENAI, "Unrecognized request argument supplied: reasoning_effort", Kind.MISTRANSLATED),
        (400, OPENAI, OPENAI, "tools.0.custom.x: Extra inputs are not permitted", Kind.MISTRANSLATED),
        (
            400,
            OPENAI,
            OPENAI,
            "messages.0.content.0: Input tag 'x' found using 'type' does not",
            Kind.MISTRANSLATED,
        ),
        (400, OPENAI, OPENAI, "tools.0.custom.input_schema.type: Field required", Kind.MISTRANSLATED),
        (400, OPENAI, OPENAI, "This model does not support the effort parameter.", Kind.MISTRANSLATED),
        (
            400,
            None,
            OPENAI,
            'Invalid JSON payload received. Unknown name "x": Cannot find field.',
            Kind.MISTRANSLATED,
        ),
        (400, None, OPENAI, "Invalid value at 'tools[0]' (TYPE_STRING), 5", Kind.MISTRANSLATED),
        (
            400,
            OPENAI,
            OPENAI,
            "This model doesn't support the s3Uri field. Remove s3Uri and",
            Kind.MISTRANSLATED,
        ),
        (
            400,
            OPENAI,
            OPENAI,
            "Malformed input request: #/m: extraneous key [t] is not permitted",
            Kind.MISTRANSLATED,
        ),
        (
            400,
            400,
            "BadRequestError",
            "[{'type': 'extra_forbidden', 'loc': ('body', 'x')}]",
            Kind.MISTRANSLATED,
        ),
        (
            422,
            None,
            None,
            "Failed to deserialize the JSON body: messages[0]: missing field",
            Kind.MISTRANSLATED,
        ),
        (422, None, None, "[{'type': 'extra_forbidden'}]", Kind.MISTRANSLATED),
        (400, None, OPENAI, "'messages.2': property 'reasoning_content' is unsupported", Kind.MISTRANSLATED),
        (400, "decimal_below_min_value", OPENAI, "Invalid 'temperature': decimal below", Kind.CLIENT_MISTAKE),
        (
            400,
            "unsupported_file",
            OPENAI,
            "The file type you uploaded is not supported.",
            Kind.CLIENT_MISTAKE,
        ),
        (400, OPENAI, OPENAI, "top_p: Input should be less than or equal to 1", Kind.CLIENT_MISTAKE),
        (400, OPENAI, OPENAI, "messages: at least one message is required", Kind.CLIENT_MISTAKE),
        (400, None, OPENAI, "Cannot fetch content from the provided URL.", Kind.CLIENT_MISTAKE),
        (400, None, OPENAI, "No tool output found for tool call call-a.", Kind.CLIENT_MISTAKE),
        (403, "unsupported_country_region_territory", None, "", Kind.CLIENT_MISTAKE),
        (400, "context_length_exceeded", OPENAI, "Unknown parameter: 'x'.", Kind.CONTEXT_LENGTH),
        (400, "content_filter", None, "Extra inputs are not permitted", Kind.CONTENT_POLICY),
        (404, "model_not_found", OPENAI, "Unknown parameter: 'x'.", Kind.MODEL_MISSING),
        (500, None, None, "Unknown parameter: 'x'.", Kind.TROUBLE),
    ],
)
def test_what_a_target_does_not_know_is_ours_where_we_wrote_it(
    status: int, code: str | int | None, type_: str | None, message: str, kind: Kind
) -> None:
    """Providers' words for a field or its shape; said of a client's own bytes they mean its mistake."""
    assert classify(status, code, type_, message, crossed=True).kind is kind
    passed = Kind.CLIENT_MISTAKE if kind is Kind.MISTRANSLATED else kind
    assert classify(status, code, type_, message).kind is passed


@pytest.mark.parametrize(
    ("param", "message", "named"),
    [
        ("tools[0].strict", "whatever", "tools[0].strict"),
        (None, "Unknown parameter: 'x'.", "x"),
        (None, "tools.0.custom.x: Extra inputs are not permitted", "tools.0.custom.x"),
        (None, "[{'type': 'extra_forbidden', 'loc': ('body', 'x'), 'msg': 'Extra'}]", "body.x"),
        (None, "Unrecognized request argument supplied: reasoning_effort", "reasoning_effort"),
        (None, "Invalid JSON payload received. Unknown name \"x\" at 'tools'", "x"),
        (None, "This model doesn't support the s3Uri field.", "s3Uri"),
        (None, "extraneous key [toolResult] is not permitted", "toolResult"),
        (None, "No idea.", ""),
        ("a\nb" + "c" * 200, "", "ab" + "c" * 98),
    ],
)
def test_the_log_names_the_field(param: str | None, message: str, named: str) -> None:
    """In plain letters, since a client may have chosen them."""
    assert field_named(param, message) == named


def test_verdicts_say_what_to_do() -> None:
    """Trouble ejects, a full target does not, our own credentials are never the client's 401."""
    assert VERDICTS.keys() == set(Kind)
    assert (VERDICTS[Kind.TROUBLE].fault, VERDICTS[Kind.TROUBLE].ejects) == (UPSTREAM_ERROR, True)
    assert (VERDICTS[Kind.NO_ROOM].fault, VERDICTS[Kind.NO_ROOM].ejects) == (UPSTREAM_NO_ROOM, False)
    assert VERDICTS[Kind.DEAD_CREDENTIAL].fault is UPSTREAM_CREDENTIALS
    assert UPSTREAM_CREDENTIALS.status == 502
    assert (VERDICTS[Kind.MODEL_MISSING].fault, VERDICTS[Kind.MODEL_MISSING].alarm) == (UPSTREAM_MODEL, True)
    mistranslated = VERDICTS[Kind.MISTRANSLATED]
    assert (mistranslated.ejects, mistranslated.alarm) == (False, True)
    for kind in (Kind.CLIENT_MISTAKE, Kind.CONTEXT_LENGTH, Kind.CONTENT_POLICY):
        assert VERDICTS[kind] == (kind, None, False, False)


@given(
    st.integers(100, 999),
    st.none() | st.text() | st.integers(),
    st.none() | st.text(),
    st.text(),
    st.booleans(),
)
def test_every_answer_has_a_meaning(
    status: int, code: str | int | None, type_: str | None, message: str, crossed: bool
) -> None:
    """Whatever an upstream says, there is a verdict, and what is the client's own moves no target."""
    verdict = classify(status, code, type_, message, crossed=crossed)
    assert verdict.fault is not None or not (verdict.ejects or verdict.alarm)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({b"retry-after": b"7"}, 7.0),
        ({b"retry-after": b" 0.5 "}, 0.5),
        ({b"retry-after-ms": b"250"}, 0.25),
        ({b"x-ms-retry-after-ms": b"1500"}, 1.5),
        ({b"retry-after": b"9", b"retry-after-ms": b"8500"}, 8.5),
        ({b"retry-after": b"9", b"retry-after-ms": b"soon"}, 9.0),
        ({b"retry-after": formatdate(NOW_S + 30, usegmt=True).encode()}, 30.0),
        ({b"retry-after": formatdate(NOW_S - 30, usegmt=True).encode()}, None),
        ({b"retry-after": b"86400"}, 60.0),
        ({b"retry-after": b"0"}, None),
        ({b"retry-after": b"-5"}, None),
        ({b"retry-after": b"1e3"}, None),
        ({b"retry-after": b""}, None),
        ({b"retry-after": b"\xff"}, None),
        ({}, None),
    ],
)
def test_retry_after_in_all_its_forms(headers: dict[bytes, bytes], wait_s: float | None) -> None:
    """Seconds, milliseconds and HTTP dates are honoured up to a minute; nonsense and the past are not."""
    assert retry_after_s(headers, NOW_S) == wait_s


@given(st.binary(max_size=80) | st.text("0123456789 :,-+.GMTSunOctea", max_size=40).map(str.encode))
def test_no_header_breaks_the_parser(value: bytes) -> None:
    """An upstream's header is hostile input: any bytes give a time within (0, 60] or None."""
    wait_s = retry_after_s({b"retry-after": value, b"retry-after-ms": value}, NOW_S)
    assert wait_s is None or 0.0 < wait_s <= 60.0


def test_backoff_doubles_from_a_tenth_to_five_seconds() -> None:
    """Full jitter below 0.1 s · 2^n, never above 5 s."""
    assert [backoff_s(n, 1.0) for n in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert backoff_s(3, 0.25) == 0.2
    assert backoff_s(10_000, 1.0) == 5.0


@given(st.lists(st.tuples(st.floats(0, 4), st.integers(0, 30), st.integers(0, 30)), max_size=40))
def test_retries_stay_within_a_fifth_of_the_last_ten_seconds(steps: list[tuple[float, int, int]]) -> None:
    """A retry passes iff those of the last ten seconds are fewer than 20% of their requests, plus 3."""
    budget, now_s = RetryBudget(), 50.0
    requests: list[float] = []
    retries: list[float] = []
    for gap_s, asked, retried in steps:
        now_s += gap_s
        for _ in range(asked):
            budget.request(now_s)
            requests.append(now_s)
        for _ in range(retried):
            recent = sum(1 for at_s in retries if int(at_s) > int(now_s) - 10)
            base = sum(1 for at_s in requests if int(at_s) > int(now_s) - 10)
            assert budget.take(now_s) == (recent < 0.2 * base + 3)
            if recent < 0.2 * base + 3:
                retries.append(now_s)
