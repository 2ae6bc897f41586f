"""The page at ``/``: what is served, how good it is, and the score of a pasted event."""

import base64
import hashlib

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from anode.errors import AnodeError
from anode.io import read_json
from anode.records import Json
from anode.service.errors import Refused, responses
from anode.service.state import State, state_of

router = APIRouter(tags=["page"])

REPORT = "report.html"
_SHOWN = ("metrics.json", "search.json")
"""Files of a run or scan whose numbers are shown: names of ours, never of a request."""


_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } td, th { text-align: left; padding: .2rem 1rem .2rem 0 }
textarea { width: 100%; box-sizing: border-box; font: 14px monospace } .bad { color: #a00 }
"""
_SCRIPT = """
const at = id => document.getElementById(id);
const headers = () => at("token").value ? {Authorization: "Bearer " + at("token").value} : {};
function row(table, name, value) {
  const line = table.insertRow();
  line.insertCell().textContent = name;
  line.insertCell().textContent = value;
}
async function show() {
  const answer = await fetch("v1/runs", {headers: headers()});
  const content = await answer.json();
  at("runs").replaceChildren();
  if (!answer.ok) { row(at("runs"), "", content.detail); return; }
  for (const run of content.runs) {
    for (const name of ["name", "method", "meaning", "windows", "inputs"])
      row(at("runs"), name, String(run[name]));
    for (const [name, value] of Object.entries(run.metrics)) row(at("runs"), name, value);
    at("report").hidden = !run.report;
    at("event").placeholder = run.inputs.join(", ");
  }
}
at("show").addEventListener("click", show);
at("report").addEventListener("click", async () => {
  const answer = await fetch("v1/report", {headers: headers()});
  const page = new Blob([await answer.text()], {type: "text/html"});
  window.open(URL.createObjectURL(page));
});
at("score").addEventListener("click", async () => {
  const values = at("event").value.split(/[\\s,;]+/).filter(text => text).map(Number);
  const answer = await fetch("v1/score", {method: "POST", body: JSON.stringify({events: [values]}),
    headers: {"Content-Type": "application/json", ...headers()}});
  const content = await answer.json();
  at("result").replaceChildren();
  at("result").className = answer.ok ? "" : "bad";
  if (!answer.ok) { row(at("result"), "refused", content.detail); return; }
  for (const [name, value] of Object.entries(content.events[0]))
    row(at("result"), name, value !== null && typeof value === "object" ?
      JSON.stringify(value) : String(value));
});
show();
"""
_HTML = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>anode</title>
<link rel="icon" href="data:,"><style>{_STYLE}</style></head><body>
<h1>anode</h1>
<p><label>Token, if one is needed <input id="token" type="password"></label>
<button id="show">Show</button></p>
<h2>Runs</h2><table id="runs"></table><p><button id="report" hidden>Report</button></p>
<h2>Score an event</h2>
<p><label for="event">Numbers of one event, separated by commas or spaces</label></p>
<textarea id="event" rows="4"></textarea><p><button id="score">Score</button></p>
<table id="result"></table>
<script>{_SCRIPT}</script></body></html>
"""


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


_POLICY = (
    f"default-src 'none'; connect-src 'self'; img-src data:; script-src {_hash(_SCRIPT)}; "
    f"style-src {_hash(_STYLE)}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@router.get("/", response_class=HTMLResponse, responses={500: responses(500)[500]})
async def page() -> HTMLResponse:
    """A page for people; it needs nothing from elsewhere."""
    return HTMLResponse(_HTML, headers={"Content-Security-Policy": _POLICY})


@router.get("/v1/runs", responses=responses(503))
async def runs(request: Request) -> JSONResponse:
    """The runs that are served, with their numbers."""
    description = await run_in_threadpool(_description, state_of(request))
    return JSONResponse({"runs": [description]})


@router.get(
    "/v1/report",
    response_class=HTMLResponse,
    responses={**responses(404, 503), 200: {"content": {"text/html": {}}}},
)
async def report(request: Request) -> Response:
    """The report of a search, if ``anode report`` has made it."""
    path = state_of(request).path / REPORT
    if not path.is_file():
        raise Refused(404, "there is no report; anode report makes that of a search")
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
               "img-src data:; sandbox"}  # fmt: skip
    return HTMLResponse(await run_in_threadpool(path.read_text), headers=headers)


def _description(state: State) -> dict[str, Json]:
    scorer = state.scorer
    thresholds = scorer.thresholds
    cuts = zip(thresholds.efficiency.tolist(), thresholds.score.tolist(), strict=True)
    return {
        "name": scorer.name,
        "method": scorer.method,
        "meaning": scorer.meaning,
        "windows": ", ".join(map(str, scorer.windows)) + " GeV",
        "inputs": list(scorer.input.names),
        "thresholds": {f"{efficiency:g}": score for efficiency, score in cuts},
        "metrics": _metrics(state),
        "report": (state.path / REPORT).is_file(),
    }


def _metrics(state: State) -> dict[str, Json]:
    """Single numbers of the run or scan."""
    found: dict[str, Json] = {}
    for name in _SHOWN:
        try:
            content = read_json(state.path / name)
        except AnodeError:
            continue
        found |= {k: v for k, v in content.items() if isinstance(v, int | float | str)}
    return found
