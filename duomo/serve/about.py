"""About: what the server tells of itself: its health, its models, its counters, its routes."""

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from duomo.serve.fault import Fault
from duomo.serve.state import state_of


async def health(http: Request) -> Response:
    """That this process answers; nothing else is told, for no key is wanted."""
    return JSONResponse({"status": "ok"})


async def ready(http: Request) -> Response:
    """Whether requests would be answered now."""
    state = state_of(http)
    if not await state.models.ready():
        raise Fault(503, "not ready", code="not_ready", headers={"Retry-After": "1"})
    return JSONResponse({"status": "ready", "open": sorted(state.models.held)})


async def metrics(http: Request) -> Response:
    """Counters in Prometheus' form."""
    models = state_of(http).models
    gauges = {name: queue.gauges for name, queue in models.queues().items()}
    text = state_of(http).metrics.text(gauges, models.bytes)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


async def models(http: Request) -> Response:
    """All models that are offered."""
    known = state_of(http).models
    return JSONResponse({"object": "list", "data": [known.told(name) for name in known.offers]})


async def model(http: Request) -> Response:
    """One of them."""
    known, name = state_of(http).models, str(http.path_params["name"])
    if name not in known.offers:
        raise Fault(404, f"no model {name[:60]!r}; there are: {', '.join(known.offers)}", "model", "model_not_found")
    return JSONResponse(known.told(name))


async def openapi(http: Request) -> Response:
    """The description of the API."""
    described: dict[str, Any] = http.app.openapi()
    return JSONResponse(described)
