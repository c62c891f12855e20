"""What GPUs cost by the hour: on-demand and spot prices of instances, each with its source and date."""

from __future__ import annotations

from functools import cache

from msgspec import Struct

from baseload.catalog.gpus import gpu as find_gpu
from baseload.catalog.tables import Overrides, Row, merge, parsed, shipped
from baseload.money import nano

TABLE = "gpu_offers.csv"


class GpuOffer(Struct, frozen=True):
    """One instance type in one region at its list price.

    `gpu` is a name of the GPU table; `region` "*" means the same price in every region of the provider.
    Prices are nano-dollars per instance-hour; `spot_usd_nano_per_hour` None: not known, not "no spot".
    `as_of` is the date of the price, as exactly as its source tells; `checked` says where GPU kind and count
    were confirmed.
    """

    provider: str
    region: str
    instance: str
    gpu: str
    gpus: int
    usd_nano_per_hour: int
    spot_usd_nano_per_hour: int | None
    source: str
    as_of: str
    checked: str

    @property
    def usd_nano_per_gpu_hour(self) -> int:
        """The on-demand price of one GPU for an hour, in whole nano-dollars."""
        return self.usd_nano_per_hour // self.gpus


def gpu_offers(
    gpu: str | None = None,
    *,
    provider: str | None = None,
    region: str | None = None,
    overrides: Overrides | None = None,
) -> tuple[GpuOffer, ...]:
    """The offers of this GPU, cheapest per GPU-hour first; all of them where no filter is given.

    `region` also finds offers that hold everywhere (`*`). Overrides are keyed `provider/region/instance`.
    Raises UnknownName for a GPU the catalog does not hold; one it holds may have no offer.
    """
    wanted = None if gpu is None else find_gpu(gpu).name
    offers = _shipped() if overrides is None else _load(overrides)
    found = (
        offer
        for offer in offers
        if (wanted is None or offer.gpu == wanted)
        and (provider is None or offer.provider == provider)
        and (region is None or offer.region in (region, "*"))
    )
    return tuple(sorted(found, key=_price_per_gpu))


def _price_per_gpu(offer: GpuOffer) -> tuple[int, str, str, str]:
    return offer.usd_nano_per_gpu_hour, offer.provider, offer.region, offer.instance


@cache
def _shipped() -> tuple[GpuOffer, ...]:
    return _load(None)


def _load(overrides: Overrides | None) -> tuple[GpuOffer, ...]:
    return tuple(parsed(_offer, row, TABLE, "offer") for row in merge(shipped(TABLE), overrides, "offer"))


def _offer(row: Row) -> GpuOffer:
    provider, region, instance = row["offer"].split("/", 2)
    return GpuOffer(
        provider=provider,
        region=region,
        instance=instance,
        gpu=find_gpu(row["gpu"]).name,
        gpus=int(row["gpus"]),
        usd_nano_per_hour=nano(row["usd_per_hour"]),
        spot_usd_nano_per_hour=nano(row["spot_usd_per_hour"]) if row["spot_usd_per_hour"] else None,
        source=row["source"],
        as_of=row["as_of"],
        checked=row["checked"],
    )
