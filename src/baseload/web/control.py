"""The control port's app: metrics for Prometheus, health and a status page in JSON."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from baseload import __version__
from baseload.gateway.server import Gateway
from baseload.web.exposition import render

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def control_app(gateway: Gateway) -> Starlette:
    """The app over one gateway of this process."""

    async def metrics(_: Request) -> Response:
        return PlainTextResponse(render(gateway), media_type=_METRICS_TYPE)

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> Response:
        reasons = []
        if gateway.draining:
            reasons.append("draining")
        if not gateway.journal.available:
            reasons.append(f"the journal takes no request: {gateway.journal.stats.error or 'full'}")
        return JSONResponse({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    async def status(_: Request) -> Response:
        return JSONResponse(_status(gateway))

    return Starlette(
        routes=[
            Route("/metrics", metrics),
            Route("/health", health),
            Route("/ready", ready),
            Route("/status", status),
        ]
    )


def _status(gateway: Gateway) -> dict[str, object]:
    """What the gateway does now: version, targets with their load and state, journal."""
    now_s = gateway.now_s()
    site = gateway.site
    return {
        "version": __version__,
        "config_version": site.snapshot.version,
        "started": gateway.started_s,
        "connections": len(gateway.connections),
        "targets": {
            name: {
                "side": place.target.side.value,
                "url": place.target.url,
                "region": place.target.region,
                "state": place.load.health.state.value,
                "running": place.load.running,
                "waiting": place.load.waiting,
                "saturation": round(place.load.saturation(now_s, place.slo), 3),
                "saturated": place.load.reported.saturated,
            }
            for name, place in site.places.items()
        },
        "models": {
            name: [target.name for target in place.model.targets] for name, place in site.models.items()
        },
        "journal": gateway.journal.stats._asdict(),
    }
