"""What every request passes: token, size, and the clock."""

import hmac
import time
from collections.abc import MutableMapping
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anode.service.errors import Refused, problem
from anode.service.metrics import Metrics

OPEN = ("/", "/health", "/v2/health/live", "/v2/health/ready")
"""Answered without a token: probes, and the page, which asks for it."""

GONE = 499
"""Status that counts a client which has gone before its request was whole: nobody is answered."""

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


class Guard:
    """Refuses requests without the token, or too large, before anything of them is read.

    Args:
        app: the application behind it.
        token: token that requests must bring; None if none is needed.
        max_bytes: size of a body.
        metrics: what is counted.
    """

    def __init__(
        self, app: ASGIApp, *, token: str | None, max_bytes: int, metrics: Metrics
    ) -> None:
        self._app, self._token, self._metrics = app, token, metrics
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        self._metrics.began()
        try:
            refused = self._refusal(scope)
            if refused is None:
                await self._app(scope, self._counted(receive), noting)
            else:
                answer = problem(scope["path"], refused.status_code, refused.detail)
                answer.headers.update(refused.headers or {})
                await answer(scope, receive, noting)
        except ClientDisconnect:
            status = GONE
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.ended(_route(scope), method, status, time.perf_counter() - start)

    def _refusal(self, scope: Scope) -> Refused | None:
        headers = dict(scope["headers"])
        if self._token is not None and scope["path"] not in OPEN:
            given = headers.get(b"authorization", b"").strip()
            if not hmac.compare_digest(given, b"Bearer " + self._token.encode()):
                detail = "the header Authorization must be 'Bearer TOKEN', with the right token"
                return Refused(401, detail, {"WWW-Authenticate": "Bearer"})
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._max_bytes:
            return self._too_large()
        return None

    def _counted(self, receive: Receive) -> Receive:
        """``receive``, which refuses what goes beyond the limit without saying so before."""
        n_bytes = 0

        async def counted() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > self._max_bytes:
                raise self._too_large()
            return message

        return counted

    def _too_large(self) -> Refused:
        most = self._max_bytes
        return Refused(413, f"a body must not exceed {most} bytes; send fewer events at once")


_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]


def _route(scope: MutableMapping[str, Any]) -> str:
    """The route as it is written in the code, so that there are few of them."""
    route = scope.get("route")
    return str(getattr(route, "path", "other"))
