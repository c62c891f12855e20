"""The physical parts of TPOT: times on the data sheet's figures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from baseload.capacity.terms import TERMS, Load, Setup, terms
from baseload.catalog.gpus import gpu, gpus
from baseload.catalog.models import open_model, open_models


@given(
    st.sampled_from(open_models()),
    st.sampled_from(gpus()),
    st.sampled_from([1, 2, 4, 8]),
    st.integers(1, 1024),
    st.integers(16, 32_768),
    st.integers(2, 8192),
)
def test_every_term_is_a_time_and_grows_with_load(model, board, tensor, concurrency, read, made) -> None:  # type: ignore[no-untyped-def]
    """No term is negative; twice the requests, or prompts twice as long, take no term away."""
    setup = Setup(model, board, "bf16", tensor=tensor)
    one = terms(setup, Load(concurrency, read, made))
    assert len(one) == len(TERMS)
    assert min(one) >= 0
    for more in (Load(2 * concurrency, read, made), Load(concurrency, 2 * read, made)):
        assert all(later >= earlier for earlier, later in zip(one, terms(setup, more), strict=True))


def test_dense_weights_take_their_bytes_over_the_bandwidth() -> None:
    """8B at fp8 without embeddings, its output head at 16 bits, over 3.35 TB/s."""
    model = open_model("llama-3.1-8b")
    found = dict(zip(TERMS, terms(Setup(model, gpu("h100"), "fp8"), Load(1, 1024, 1024)), strict=True))
    embeddings = model.vocabulary * model.hidden_size
    expected = (model.parameters - 2 * embeddings + 2 * embeddings) / 3.35e12
    assert abs(found["dense_weights"] / expected - 1) < 0.03


def test_nobody_who_does_not_say_guesses_ahead_for_sure() -> None:
    """A setup's speculation is not said unless it is."""
    assert Setup(open_model("llama-3.1-8b"), gpu("h100"), "fp8").speculative is None
