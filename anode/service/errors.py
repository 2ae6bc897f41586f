"""Errors as answers: problem details (RFC 9457), or the shape that a kept contract has."""

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"
KEPT = ("/health", "/score")
INFERENCE = "/v2"

_PROBLEM_SCHEMA: dict[str, object] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}
_MEANING = {
    400: "The request has another shape, or an event another number of values",
    401: "The token is missing or wrong",
    404: "There is no such thing",
    405: "Another method is needed",
    413: "Too many events, or too large a body",
    415: "The content is of a kind that is not read",
    422: "A value is no number, not finite, or impossible",
    500: "A fault of the service",
    503: "The fits are not in memory yet",
}


class Refused(HTTPException):
    """A request that cannot be answered.

    Args:
        status: HTTP status.
        detail: rule, expected, got, remedy; nothing of the machine.
    """

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)


def responses(*statuses: int, shape: str = "problem") -> dict[int | str, dict[str, object]]:
    """What OpenAPI says of errors.

    Args:
        statuses: statuses that a route may answer with.
        shape: "problem", "detail" (the kept contract) or "error" (Open Inference Protocol).
    """
    key = {"detail": "detail", "error": "error"}.get(shape)
    schema = _PROBLEM_SCHEMA
    if key is not None:
        anything: dict[str, object] = {} if key == "detail" else {"type": "string"}
        schema = {"type": "object", "required": [key], "properties": {key: anything}}
    kind = PROBLEM if shape == "problem" else "application/json"
    always = (401, 413, 500)
    return {
        status: {"description": _MEANING[status], "content": {kind: {"schema": schema}}}
        for status in sorted({*statuses, *always})
    }


def problem(path: str, status: int, detail: str) -> JSONResponse:
    """An error in the shape that the route of a path has."""
    if path in KEPT:
        return JSONResponse({"detail": detail}, status)
    if path == INFERENCE or path.startswith(INFERENCE + "/"):
        return JSONResponse({"error": detail}, status)
    return JSONResponse(as_problem(status, detail), status, media_type=PROBLEM)


def as_problem(status: int, detail: str) -> dict[str, str | int]:
    """Problem details."""
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}


def install(app: FastAPI) -> None:
    """Have an application answer its errors so."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        answer = problem(request.url.path, error.status_code, str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        places = {".".join(map(str, each["loc"])): each["msg"] for each in error.errors()}
        detail = "; ".join(f"{place}: {text}" for place, text in places.items())
        return problem(request.url.path, 422, detail)

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> JSONResponse:
        log.error("a fault of anode at %s: %s", request.url.path, type(error).__name__)
        return problem(request.url.path, 500, "a fault of the service, not of the request")
