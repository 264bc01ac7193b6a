"""What providers tell us, each at an address of its own."""

from __future__ import annotations

from litestar import Response, post
from litestar.params import FromPath

from mailer.web import paper
from mailer.web.public import Asked, Product

#: Bytes of one request. The largest provider's are below 800 kB.
LARGEST = 1_000_000
_NOT_NOW = 503


@post("/hooks/{provider:str}", status_code=200, request_max_body_size=LARGEST)
async def hook(request: Asked, mailer: Product, provider: FromPath[str]) -> Response[str]:
    """Take in what a provider says. It brings again whatever it is not answered 200 for."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    answer = await mailer.ways_back.hook(provider, headers, await request.body())
    response = paper.plain(answer.said + "\n", answer.status)
    if answer.status == _NOT_NOW:
        response.set_header("Retry-After", "60")
    return response


HANDLERS = (hook,)
