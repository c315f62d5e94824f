"""Whatever the description of the API allows, and what it does not, is answered or refused: never a fault of the server's own.

DUOMO_CASES in the environment says how many cases a route is tried with.
"""

import os

import pytest
from hypothesis import HealthCheck, given, settings

from duomo.serve.routes import ROUTES

for library in ("fastapi", "uvicorn", "prometheus_client"):
    pytest.importorskip(library)
schemathesis = pytest.importorskip("schemathesis")

CASES = int(os.environ.get("DUOMO_CASES", "12"))


@pytest.fixture(scope="module")
def operations():
    """Of a live server, by their labels."""
    from tests.served import serving

    with serving() as port:
        described = schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")
        yield {operation.label: operation for operation in (found.ok() for found in described.get_all_operations())}


ITSELF = "/openapi.json"  # schemathesis does not ask for what it reads
ROWS = [f"{route.methods[0]} {route.path.replace(':path', '')}" for route in ROUTES if route.path != ITSELF and route.policy == "api"]


@pytest.mark.parametrize("label", ROWS)
def test_nothing_that_is_sent_breaks_the_server(label, operations):
    @settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(case=operations[label].as_strategy() | operations[label].as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))
    def tried(case):
        answer = case.call(timeout=60)
        assert 200 <= answer.status_code < 500, (answer.status_code, answer.text[:200])
        if answer.status_code >= 400:
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}

    tried()


def test_every_route_is_described(operations):
    assert set(operations) == set(ROWS)
