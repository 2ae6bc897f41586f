"""Routes that score: the kept contract ``/score``, and ``/v1/score`` in every format."""

from collections.abc import AsyncIterator

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from anode.errors import AnodeError
from anode.service import answers
from anode.service.bodies import CSV, HDF5, JSON, NDJSON, NPY, PARQUET, numbers, parse_json
from anode.service.errors import Refused, as_problem, responses
from anode.service.state import State, state_of

router = APIRouter()
LONGEST_LINE = 2**20

_NUMBER = {"type": "number"}
_FEATURES = {"type": "array", "items": _NUMBER, "minItems": 14, "maxItems": 14}
_EVENT = [
    1454.5, 1022.0, 74.9, 205.9, 0.15, 0.08, 0.05,
    -1357.2, -1036.7, 150.0, 80.1, 0.2, 0.06, 0.04,
]  # fmt: skip
_KEPT_BODY = {
    "required": True,
    "content": {
        JSON: {
            "schema": {
                "type": "object",
                "required": ["features"],
                "properties": {"features": _FEATURES},
                "example": {"features": _EVENT},
            }
        }
    },
}
_EVENTS = {"oneOf": [{"type": "array", "items": _NUMBER}, {"type": "object"}]}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BODY = {
    "required": True,
    "content": {
        JSON: {
            "schema": {
                "oneOf": [
                    {
                        "type": "object",
                        "required": ["events"],
                        "properties": {"events": {"type": "array", "items": _EVENTS}},
                        "additionalProperties": False,
                    },
                    {
                        "type": "object",
                        "required": ["columns"],
                        "properties": {
                            "columns": {
                                "type": "object",
                                "additionalProperties": {"type": "array", "items": _NUMBER},
                            }
                        },
                        "additionalProperties": False,
                    },
                ],
                "example": {"events": [_EVENT]},
            }
        },
        NDJSON: {"schema": {"type": "string"}},
        CSV: {"schema": {"type": "string"}},
        **dict.fromkeys((NPY, HDF5, PARQUET), _BINARY),
    },
}


@router.get("/health", tags=["kept"], responses={500: responses(500, shape="detail")[500]})
async def health(request: Request) -> dict[str, str]:
    """Whether events can be scored: status "ok" or "degraded"."""
    if state_of(request).is_ready:
        return {"status": "ok"}
    return {"status": "degraded", "message": "Model not loaded"}


@router.post(
    "/score",
    tags=["kept"],
    responses=responses(400, 422, 503, shape="detail"),
    openapi_extra={"requestBody": _KEPT_BODY},
)
async def score_one(request: Request) -> dict[str, float]:
    """Score of one event: its 14 published features, in their order. An event outside the mass
    windows has none: 422."""
    state, body = state_of(request), await request.body()
    _ = state.scorer
    return await run_in_threadpool(_kept, state, body)


def _kept(state: State, body: bytes) -> dict[str, float]:
    content = parse_json(body)
    if not isinstance(content, dict) or "features" not in content:
        raise Refused(422, 'expected {"features": [14 numbers]}')
    features = numbers(content["features"])
    names = state.scorer.input.names
    if len(features) != len(names):
        raise Refused(400, f"Expected {len(names)} features, got {len(features)}")
    found = state.score(dict(zip(names, features[:, None], strict=True)))
    if (reason := found.why_not(0)) is not None:
        raise Refused(422, f"the event has no score: {reason}")
    return {"anomaly_score": float(found.score[0])}


@router.post(
    "/v1/score",
    tags=["scores"],
    responses={
        200: {"content": {NDJSON: {}, CSV: {}, NPY: _BINARY}},
        **responses(400, 415, 422, 503),
    },
    openapi_extra={"requestBody": _BODY},
)
async def score_many(request: Request) -> Response:
    """Scores of many events, in their order: score, mass [GeV], terms of the score, the tightest
    background efficiency whose threshold is passed (1: none), whether features were moved to the
    edge of the fitted range, whether fits know the event, and why there is no score.

    Accept chooses the format of the answer. A body of NDJSON is answered line by line while it
    comes.
    """
    state = state_of(request)
    kind = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    wanted = request.headers.get("accept", "*/*")
    answer = NDJSON if kind == NDJSON else answers.kind_of(wanted)
    scorer = state.scorer
    if kind == NDJSON:
        blocks = _blocks(request, state)
        first = await anext(blocks, b"")
        return _Streamed(blocks, first)
    body = await request.body()

    def work() -> bytes:
        try:
            columns = state.reader().read(kind, body)
        except AnodeError as error:  # HDF5 that is none; Parquet without its package
            raise Refused(422, str(error)) from None
        return answers.encode(answer, scorer, state.score(columns))

    return Response(await run_in_threadpool(work), media_type=answer)


async def _blocks(request: Request, state: State) -> AsyncIterator[bytes]:
    """Answers to the lines that have come, as they come."""
    n_events, rest = 0, b""
    async for part in request.stream():
        whole, newline, rest = (rest + part).rpartition(b"\n")
        if len(rest) > LONGEST_LINE:
            raise Refused(413, f"a line must not exceed {LONGEST_LINE} bytes")
        if newline and (given := _events(whole)):
            n_events += len(given)
            state.reader().check_number(n_events)
            yield await run_in_threadpool(_answered, state, given)
    if given := _events(rest):
        state.reader().check_number(n_events + len(given))
        yield await run_in_threadpool(_answered, state, given)


def _events(text: bytes) -> list[bytes]:
    return [line for line in text.split(b"\n") if line.strip()]


def _answered(state: State, given: list[bytes]) -> bytes:
    columns = state.reader().of_events([parse_json(line) for line in given])
    return b"".join(answers.lines(state.scorer, state.score(columns)))


class _Streamed(Response):
    """Lines that are sent while the request is still being read, which Starlette's own streaming
    response may not: it listens for the end of the connection, and so eats the body.

    After the first line the status has been sent: an error is then a last line, {"error": ...}.
    """

    media_type = NDJSON

    def __init__(self, blocks: AsyncIterator[bytes], first: bytes) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._blocks, self._first = blocks, first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)

        async def line(body: bytes, *, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": body, "more_body": more})

        await line(self._first)
        try:
            async for block in self._blocks:
                await line(block)
        except Refused as error:
            detail = as_problem(error.status_code, error.detail)
            await line(orjson.dumps({"error": detail}) + b"\n")
        except ClientDisconnect:
            return
        await line(b"", more=False)
