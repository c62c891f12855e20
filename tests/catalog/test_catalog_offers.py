"""GPU offers: list prices with source and date, in whole nano-dollars, cheapest first."""

from __future__ import annotations

import pytest

from baseload.catalog.gpus import gpu
from baseload.catalog.offers import gpu_offers
from baseload.errors import UnknownName
from baseload.money import nano


def test_offers_of_a_gpu_come_cheapest_first() -> None:
    """Only this GPU, ascending per GPU-hour, whatever the instance's size."""
    offers = gpu_offers("h100")
    prices = [offer.usd_nano_per_gpu_hour for offer in offers]
    assert {offer.gpu for offer in offers} == {"H100-SXM"}
    assert prices == sorted(prices)
    assert (offers[0].provider, prices[0]) == ("verda", nano("2.29"))


def test_an_instances_price_is_exact() -> None:
    """AWS p5.48xlarge, eight H100s at $55.04 an hour."""
    (p5,) = [offer for offer in gpu_offers("h100", provider="aws") if offer.instance == "p5.48xlarge"]
    assert (p5.gpus, p5.usd_nano_per_hour, p5.as_of) == (8, nano("55.04"), "2026-07-20")


def test_a_region_also_finds_what_holds_everywhere() -> None:
    """A provider with one price for all regions is in none of them by name."""
    found = gpu_offers("h100", region="us-east-1")
    assert {offer.region for offer in found} == {"us-east-1", "*"}


def test_every_offer_names_its_source_and_check() -> None:
    """No price without source and date, no instance whose GPUs were not confirmed somewhere."""
    for offer in gpu_offers():
        assert all((offer.source, offer.as_of, offer.checked)), offer.instance
        assert offer.gpus > 0
        assert offer.usd_nano_per_hour > 0
        assert gpu(offer.gpu).name == offer.gpu


def test_a_users_offer_is_found_with_the_others() -> None:
    """A quote from one's own provider, keyed provider/region/instance."""
    quote = {
        "gpu": "h100",
        "gpus": 2,
        "usd_per_hour": "4.00",
        "source": "quote of 2026-11-20",
        "as_of": "2026-11-20",
    }
    cheapest = gpu_offers("h100", overrides={"our-colo/vienna/pair": quote})[0]
    assert (cheapest.provider, cheapest.region, cheapest.instance) == ("our-colo", "vienna", "pair")
    assert cheapest.usd_nano_per_gpu_hour == nano("2.00")


def test_an_unknown_gpu_is_an_error_and_one_without_offers_is_not() -> None:
    """Nothing to rent is an answer; a misspelt name is a mistake."""
    assert gpu_offers("mi355x") == ()
    with pytest.raises(UnknownName):
        gpu_offers("h1o0o")
