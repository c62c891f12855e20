"""A real API costs no more than it was allowed to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.core import TokenPrice, Tokens
from baseload.demo.spending import Spending, real_target
from baseload.errors import EnvironmentProblem, UnknownName, UsageError
from baseload.money import nano, token_cost
from baseload.player.result import Reply

PRICE = TokenPrice(input=nano("2.50"), output=nano("10"))


def reply(request: int, *, reason: str, status: int, tokens: Tokens) -> Reply:
    """A reply with the cost of its tokens, where the API was paid."""
    cost = token_cost(tokens, PRICE) if reason != "owned" else None
    return Reply(
        request=request, due_s=0, sent_s=0, end_s=1, status=status, input_tokens=tokens.input,
        output_tokens=tokens.output, counted=status == 200, reason=reason, cost_nano=cost,
    )  # fmt: skip


@given(
    limit=st.integers(0, nano("0.05")),
    requests=st.lists(
        st.tuples(
            st.integers(10, 500), st.integers(1, 100), st.sampled_from(["owned", "spill"]), st.booleans()
        ),
        max_size=60,
    ),
    open_at_once=st.integers(1, 10),
)
def test_the_limit_holds_with_any_number_in_flight(
    limit: int, requests: list[tuple[int, int, str, bool]], open_at_once: int
) -> None:
    """What was paid never passes the limit, even when every answer costs all that its prompt allows."""
    spending, paid, in_flight = Spending(limit, PRICE), 0, []
    for number, (input_tokens, output_tokens, reason, ok) in enumerate(requests):
        if not spending.admit(number, input_tokens, output_tokens):
            break
        tokens = Tokens(input=input_tokens, output=output_tokens)
        in_flight.append(reply(number, reason=reason, status=200 if ok else 500, tokens=tokens))
        if reason != "owned":
            paid += token_cost(tokens, PRICE) or 0
        if len(in_flight) >= open_at_once:
            spending.done(in_flight.pop(0))
        assert paid <= limit


def test_what_came_for_nothing_frees_its_reservation() -> None:
    """Requests that the engine answered do not use up the dollars."""
    spending = Spending(nano("0.01"), PRICE)
    for number in range(1000):
        assert spending.admit(number, 100, 20)
        spending.done(reply(number, reason="owned", status=200, tokens=Tokens(100, output=20)))
    assert spending.settled_nano == 0


def test_a_reply_without_a_count_keeps_its_reservation() -> None:
    """What cannot be known to be cheap is taken to be dear."""
    spending = Spending(nano("0.01"), PRICE)
    assert spending.admit(0, 100, 20)
    spending.done(reply(0, reason="spill", status=500, tokens=Tokens()))
    assert spending.settled_nano > 0


def test_a_real_api_is_named_with_or_without_its_model() -> None:
    """The key stays a reference to the environment: it is written nowhere."""
    environment = {"OPENAI_API_KEY": "sk-secret", "XAI_API_KEY": "x"}
    assert real_target("openai", environment).model == "gpt-4o-mini"
    target = real_target("grok/grok-4", environment)
    assert (target.provider, target.model, target.key) == ("x-ai", "grok-4", "${XAI_API_KEY}")
    assert "sk-secret" not in repr(real_target("openai/gpt-4o", environment))


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("opena", UnknownName, "did you mean 'openai'"),
        ("anthropic", UnknownName, "OpenAI-format"),
        ("groq", UsageError, "groq/MODEL"),
        ("openai", EnvironmentProblem, "OPENAI_API_KEY is not set"),
    ],
)
def test_what_cannot_be_asked_is_refused(name: str, error: type[Exception], text: str) -> None:
    """A wrong name, a missing model and a missing key each say what to do."""
    with pytest.raises(error) as caught:
        real_target(name, {})
    assert text in str(caught.value)
