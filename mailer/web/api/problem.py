"""What could not be done, for programs: RFC 9457 problem details, one sentence each."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from litestar import Response

from mailer.core.importing import RowFault
from mailer.web import paper

TYPE = "application/problem+json"
LATER = 30  # seconds after which a database that was away may be back

_EVERY = {**paper.ALWAYS, "Cache-Control": "no-store"}


class Problem(Exception):
    """The request is answered with this."""

    def __init__(
        self, status: int, detail: str, *, field: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.field, self.headers = status, detail, field, headers or {}

    @classmethod
    def of(cls, fault: RowFault) -> Problem:
        """A value that cannot be taken."""
        return cls(422, fault.reason, field=fault.field)

    def answer(self) -> Response[bytes]:
        """As it goes out."""
        said: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": f"{self.field}: {self.detail}" if self.field else self.detail,
        }
        if self.field:
            said["field"] = self.field
        return Response(
            json.dumps(said).encode(),
            status_code=self.status,
            media_type=TYPE,
            headers={**_EVERY, **self.headers},
        )


def no_customer() -> Problem:
    """Nobody has that id."""
    return Problem(404, "There is no such customer.", field="id")


def wait(seconds: float) -> dict[str, str]:
    """When to come again (RFC 9110 §10.2.3), in whole seconds."""
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def answer(facts: Mapping[str, Any], status: int = 200) -> Response[bytes]:
    """What was asked for."""
    return Response(
        json.dumps(facts).encode(), status_code=status, media_type="application/json", headers=_EVERY
    )
