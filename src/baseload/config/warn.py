"""What is valid and still worth an operator's attention: warnings, never refusals."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from baseload.config.fields import NO_KEY
from baseload.config.schema import Config, FallbackSection, MeteredSection, OwnedSection, TargetSection
from baseload.core import UNPLACED, Slo
from baseload.errors import nearest


def warnings(config: Config) -> Iterator[str]:
    """Everything of this kind that the file alone shows, each beginning with the key it is about."""
    if config.open:
        reach = "this machine" if config.listen.is_loopback else f"everyone who reaches {config.listen}"
        yield f"open: requests need no key: {reach} can spend on every metered target"
    if not config.control.is_loopback:
        yield f"control: {config.control} is reachable from other machines: keep it behind a private network"
    for key in config.literal_keys:
        yield f"{key}: a credential stands in the file: write ${{ENV}} or ${{file:PATH}}"
    yield from _models(config)
    yield from _caches(config)
    yield from _targets(config)
    yield from _regions(config)


def _models(config: Config) -> Iterator[str]:
    default = Slo()
    for name, model in config.models.items():
        if model.slo is None:
            yield (
                f"models.{name}.slo: is not written: {default.ttft_s:g} s to the first token and "
                f"{default.tpot_s:g} s a token hold"
            )


def _caches(config: Config) -> Iterator[str]:
    """Models whose answers nobody lets be kept."""
    if not any(tenant.cache for tenant in config.tenants.values()):
        for name, model in config.models.items():
            if model.cache is not None:
                yield f"models.{name}.cache: keeps nothing: no tenant has `cache: true`"


def _targets(config: Config) -> Iterator[str]:
    used = {target for model in config.models.values() for target in (*model.owned, *model.metered)}
    used.update(name for names in config.passthrough.groups.values() for name in names)
    used |= {name for model in config.models.values() for name in _listed(model.fallback)}
    for name, target in config.targets.items():
        if name not in used:
            yield f"targets.{name}: no model lists it, nor a group of `passthrough`"
        side = target.owned or target.metered
        if side and _is_signed_in(side) and _in_the_clear(target):
            yield f"targets.{name}.url: the credential crosses the network unencrypted: use https"


def _listed(fallback: FallbackSection | None) -> tuple[str, ...]:
    """Every name in a model's fallback lists."""
    if fallback is None:
        return ()
    return (*fallback.context_length, *fallback.content_policy, *fallback.error)


def _is_signed_in(side: OwnedSection | MeteredSection) -> bool:
    if isinstance(side, MeteredSection) and (side.entra or side.google or side.aws):
        return True
    return side.key is not None and side.key.get_secret_value() != NO_KEY


def _in_the_clear(target: TargetSection) -> bool:
    """Whether the URL is plain HTTP to an address that is not plainly private."""
    parts = urlsplit(target.url or "https://")
    if parts.scheme != "http":
        return False
    try:
        return not ipaddress.ip_address(parts.hostname or "").is_private
    except ValueError:
        return "." in (parts.hostname or "") and not (parts.hostname or "").endswith((".local", ".internal"))


def _regions(config: Config) -> Iterator[str]:
    """Classes that ask for regions, against the regions that targets name."""
    placed = {
        target.region for target in config.targets.values() if target.region and target.region not in UNPLACED
    }
    asking = [name for name, section in config.classes.items() if section.regions is not None]
    for name in asking:
        for region in sorted((config.classes[name].regions or frozenset()) - placed):
            near = nearest(region, placed)
            hint = f"; did you mean {near!r}?" if near else ""
            yield f"classes.{name}.regions: no target is in {region!r}{hint}"
    for name, target in config.targets.items() if asking else ():
        if target.region not in placed:
            found = f"{target.region!r} names no place" if target.region else "is not written"
            yield f"targets.{name}.region: {found}: no class with regions ({', '.join(asking)}) may use it"
