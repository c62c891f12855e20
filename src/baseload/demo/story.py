"""The demo, step by step:

    start_places      a real engine, measured, and one metered API beside it (a twin, unless --real)
    start_gateway     baseload.yaml, one tenant, one key, `baseload serve` in front of both
    play_traffic      real traffic through it, with a live view; saturation, spill, and its end
    read_ledger_back  what the gateway itself recorded: where requests went and what they cost
    plan_both         that traffic as a plan, and the plan of a large published load; two HTML reports

Every process it starts is stopped when it ends, however it ends; what stays is the output folder.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from baseload.core import TokenPrice
from baseload.demo.configuration import (
    MODEL,
    OWNED_TARGET,
    SLO_TTFT_S,
    TENANT,
    USD_PER_HOUR,
    MeteredTarget,
    write_configuration,
)
from baseload.demo.gauge import EngineGauge
from baseload.demo.load import (
    SURGE_BEGIN,
    SURGE_END,
    SURGE_SERVICES,
    Rate,
    shipped_traffic,
    trace_traffic,
)
from baseload.demo.measure import Measured, measure_engine, requests_per_s
from baseload.demo.processes import Child, Children
from baseload.demo.screen import Moment, Screen, summary
from baseload.demo.spending import Spending, real_target
from baseload.demo.timeline import clock, main_phase, rows, spill_phases
from baseload.errors import EnvironmentProblem, UsageError
from baseload.gateway.snapshot import load_snapshot
from baseload.keys import KeyStore
from baseload.ledger.launch import store_path
from baseload.ledger.store import Store
from baseload.money import nano, show
from baseload.plan.decide import plan
from baseload.plan.model import Plan
from baseload.plan.question import Question
from baseload.player.client import Endpoint
from baseload.player.play import PlaySettings, play
from baseload.player.result import Played, Reply, Snapshot
from baseload.traffic.ledger import read_ledger
from baseload.traffic.load import LoadShape
from baseload.traffic.shapes import servegen_m_large
from baseload.traffic.table import Traffic

ENGINE_MODEL = "smollm2-135m-instruct"
ENGINE_SEQUENCES = 4
ENGINE_CONTEXT_TOKENS = 1024
API_MODEL = "gpt-4o"
MARK = ".baseload-demo"
"""A file that says an output folder is ours to replace."""

TWIN = MeteredTarget(
    "simulated-gpt-4o", "openai", API_MODEL, "none", "SIMULATED (baseload twin), at gpt-4o's published price"
)


class DemoOptions(Struct, frozen=True):
    """What `baseload demo` was asked."""

    out: Path
    trace: Path | None = None
    real: str | None = None
    max_usd: float | None = None
    play_s: float = 66.0
    seed: int = 1


class Places(Struct, frozen=True):
    """The two places that serve, running."""

    engine: Child
    engine_url: str
    measured: Measured
    metered: MeteredTarget


class Running(Struct, frozen=True):
    """The gateway, running."""

    child: Child
    endpoint: Endpoint
    configuration: Path
    data: Path
    price: TokenPrice


def tell(options: DemoOptions, screen: Screen) -> None:
    """The whole story. Raises EnvironmentProblem or UsageError with what to do, after cleaning up."""
    metered = real_target(options.real) if options.real else TWIN
    if options.real and options.max_usd is None:
        raise UsageError("--real spends money", hint="say how much at most: --max-usd 0.50")
    prepare_output(options.out)
    with Children(options.out / "logs") as children:
        screen.step(1, "A real engine on this CPU, and an API beside it")
        places = start_places(children, metered, screen)
        screen.step(2, "The gateway in front of both")
        running = start_gateway(children, places, options, screen)
        screen.step(3, "Real traffic through it")
        traffic = traffic_to_play(options, places.measured, screen)
        asyncio.run(play_traffic(traffic, places, running, options, screen))
        running.child.stop()  # its ledger is complete when it has ended
    screen.step(4, "What the gateway's own ledger says")
    own = read_ledger_back(running, screen)
    screen.step(5, "Two plans: this traffic, and two weeks of a large service")
    plan_both(own, options.out, screen)
    say_where_to_look(options, running, screen)


def prepare_output(out: Path) -> None:
    """An empty output folder; UsageError where there is one that no demo made."""
    if out.exists() and not (out / MARK).exists() and any(out.iterdir()):
        raise UsageError(f"{out} holds something else", hint="choose another folder with --out")
    shutil.rmtree(out, ignore_errors=True)
    (out / "logs").mkdir(parents=True)
    (out / MARK).touch()


def start_places(children: Children, metered: MeteredTarget, screen: Screen) -> Places:
    """The engine and, unless the API is real, its twin; the engine is measured before it is used."""
    # One thread computes nearly as fast as two, and leaves a core for the gateway.
    engine = children.start(
        "engine", "engine", "--port", "0", "--json", "--threads", "1",
        "--max-sequences", str(ENGINE_SEQUENCES), "--max-model-len", str(ENGINE_CONTEXT_TOKENS),
    )  # fmt: skip
    if metered is TWIN:
        twin = children.start(
            "twin", "twin", "provider", "--provider", "openai", "--model", API_MODEL, "--port", "0", "--json"
        )
        metered = msgspec.structs.replace(metered, url=str(twin.event(20)["url"]))
    engine_url = str(engine.event(20)["url"])
    ready = engine.event(90)
    screen.say(f"owned: SmolLM2-135M on OpenVINO, loaded in {ready['load_s']} s, {engine_url}")
    measured = asyncio.run(
        measure_engine(
            Endpoint.parse(engine_url),
            ENGINE_MODEL,
            max_sequences=ENGINE_SEQUENCES,
            kv_tokens=ENGINE_SEQUENCES * ENGINE_CONTEXT_TOKENS,
        )
    )
    step = measured.step
    screen.say(
        f"  measured: a step takes {step.base_s * 1000:.0f} ms + {step.per_sequence_s * 1000:.1f} ms "
        f"a request, a prompt token {step.per_prefill_token_s * 1000:.1f} ms"
    )
    if metered.url:
        screen.say(f"metered: {metered.name}, SIMULATED at published prices, {metered.url}")
    else:
        screen.say(f"metered: {metered.model} of {metered.provider}, REAL: this spends money")
    return Places(engine, engine_url, measured, metered)


def start_gateway(children: Children, places: Places, options: DemoOptions, screen: Screen) -> Running:
    """Write baseload.yaml, make a key, start `baseload serve`."""
    path = options.out / "baseload.yaml"
    path.write_text(
        write_configuration(
            places.engine_url, ENGINE_MODEL, ENGINE_CONTEXT_TOKENS, places.measured.step, places.metered
        )
    )
    data = options.out / "baseload-data"
    key, _ = KeyStore(data).create(TENANT, name="demo")
    child = children.start("gateway", "serve", "--config", str(path), "--json")
    started = child.event(60)
    configured = load_snapshot(path, datetime.now(UTC).date()).snapshot
    price = configured.targets[places.metered.name].price
    if price is None:
        raise EnvironmentProblem(f"no price of {places.metered.model} is known", hint="name another model")
    url = f"http://{started['host']}:{started['port']}/v1"
    screen.say(f"{url}, configured by {path}, one tenant, one key")
    screen.say(
        f"the engine is priced at an assumed ${USD_PER_HOUR} an hour; the API at {show(price.input)} "
        f"a million tokens in, {show(price.output)} out ({price.source}, {price.as_of})"
    )
    screen.say(f"requests go to the engine while it promises a first token within {SLO_TTFT_S:g} s")
    return Running(child, Endpoint.parse(url, key), path, data, price)


def traffic_to_play(options: DemoOptions, measured: Measured, screen: Screen) -> Traffic:
    """The trace, or the shipped hour of Azure, in the time there is."""

    def full_rate(traffic: Traffic) -> float:
        return requests_per_s(measured.step, traffic)

    rate: Rate = full_rate
    if options.trace is not None:
        traffic = trace_traffic(options.trace, options.play_s, rate)
    else:
        traffic = shipped_traffic(options.play_s, options.seed, rate)
        begin, end = (clock(share * options.play_s) for share in (SURGE_BEGIN, SURGE_END))
        screen.say(
            f"one service's hour; in its busiest part, {begin} to {end}, {SURGE_SERVICES} more like it"
        )
    screen.say(f"{len(traffic)} requests in {options.play_s:.0f} s, {traffic.source}")
    screen.say(
        f"lengths scaled to {traffic.input_tokens.mean():.0f} tokens in and "
        f"{traffic.output_tokens.mean():.0f} out on average: "
        f"the engine is full at {rate(traffic):.1f} requests/s"
    )
    return traffic


async def play_traffic(
    traffic: Traffic, places: Places, running: Running, options: DemoOptions, screen: Screen
) -> None:
    """Play it, showing each moment, then what came of it."""
    spending = Spending(nano(options.max_usd), running.price) if options.max_usd is not None else None
    settings = PlaySettings(
        model=MODEL,
        seed=options.seed,
        lengths=places.measured.lengths,
        ignore_eos=options.real is None,  # for answers of the traffic's length; providers refuse it
        prices={places.metered.name: running.price},
    )
    gauge = EngineGauge(places.engine_url, ENGINE_SEQUENCES)
    watching = asyncio.create_task(gauge.watch())
    try:
        with screen.play() as view:

            def watch(snapshot: Snapshot, replies: Sequence[Reply]) -> None:
                places.engine.check()
                running.child.check()
                view.show(Moment(snapshot, gauge.load(), tuple(replies), traffic.duration_s))

            played = await play(traffic, running.endpoint, settings, watch=watch, gate=spending)
        show_play(played, traffic, gauge.most_waiting, screen)
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


def show_play(played: Played, traffic: Traffic, most_waiting: int, screen: Screen) -> None:
    """The timeline, and the story it tells."""
    for row in rows(played.replies, traffic.duration_s, ramp=screen.ramp):
        screen.say(row)
    totals, phases = played.totals, spill_phases(played.replies)
    screen.say(f"{summary(played.replies)}; {played.requests_per_s:.1f} requests/s")
    if totals.ttft_p50_s is not None and totals.ttft_p99_s is not None:
        screen.say(f"TTFT p50 {totals.ttft_p50_s:.2f} s, p99 {totals.ttft_p99_s:.2f} s")
    main = main_phase(phases)
    if main is None:
        screen.say("the engine was never saturated: nothing spilled")
    else:
        screen.say(f"saturated: at its fullest the engine ran {ENGINE_SEQUENCES} with {most_waiting} waiting")
        screen.say(
            f"spill began at {clock(main.begin_s)}, ended at {clock(main.end_s)}: "
            f"{main.spilled} of the {main.sent} requests sent meanwhile"
        )
        others = [phase for phase in phases if phase is not main]
        if others:
            times = ", ".join(clock(phase.begin_s) for phase in others)
            screen.say(f"shorter spills ({sum(phase.spilled for phase in others)} requests) at {times}")
    if played.held:
        screen.say(f"the player itself held {played.held} requests back: it was the bottleneck")
    if played.late_p99_s > 0.1:
        screen.say(f"the player itself was up to {played.late_p99_s:.2f} s late (p99)")
    if played.stopped:
        screen.say("stopped early: the next request could have passed --max-usd")


def read_ledger_back(running: Running, screen: Screen) -> Traffic:
    """Where requests went and what they cost, from the ledger alone; its requests as traffic."""
    with Store(store_path(running.data)) as store:
        for totals in store.totals(["target", "reason"]):
            target, reason = totals.group
            other = "owned it would have taken" if target != OWNED_TARGET else "bought it would have cost"
            screen.say(
                f"{target}, {reason}: {totals.requests} requests, {totals.input_tokens:,} tokens in, "
                f"{totals.output_tokens:,} out, {show(totals.cost_nano)}; "
                f"{other} {show(totals.counterfactual_nano)}"
            )
        paid_nano = sum(owned.price_nano + owned.open_price_nano for owned in store.owned())
    screen.say(f"the engine's time: {show(paid_nano)} at the assumed ${USD_PER_HOUR} an hour, used or not")
    return read_ledger(running.data)


def plan_both(own: Traffic, out: Path, screen: Screen) -> None:
    """The ledger's traffic as if it came all day, and two weeks of ServeGen's m-large, with reports."""
    question = Question(api=(API_MODEL,), model="llama-3.3-70b", gpu="h100", gpus=2, precision="fp8")
    screen.say(f"Llama 3.3 70B on 2×H100 (FP8), against {API_MODEL} and against the same model as an API")
    sources: tuple[tuple[str, Traffic | LoadShape, str], ...] = (
        ("This traffic, as if it came all day", own, "plan-of-this-traffic.html"),
        ("Two weeks of a large service (ServeGen m-large)", servegen_m_large(), "plan.html"),
    )
    for title, source, report in sources:
        found = plan(source, question)
        found.report(out / report)
        screen.heading(title)
        show_plan(found, screen)


def show_plan(found: Plan, screen: Screen) -> None:
    """A plan's answer, its options, and where owning breaks even."""
    screen.say(found.answer)
    options = [
        (
            option.name,
            f"${option.usd_per_month:,.0f}",
            str(option.replicas),
            f"{option.owned_tokens_share:.0%}",
            "cheapest" if option is found.cheapest else "",
        )
        for option in found.options
    ]
    screen.table([("option", "$/month", "replicas", "owned tokens", ""), *options])
    for against in found.break_even:
        screen.say(against.words)


def say_where_to_look(options: DemoOptions, running: Running, screen: Screen) -> None:
    """Files and the next commands."""
    out = options.out
    screen.console.print("\nDone. Every process is stopped; this is what stays:")
    screen.say(f"{out / 'plan.html'}  the plan as a report, opens offline")
    screen.say(f"{out / 'plan-of-this-traffic.html'}  the same for what was just played")
    screen.say(f"{running.configuration}  the gateway's configuration")
    screen.say(f"{running.data}  its ledger; {out / 'logs'}  what the processes said")
    screen.console.print("Next:")
    screen.say(f"baseload ledger show --data {running.data}")
    screen.say(f"baseload ledger totals --data {running.data} --by target,reason")
    screen.say(f"baseload plan ledger:{running.data} --api {API_MODEL} --model llama-3.3-70b")
    screen.say("baseload demo --trace YOUR_TRACE.csv")
