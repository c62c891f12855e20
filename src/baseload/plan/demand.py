"""What is asked of the serving: volume, mix of tokens, and load over time."""

from __future__ import annotations

from baseload.errors import UsageError
from baseload.plan import words
from baseload.plan.costs import SECONDS_PER_DAY, Mix
from baseload.plan.facts import Facts
from baseload.plan.load import LoadCurve
from baseload.plan.model import ASSUMED, GIVEN
from baseload.plan.question import Question
from baseload.traffic.load import LoadShape
from baseload.traffic.table import Traffic

Source = Traffic | LoadShape
"""Where demand comes from when it is not described: requests, or a published shape of them."""

DEFAULT_OUTPUT_SHARE = 0.5
DESCRIBED_TOKENS_PER_REQUEST = 2048.0
"""Input and output tokens of a described request: they decide a replica's throughput, not the price."""

TEN_MINUTES_S = 600.0
MINUTE_S = 60.0


def demand(question: Question, traffic: Source | None, facts: Facts) -> tuple[float, Mix, LoadCurve]:
    """Tokens per day, mix and load curve of this traffic, or of what the question describes.

    Raises UsageError where the volume is missing or a mix contradicts the traffic.
    """
    if traffic is None:
        return _described(question, facts)
    source = traffic.source or "the traffic"
    day = traffic.tokens_per_day()
    if day.total <= 0:
        raise UsageError("the traffic holds no tokens", hint="choose a file or a period with requests in it")
    tokens_per_day = question.tokens_per_day or day.total
    volume_source = GIVEN if question.tokens_per_day else source
    facts.note("volume", f"{words.tokens(tokens_per_day)} tokens/day, in and out", volume_source)
    mix = _mix(question, traffic, source, facts)
    if isinstance(traffic, LoadShape):
        curve = _curve_of_shape(traffic)
        source = f"{source}; tokens taken to follow its requests"
    else:
        load = traffic.load(TEN_MINUTES_S if traffic.duration_s >= SECONDS_PER_DAY else MINUTE_S)
        curve = LoadCurve.of(load.tokens_per_s, load.window_s)
    _note_curve(curve, source, facts)
    return tokens_per_day, mix, curve


def _mix(question: Question, traffic: Source, source: str, facts: Facts) -> Mix:
    """The traffic's own mix; that of a shape, where only means are known, can be replaced."""
    day = traffic.tokens_per_day()
    load = traffic.load if isinstance(traffic, LoadShape) else traffic.load(traffic.duration_s)
    per_request = day.total / SECONDS_PER_DAY / float(load.requests_per_s.mean())
    output_share, cached_share = day.output / day.total, day.cached / day.input if day.input else 0.0
    if question.output_share is not None or question.cached_share is not None:
        if isinstance(traffic, Traffic):
            raise UsageError(
                "the mix of tokens is the traffic's own", hint="leave out --output-share and --cached-share"
            )
        source = GIVEN
        output_share = output_share if question.output_share is None else question.output_share
        cached_share = cached_share if question.cached_share is None else question.cached_share
    mix = Mix(output_share, cached_share, per_request * (1 - output_share), per_request * output_share)
    _note_mix(mix, source, facts)
    return mix


def _curve_of_shape(shape: LoadShape) -> LoadCurve:
    """The curve of a shape's requests: the lengths in its windows are known in part only, or not at all."""
    requests, window_s = shape.load.requests_per_s, shape.window_s
    wanted_s = TEN_MINUTES_S if shape.duration_s >= SECONDS_PER_DAY else MINUTE_S
    together = max(1, round(wanted_s / window_s))
    whole = len(requests) // together * together
    if not whole:
        return LoadCurve.of(requests, window_s)
    return LoadCurve.of(requests[:whole].reshape(-1, together).mean(axis=1), window_s * together)


def _described(question: Question, facts: Facts) -> tuple[float, Mix, LoadCurve]:
    if question.tokens_per_day is None:
        raise UsageError(
            "nothing says how much traffic there is",
            hint="name a traffic file or shape, or give --tokens-per-day 100M",
        )
    facts.note("volume", f"{words.tokens(question.tokens_per_day)} tokens/day, in and out", GIVEN)
    share = DEFAULT_OUTPUT_SHARE if question.output_share is None else question.output_share
    mix = Mix(
        output_share=share,
        cached_share=question.cached_share or 0.0,
        input_tokens=DESCRIBED_TOKENS_PER_REQUEST * (1 - share),
        output_tokens=DESCRIBED_TOKENS_PER_REQUEST * share,
    )
    _note_mix(mix, ASSUMED if question.output_share is None else GIVEN, facts)
    if question.throughput is None:
        lengths = f"{mix.input_tokens:,.0f} tokens in, {mix.output_tokens:,.0f} out"
        facts.note("length of a request", lengths, ASSUMED)
    facts.note("load over time", "the same at every moment: peak = mean", f"{ASSUMED}; --shape gives it one")
    return question.tokens_per_day, mix, LoadCurve.flat()


def _note_mix(mix: Mix, source: str, facts: Facts) -> None:
    cached = f", {words.percent(mix.cached_share)} of the input cached" if mix.cached_share else ""
    facts.note("mix", f"{words.percent(mix.output_share)} output tokens{cached}", source)


def _note_curve(curve: LoadCurve, source: str, facts: Facts) -> None:
    window = f"{curve.window_s:g} s" if curve.window_s < 120 else f"{curve.window_s / 60:g} min"
    spanned = (
        f"{curve.duration_s / SECONDS_PER_DAY:.3g} days"
        if curve.duration_s >= SECONDS_PER_DAY
        else f"{curve.duration_s / 60:.3g} min"
    )
    value = f"busiest {window} {curve.peak:.2f} × the mean, over {spanned}"
    if curve.duration_s < SECONDS_PER_DAY:
        value += " (less than a day: its rhythm over day and week is not in it)"
    facts.note("load over time", value, source)
