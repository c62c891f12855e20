"""From the file to what requests run on: prices and step times looked up, names resolved, one version.

    baseload.yaml ──load──► Config ──┐
    catalog, day's prices ───────────┴─compile──► Snapshot, which a request keeps from start to end

A reload makes a new Snapshot beside the old one; a file with problems raises and leaves the old in force.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import replace
from pydantic import SecretStr

from baseload import __version__, config
from baseload.capacity.engines import engine_name
from baseload.capacity.steptime import step_time
from baseload.catalog.gpus import gpu
from baseload.catalog.models import OpenModel, open_model
from baseload.catalog.rates import RateTable, load_or_compile
from baseload.config import DEFAULT_TENANT, Config
from baseload.config.fallbacks import is_model
from baseload.config.fields import NO_KEY
from baseload.config.headers import key_header
from baseload.config.providers import FORMATS, endpoint, serves_responses
from baseload.config.schema import (
    ClassSection,
    LimitsSection,
    MeteredSection,
    ModelSection,
    OwnedSection,
    PriceSection,
    TargetSection,
    TierSection,
    TimeoutsSection,
)
from baseload.core import (
    AwsLogin,
    CacheBounds,
    DataClass,
    EntraLogin,
    Fallback,
    Format,
    GoogleLogin,
    Limits,
    LoginSettings,
    LongContext,
    Model,
    Side,
    Slo,
    Snapshot,
    StepTime,
    Target,
    Tenant,
    Timeouts,
    TokenPrice,
    UnitPrice,
)
from baseload.errors import UnknownName, UsageError
from baseload.policy.residency import describe, may_process

RESTART_KEYS = ("listen", "control", "data", "tls", "http", "journal")
"""What a running gateway has opened or sized with: changes wait for the next start."""

VERSION_LETTERS = 12

WRITTEN_MAX_SEQUENCES = 256
"""Admission limit beside a written step time where `max_sequences` is not: vLLM's default."""


class Loaded(NamedTuple):
    """A file that was read: its configuration, what requests run on, and what an operator should know."""

    config: Config
    snapshot: Snapshot
    warnings: tuple[str, ...]


def load_snapshot(
    path: str | Path, today: date, *, cache_dir: Path | None = None, env: Mapping[str, str] | None = None
) -> Loaded:
    """Reads the file and compiles it with today's prices, cached in `cache_dir` (by default in `data`).

    Raises ConfigError for a file with problems, EnvironmentProblem where the file or the prices cannot be
    read; whoever serves keeps the snapshot it has then.
    """
    read = config.load(path, env)
    pairs = needed_rates(read)
    no_rates = RateTable(today.isoformat(), "", {})
    rates = load_or_compile(pairs, today, cache_dir or read.data / "prices") if pairs else no_rates
    return Loaded(read, compile_snapshot(read, rates), tuple(warnings_of(read, rates)))


def needed_rates(read: Config) -> set[tuple[str, str]]:
    """The (provider, model) pairs whose price the file does not write itself."""
    return {
        (target.metered.provider, upstream_model(read, name))
        for name, target in read.targets.items()
        if target.metered and target.metered.price is None
    }


def compile_snapshot(read: Config, rates: RateTable) -> Snapshot:
    """What requests run on: every name resolved, every price and step time that is known filled in."""
    targets = {name: _target(read, name, rates) for name in read.targets}
    classes = {name: _class(name, section) for name, section in read.classes.items()}
    tenants = {
        name: Tenant(
            name,
            classes[section.data_class],
            _limits(section.limits),
            None if section.models is None else frozenset(section.models),
            section.cache,
        )
        for name, section in read.tenants.items()
    }
    tenants.setdefault(DEFAULT_TENANT, Tenant(DEFAULT_TENANT, classes["default"]))
    return Snapshot(
        version=_version(read, rates, targets),
        models={name: _model(name, read, targets) for name in read.models},
        targets=targets,
        tenants=tenants,
        classes=classes,
        open=read.open,
        passthrough={
            group: Model(group_model(group), tuple(targets[name] for name in names))
            for group, names in read.passthrough.groups.items()
            if names
        },
        cache=CacheBounds(read.cache.size, read.cache.entries),
    )


def group_model(group: str) -> str:
    """What stands for a model where a group of paths serves any: no name that a file can give to one."""
    return f"{group}/*"


def warnings_of(read: Config, rates: RateTable) -> Iterator[str]:
    """What an operator should know of a valid file, prices and capacity included."""
    yield from config.warnings(read)
    snapshot = compile_snapshot(read, rates)
    yield from _unpriced_groups(snapshot)
    in_groups = {target.name for model in snapshot.passthrough.values() for target in model.targets}
    in_models = {target.name for model in snapshot.models.values() for target in model.targets}
    for name, section in read.targets.items():
        charged = section.metered is not None and name not in in_groups - in_models
        if charged and snapshot.targets[name].price is None and not _is_unit_priced(snapshot.targets[name]):
            assert section.metered is not None
            pair = f"{section.metered.provider}/{upstream_model(read, name)}"
            yield (
                f"targets.{name}: no price of {pair} is known on {rates.day}: its costs are booked as "
                "unknown; write `price`"
            )
        if section.owned:
            _, why_not = _step_time(read, name)
            if why_not:
                yield f"targets.{name}: its speed cannot be predicted: {why_not}"
    for tenant in snapshot.tenants.values():
        for model in snapshot.models.values():
            allowed = tenant.models is None or model.name in tenant.models
            if allowed and not any(may_process(tenant.data_class, target) for target in model.targets):
                rule = describe(tenant.data_class)
                yield f"tenants.{tenant.name}: no target of model {model.name} may process its data: {rule}"


def needs_restart(old: Config, new: Config) -> list[str]:
    """The keys that differ and take effect at the next start only."""
    changed = [key for key in RESTART_KEYS if getattr(old, key) != getattr(new, key)]
    if old.tls and new.tls and "tls" in changed:  # other files: an open port takes them over
        changed.remove("tls")
    return changed


def upstream_model(read: Config, target: str) -> str:
    """The model's name at this target: its own, else the one clients ask for."""
    own = read.targets[target].model
    asked = (name for name, model in read.models.items() if target in (*model.owned, *model.metered))
    return own or next(asked, target)


def _target(read: Config, name: str, rates: RateTable) -> Target:
    section = read.targets[name]
    owned, metered = section.owned, section.metered
    url = section.url or (endpoint(metered.provider, section.format) if metered else "")
    target = Target(
        name,
        Side.OWNED if owned else Side.METERED,
        url,
        format=_format(section),
        drop_unsupported=section.drop_unsupported,
        responses=_responses(section, url),
        model=section.model,
        region=section.region,
        zero_retention=section.zero_retention,
        context_tokens=section.context,
        timeouts=_timeouts(section.timeouts),
        ca_file=str(section.ca) if section.ca else None,
        credential=_credential(owned or metered),
        headers=tuple((name, value.get_secret_value()) for name, value in section.headers.items()),
    )
    if owned:
        known = _open_model(read, name)
        return replace(
            target,
            engine=owned.engine,
            usd_nano_per_hour=owned.usd_per_hour,
            step=_step_time(read, name)[0],
            context_tokens=section.context or (known.context_tokens if known else None),
        )
    assert metered is not None
    return replace(
        target,
        provider=metered.provider,
        price=_price(read, name, rates),
        login=_login(metered),
        unit_price=UnitPrice(**metered.unit_price.model_dump()),
        key_header=metered.key_header or key_header(metered.provider, target.format),
        api_version=metered.api_version or "",
        quota=_limits(section.quota),
    )


def _format(section: TargetSection) -> Format:
    provider = section.metered.provider if section.metered else ""
    return section.format or FORMATS.get(provider, Format.OPENAI)


def _responses(section: TargetSection, url: str) -> bool:
    if _format(section) is not Format.OPENAI:
        return False
    if section.responses is not None:
        return section.responses
    return section.metered is not None and serves_responses(section.metered.provider, url)


def _credential(side: OwnedSection | MeteredSection | None) -> str:
    written = side.key.get_secret_value() if side and side.key else NO_KEY
    return "" if written == NO_KEY else written


def _login(metered: MeteredSection) -> LoginSettings | None:
    """How the target is signed in to without a lasting key."""
    if entra := metered.entra:
        certificate = str(entra.certificate) if entra.certificate else ""
        secret = _secret(entra.secret)
        return EntraLogin(entra.tenant, entra.client, secret, certificate, entra.authority, entra.scope)
    if google := metered.google:
        return GoogleLogin(_secret(google.service_account), google.scope, google.token_url or "")
    if aws := metered.aws:
        return AwsLogin(
            aws.region,
            aws.access_key or "",
            _secret(aws.secret_key),
            _secret(aws.session_token),
            aws.role or "",
            aws.external_id or "",
            aws.sts or "",
            aws.service,
        )
    return None


def _secret(value: SecretStr | None) -> str:
    return value.get_secret_value() if value else ""


def _price(read: Config, name: str, rates: RateTable) -> TokenPrice | None:
    """The file's price, else the catalog's on the table's day, else None."""
    metered = read.targets[name].metered
    if metered is None:
        return None
    if metered.price is None:
        return rates.price(metered.provider, upstream_model(read, name))
    written = metered.price
    tiers = {word: _written(each, written) for word, each in written.tiers.items()}
    return replace(_written(written, written), tiers=tiers or None)


def _written(part: TierSection, whole: PriceSection) -> TokenPrice:
    """The price of the standard tier or of another one; searches cost the same in all of them."""
    long = part.long_context
    searches = whole.thousand_searches
    return TokenPrice(
        part.input,
        part.output,
        part.cached_input,
        part.cache_write,
        None if long is None else LongContext(**dict(long)),
        whole.source,
        whole.as_of or "",
        part.cache_write_1h,
        part.input_audio,
        part.output_audio,
        part.cached_audio,
        part.output_image,
        None if searches is None else searches * 1000,
    )


def _is_unit_priced(target: Target) -> bool:
    """Whether the file says what this target charges for what passes through."""
    return target.unit_price != UnitPrice()


def _unpriced_groups(snapshot: Snapshot) -> Iterator[str]:
    """Targets of paths that pass through of which nothing says what they charge."""
    for group, model in snapshot.passthrough.items():
        for target in model.targets:
            of_its_model = target.model is not None and target.price is not None
            if target.side is Side.METERED and not _is_unit_priced(target) and not of_its_model:
                yield (
                    f"passthrough.{group}: {target.name} has no price for it: costs are booked as unknown; "
                    "write `unit_price`, or the `model` whose price per token it is"
                )


def _open_model(read: Config, name: str) -> OpenModel | None:
    """The catalog's figures of an owned target's model, where it has them."""
    owned = read.targets[name].owned
    wanted = owned.open_model if owned and owned.open_model else upstream_model(read, name)
    try:
        return open_model(wanted)
    except UnknownName:
        return None


def _step_time(read: Config, name: str) -> tuple[StepTime | None, str]:
    """The step time of an owned target: as written, else predicted, else None and why not."""
    owned = read.targets[name].owned
    if owned is None:
        return None, ""
    if owned.capacity:
        return _written_step(owned), ""
    model = _open_model(read, name)
    if owned.gpus is None:
        return None, "write `gpus`, or measured figures as `capacity`"
    if model is None:
        unknown = upstream_model(read, name)
        return None, f"the catalog has no model {unknown!r}: write `open_model` or `capacity`"
    engine = engine_name(owned.engine)
    precision = owned.precision or model.precisions[0]
    try:
        step = step_time(model, gpu(owned.gpus.name), owned.gpus.number, precision, engine)
    except (UsageError, UnknownName) as error:
        return None, f"{error.message}; write measured figures as `capacity`"
    return replace(step, max_sequences=owned.max_sequences or step.max_sequences), ""


def _written_step(owned: OwnedSection) -> StepTime:
    written = owned.capacity
    assert written is not None
    return StepTime(
        written.base,
        written.per_sequence,
        written.per_kv_token,
        written.per_prefill_token,
        written.kv_tokens,
        owned.max_sequences or WRITTEN_MAX_SEQUENCES,
        written.error,
        "configuration",
    )


def _class(name: str, section: ClassSection) -> DataClass:
    return DataClass(name, section.regions, section.zero_retention)


def _model(name: str, read: Config, targets: Mapping[str, Target]) -> Model:
    model = _served(name, read.models[name], targets)
    written = read.models[name].fallback
    if written is None:
        return model

    def entries(names: tuple[str, ...]) -> tuple[Model, ...]:
        return tuple(
            _served(entry, read.models[entry], targets)
            if is_model(entry, name, read.models)
            else Model(entry, (targets[entry],), model.slo, price_cap=model.price_cap)
            for entry in names
        )

    lists = Fallback(entries(written.context_length), entries(written.content_policy), entries(written.error))
    return replace(model, fallback=lists)


def _served(name: str, section: ModelSection, targets: Mapping[str, Target]) -> Model:
    """A model with its own targets."""
    slo = Slo(section.slo.ttft, section.slo.tpot) if section.slo else Slo()
    served_by = tuple(targets[target] for target in (*section.owned, *section.metered))
    return Model(
        name,
        served_by,
        slo,
        _limits(section.limits),
        section.price_cap,
        cache_ttl_s=section.cache.ttl if section.cache else None,
    )


def _limits(section: LimitsSection | None) -> Limits:
    if section is None:
        return Limits()
    return Limits(section.requests_per_minute, section.tokens_per_minute, section.concurrent)


def _timeouts(section: TimeoutsSection) -> Timeouts:
    return Timeouts(section.connect, section.ttft, section.idle, section.total)


def _version(read: Config, rates: RateTable, targets: Mapping[str, Target]) -> str:
    """Short hash of what decisions depend on: the file with secrets masked, prices, their day, baseload.

    Comments, order of keys and the folder it stands in do not change it.
    """
    folder = Path(read.file).absolute().parent

    def masked(value: object) -> str:
        return os.path.relpath(value, folder) if isinstance(value, Path) else str(value)

    prices = {name: target.price for name, target in targets.items()}
    facts = (__version__, rates.day, read.model_dump(by_alias=True), prices)
    encoded = msgspec.json.encode(facts, order="deterministic", enc_hook=masked)
    return hashlib.sha256(encoded).hexdigest()[:VERSION_LETTERS]
