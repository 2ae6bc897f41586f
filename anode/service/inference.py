"""The Open Inference Protocol (KServe V2): what Triton's and KServe's clients speak."""

import math
from collections.abc import Sequence
from itertools import chain

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from anode import __version__
from anode.pipeline.scoring.scorer import ScoredEvents, Scorer
from anode.records import Json
from anode.service.bodies import numbers, parse_json
from anode.service.errors import Refused, responses
from anode.service.state import State, state_of

router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])
VERSION, INPUT = "1", "features"
_DATATYPES = ("FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "INT8")
_ERRORS = responses(404, 503, shape="error")
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["inputs"],
                "properties": {
                    "id": {"type": "string"},
                    "inputs": {"type": "array", "items": {"type": "object"}},
                    "outputs": {"type": "array", "items": {"type": "object"}},
                },
            }
        }
    },
}


@router.get("", responses=responses(500, shape="error"))
async def server() -> dict[str, str | list[str]]:
    """Name and version of the server."""
    return {"name": "anode", "version": __version__, "extensions": []}


@router.get("/health/live", responses=responses(500, shape="error"))
async def live() -> dict[str, bool]:
    """200 as long as the process answers."""
    return {"live": True}


@router.get("/health/ready", responses=responses(503, shape="error"))
async def ready(request: Request) -> dict[str, bool]:
    """200 once events can be scored, 503 before."""
    _ = state_of(request).scorer
    return {"ready": True}


@router.get("/models/{model}", responses=_ERRORS)
@router.get("/models/{model}/versions/{version}", responses=_ERRORS)
async def metadata(request: Request, model: str, version: str = VERSION) -> JSONResponse:
    """Inputs and outputs of the model."""
    scorer = _named(request, model, version)
    names = ["score", "mass", "passed", *scorer.part_names]
    outputs: list[Json] = [{"name": n, "datatype": "FP64", "shape": [-1]} for n in names]
    outputs.append({"name": "scored", "datatype": "BOOL", "shape": [-1]})
    shape: list[Json] = [-1, len(scorer.input.names)]
    return JSONResponse(
        {
            "name": scorer.name,
            "versions": [VERSION],
            "platform": "anode",
            "inputs": [{"name": INPUT, "datatype": "FP64", "shape": shape}],
            "outputs": outputs,
        }
    )


@router.get("/models/{model}/ready", responses=_ERRORS)
@router.get("/models/{model}/versions/{version}/ready", responses=_ERRORS)
async def model_ready(request: Request, model: str, version: str = VERSION) -> dict[str, bool]:
    """200 if this is the model, and events can be scored."""
    _named(request, model, version)
    return {"ready": True}


_INFER = responses(400, 404, 422, 503, shape="error")


@router.post("/models/{model}/infer", responses=_INFER, openapi_extra={"requestBody": _BODY})
@router.post(
    "/models/{model}/versions/{version}/infer",
    responses=_INFER,
    openapi_extra={"requestBody": _BODY},
)
async def infer(request: Request, model: str, version: str = VERSION) -> Response:
    """Scores of events, given one input (N, C) of numbers; null where an event has none."""
    _named(request, model, version)
    body = await request.body()
    return await run_in_threadpool(_infer, state_of(request), body)


def _infer(state: State, body: bytes) -> Response:
    content = parse_json(body)
    if not isinstance(content, dict):
        raise Refused(400, "expected an object with inputs")
    inputs = content.get("inputs")
    if not (isinstance(inputs, list) and len(inputs) == 1 and isinstance(inputs[0], dict)):
        raise Refused(400, f"inputs must be one tensor, {INPUT}")
    rows = _tensor(state, inputs[0])
    found = state.score(state.reader().of_rows(rows))
    answer: dict[str, Json] = {"model_name": state.scorer.name, "model_version": VERSION}
    if isinstance(content.get("id"), str):
        answer["id"] = content["id"]
    answer["outputs"] = _outputs(state.scorer, found, content.get("outputs"))
    return JSONResponse(answer)


def _tensor(state: State, tensor: dict[str, object]) -> np.ndarray:
    """(N, C) values; flat, row by row, or nested."""
    names = state.scorer.input.names
    shape, data = tensor.get("shape"), tensor.get("data")
    if tensor.get("name") != INPUT or tensor.get("datatype") not in _DATATYPES:
        raise Refused(400, f"the input must be {INPUT}, of one of {', '.join(_DATATYPES)}")
    if not isinstance(shape, list) or [type(each) for each in shape] != [int, int]:
        raise Refused(400, "shape must be two integers")
    if shape[1] != len(names) or shape[0] < 0:
        raise Refused(400, f"shape must be [N, {len(names)}]: {', '.join(names)}; got {shape}")
    state.reader().check_number(shape[0])
    if isinstance(data, list) and data and all(isinstance(row, list) for row in data):
        if [len(row) for row in data] != [shape[1]] * shape[0]:
            raise Refused(400, f"data must have the shape {shape}")
        data = list(chain.from_iterable(data))
    if not isinstance(data, list) or len(data) != math.prod(shape):
        raise Refused(400, f"data must have {math.prod(shape)} numbers, as shape says")
    return numbers(data).reshape(shape)


def _outputs(scorer: Scorer, found: ScoredEvents, asked: object) -> list[Json]:
    nothing = np.full(len(found), np.nan)
    values = {"score": found.score, "mass": found.mass, "passed": found.passed}
    values |= {name: found.parts.get(name, nothing) for name in scorer.part_names}
    tensors: dict[str, Json] = {name: _output(name, column) for name, column in values.items()}
    scored: list[Json] = list(found.scored.tolist())
    shape: list[Json] = [len(found)]
    tensors["scored"] = {"name": "scored", "datatype": "BOOL", "shape": shape, "data": scored}
    if not asked:
        return list(tensors.values())
    wanted = _names(asked)
    if unknown := [name for name in wanted if name not in tensors]:
        raise Refused(400, f"there is no output {unknown[0][:50]!r}; known: {', '.join(tensors)}")
    return [tensors[name] for name in wanted]


def _names(asked: object) -> Sequence[str]:
    if not isinstance(asked, list):
        raise Refused(400, "outputs must be a list")
    given = [each.get("name") for each in asked if isinstance(each, dict)]
    names = [name for name in given if isinstance(name, str)]
    if len(names) < len(asked):
        raise Refused(400, "every output must have a name")
    return names


def _output(name: str, column: np.ndarray) -> Json:
    data: list[Json] = [None if value != value else value for value in column.tolist()]
    return {"name": name, "datatype": "FP64", "shape": [len(column)], "data": data}


def _named(request: Request, model: str, version: str) -> Scorer:
    scorer = state_of(request).scorer
    if model != scorer.name or version != VERSION:
        raise Refused(404, f"there is no such model; this server has {scorer.name}, version 1")
    return scorer
