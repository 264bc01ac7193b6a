"""A stranger reads the description and tries whatever it allows, and what it does not (schemathesis).

`MAILER_TEST_API_EXAMPLES` is how many requests it makes up for each address; a few unless set, thousands by hand.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.config import SchemathesisConfig

from mailer import settings as settings_file
from mailer.app import App
from mailer.core.access import Scope
from mailer.store.engine import Database
from mailer.testing import FrozenClock
from mailer.web.api.site import Doors, api
from mailer.web.site import site
from tests import counterparts
from tests.store.rows import NOW, a_customer_row

EXAMPLES = int(os.environ.get("MAILER_TEST_API_EXAMPLES", "4"))
CONFIG = {
    "seed": 20_270_510,
    "generation": {"database": "none"},
    "checks": {
        # 422 means: it fits the description, and a value is no address, no country, no instant …
        "positive_data_acceptance": {"expected-statuses": ["2xx", "401", "403", "404", "409", "422"]},
    },
}


#: Every address, and how it is asked.
ASKED = [
    ("/api/customers/{customer_id}", "put"), ("/api/customers/{customer_id}", "delete"),
    ("/api/customers/{customer_id}/export", "get"), ("/api/customers/{customer_id}/consent", "get"),
    ("/api/customers/{customer_id}/consent", "post"), ("/api/batch/customers", "post"), ("/api/events", "post"),
    ("/api/batch/events", "post"), ("/api/coupons/{code}", "get"), ("/api/coupons/{code}/redemptions", "post"),
    ("/api/suppressions", "get"), ("/api/suppressions", "post"), ("/api/suppressions/lifted", "post"),
    ("/api/incidents", "get"), ("/api/incidents", "post"), ("/api/incidents/preview", "post"),
    ("/api/incidents/{incident_id}", "get"), ("/api/incidents/{incident_id}/publish", "post"),
    ("/api/incidents/{incident_id}/updates", "post"), ("/api/incidents/{incident_id}/resolve", "post"),
    ("/api/incidents/{incident_id}/cancel", "post"),
]  # fmt: skip


@dataclass
class Served:
    """The API at a port of this machine, in a thread and event loop of its own."""

    url: str
    folder: Path
    port: int
    token: str = ""
    told: list[str] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)
    server: uvicorn.Server | None = None

    async def run(self) -> None:
        database = await Database.connect(self.url)
        try:
            app = App(
                settings_file.load(self.folder / "settings.yaml", environment={}), database, FrozenClock(NOW),
                self.told.append,
            )  # fmt: skip
            self.token = await app.doorkeeper.create("stranger", tuple(Scope), NOW)
            await a_customer_row(database, "c1")
            config = uvicorn.Config(
                Doors(api(app), site(app)), port=self.port, lifespan="off", log_level="critical", http="h11",
                ws="none",
            )  # fmt: skip
            self.server = uvicorn.Server(config)
            serving = asyncio.create_task(self.server.serve())
            while not self.server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
                await asyncio.sleep(0.01)
            self.ready.set()
            await serving
        finally:
            await database.close()


@pytest.fixture(scope="module")
def served(
    sqlite_template: counterparts.SqliteTemplate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("api")
    (folder / "jobs").mkdir()
    (folder / "templates").mkdir()
    (folder / "settings.yaml").write_text(
        "secret_key: only-for-tests-and-nothing-besides\napi: {rate: 100000}\n", "utf-8"
    )
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    found = Served(sqlite_template.copy(folder), folder, port)
    thread = threading.Thread(target=lambda: asyncio.run(found.run()))
    thread.start()
    assert found.ready.wait(30)
    yield found
    assert found.server is not None
    found.server.should_exit = True
    thread.join(30)
    assert found.told == []


@pytest.fixture(scope="module")
def described(served: Served) -> Any:
    config = SchemathesisConfig.from_dict(CONFIG)
    url = f"http://127.0.0.1:{served.port}/api/openapi.json"
    return schemathesis.openapi.from_url(url, config=config)


def test_every_address_is_tried(described: Any) -> None:
    told = described.raw_schema["paths"]
    assert sorted((path, method) for path, each in told.items() for method in each) == sorted(ASKED)
    names = [does["operationId"] for each in told.values() for does in each.values()]
    assert len(set(names)) == len(names)
    assert "put_customer" in names  # what a client made from it calls the function


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("asked", [f"{method} {path}" for path, method in ASKED])
def test_a_stranger_finds_nothing(
    served: Served, described: Any, asked: str, mode: schemathesis.GenerationMode
) -> None:
    method, path = asked.split()
    headers = {"Authorization": f"Bearer {served.token}"}

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    )  # fmt: skip
    @given(case=described[path][method].as_strategy(generation_mode=mode))
    def tries(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=headers, timeout=60)

    tries()
