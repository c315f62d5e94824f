"""App: the routes of the table as a FastAPI application behind its guard."""

from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from duomo.serve import fields
from duomo.serve.access import CONTENT, Door
from duomo.serve.fault import Fault
from duomo.serve.fence import Fence
from duomo.serve.front import absent
from duomo.serve.gate import Gate
from duomo.serve.guard import Guard
from duomo.serve.routes import ROUTES, Handler, Route
from duomo.serve.state import State


def app_of(state: State) -> FastAPI:
    """Every row of the table, its handler imported; nothing else: no page of documentation, which would load scripts from elsewhere."""
    app = FastAPI(title="Duomo", version="1", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.served = state
    app.add_exception_handler(Fault, _fault)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _failed)
    for route in ROUTES:
        if not route.handler:
            continue  # the page's own
        add = partial(app.add_api_route, route.path, _handler(route), response_model=None)
        for method in route.methods:
            add(methods=[method], openapi_extra=_body(route), include_in_schema=method != "HEAD" and route.policy == "api")
    if state.page is None:
        app.add_api_route("/", absent, methods=["GET", "HEAD"], include_in_schema=False, response_model=None)
    else:
        app.mount("/", Fence(state.page, state.limits))
    return app


def guarded(state: State, door: Door) -> Guard:
    """What uvicorn runs."""
    state = replace(state, door=door)
    return Guard(Gate(app_of(state), state.models), door, state.limits, state.metrics, state.sessions)


def _handler(route: Route) -> Handler:
    module, _, name = route.handler.partition(".")
    handler: Handler = getattr(import_module(f"duomo.serve.{module}"), name)
    return handler


def _body(route: Route) -> dict[str, Any] | None:
    """What the description of the API says of a route's body."""
    if route.takes is None or route.policy != "api":
        return None
    if route.takes == "json":
        schema = getattr(fields, route.fields).model_json_schema()
    else:
        file = {"type": "string", "format": "binary"}
        schema = {"type": "object", "properties": {"file": file, "model": {"type": "string"}}, "required": ["file", "model"]}
    return {"requestBody": {"required": True, "content": {CONTENT[route.takes]: {"schema": schema}}}}


async def _fault(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Fault)
    return JSONResponse(error.envelope(), error.status, dict(error.headers))


async def _refused(request: Request, error: Exception) -> JSONResponse:
    """What the framework itself refuses, as a form that is none."""
    assert isinstance(error, HTTPException)
    return await _fault(request, Fault(error.status_code, str(error.detail), code="refused"))


async def _failed(request: Request, error: Exception) -> JSONResponse:
    """A fault of our own; the guard logs where it came from."""
    return await _fault(request, Fault(500, "this server failed; its log tells more", code="internal_error"))
