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

_OPENED = ("best", "sic_at_fpr")
"""Objects in them whose numbers are shown too."""

_STYLE = """
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; max-width: 60rem; margin: 0 auto;
  padding: 1.5rem 1rem 3rem }
h1 { margin: 0 } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #d8d8d8 }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .1rem 1.2rem;
  margin: .6rem 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums }
dl.many { display: block; columns: 18rem; column-gap: 2.5rem }
dl.many > div { display: flex; justify-content: space-between; gap: 1rem; break-inside: avoid;
  border-bottom: 1px solid #ececec }
dl:not(.many) > div { display: contents }
dt { color: #5a5a5a } dd { margin: 0 }
textarea { width: 100%; font: 14px/1.5 monospace; padding: .5rem }
button, input { font: inherit; padding: .25rem .9rem } [hidden] { display: none }
.bad { color: #a00 } :focus-visible { outline: 2px solid #0072b2; outline-offset: 1px }
@media (max-width: 40rem) { dl:not(.many) > div { display: block; margin-bottom: .4rem }
  dl:not(.many) { grid-template-columns: 1fr } }
"""
_SCRIPT = """
const at = id => document.getElementById(id);
const headers = () => at("token").value ? {Authorization: "Bearer " + at("token").value} : {};
const said = ["method", "title"];
const text = value => Number.isInteger(value) ? value.toLocaleString("en") :
  typeof value === "number" ? String(Number(value.toPrecision(5))) : String(value);
function element(name, parent, content) {
  const made = parent.appendChild(document.createElement(name));
  made.textContent = content;
  return made;
}
function list(parent, rows, kind) {
  const made = element("dl", parent, "");
  made.className = kind || "";
  for (const [name, value] of rows) {
    const pair = element("div", made, "");
    element("dt", pair, name);
    element("dd", pair, value);
  }
}
async function ask(path, options) {
  try {
    const answer = await fetch(path, {...options, headers: {...headers(), ...options?.headers}});
    if (answer.status === 401) at("access").hidden = false;
    if (answer.ok) return answer;
    throw new Error((await answer.json()).detail);
  } catch (error) {
    throw error instanceof TypeError ? new Error("the service does not answer") : error;
  }
}
function act(place, work) {
  return async event => {
    event?.preventDefault();
    try { await work(); }
    catch (error) {
      at(place).replaceChildren();
      element("p", at(place), error.message).className = "bad";
    }
  };
}
const show = act("runs", async () => {
  const content = await (await ask("v1/runs")).json();
  at("runs").replaceChildren();
  for (const run of content.runs) {
    element("h3", at("runs"), run.name);
    list(at("runs"), [["method", run.method], ["score", run.meaning],
      ["mass windows", run.windows], ["numbers of an event", run.inputs.join(", ")]]);
    const cuts = Object.entries(run.thresholds).map(([of, cut]) => ["threshold at " + of, cut]);
    const numbers = Object.entries(run.metrics).filter(([name]) => !said.includes(name));
    list(at("runs"), [...cuts, ...numbers].map(([name, value]) => [name, text(value)]), "many");
    at("report").hidden = !run.report;
    at("event").placeholder = run.inputs.join(", ");
  }
});
const report = act("opened", async () => {
  const page = new Blob([await (await ask("v1/report")).text()], {type: "text/html"});
  window.open(URL.createObjectURL(page));
});
const score = act("result", async () => {
  const values = at("event").value.split(/[\\s,;\\[\\]]+/).filter(word => word).map(Number);
  const answer = await ask("v1/score", {method: "POST", body: JSON.stringify({events: [values]}),
    headers: {"Content-Type": "application/json"}});
  const event = (await answer.json()).events[0];
  const rows = [["score", event.reason === null ? String(event.score) : "none: " + event.reason],
    ["mass", text(event.mass) + " GeV"]];
  if (event.reason === null) {
    rows.push(...Object.entries(event.parts).map(([name, value]) => [name, text(value)]));
    rows.push(["passes", event.passed < 1 ? "the cut at background efficiency " + event.passed :
      "no cut"]);
    rows.push(["window", event.window.join(" to ") + " GeV"]);
    if (event.outside) rows.push(["note", "a feature lay outside the fitted range"]);
    if (event.fitted) rows.push(["note", "known to the fits; scored by a fold that is not"]);
  }
  at("result").replaceChildren();
  list(at("result"), rows);
});
at("access").addEventListener("submit", show);
at("report").addEventListener("click", report);
at("scoring").addEventListener("submit", score);
show();
"""
_HTML = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>anode</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><style>{_STYLE}</style></head><body><main>
<h1>anode</h1>
<form id="access" hidden><label>Token <input id="token" type="password" autocomplete="off"></label>
<button>Show</button></form>
<h2>Score an event</h2>
<form id="scoring">
<p><label for="event">Numbers of one event, separated by commas or spaces</label></p>
<textarea id="event" rows="3" autocomplete="off" spellcheck="false"></textarea>
<p><button id="score">Score</button></p></form>
<div id="result" role="status"></div>
<h2>Runs</h2><div id="runs" role="status"></div>
<p><button id="report" hidden>Open the report</button></p><div id="opened" role="status"></div>
</main><script>{_SCRIPT}</script></body></html>
"""


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


# A report opens as a blob, since a link brings no token, and a blob has the policy of the page
# that made it: hence any style, and scripts by their hash alone.
_POLICY = (
    f"default-src 'none'; connect-src 'self'; img-src data:; script-src {_hash(_SCRIPT)}; "
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
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
    """Single numbers of the run or scan, those of its best window among them."""
    found: dict[str, Json] = {}
    for name in _SHOWN:
        try:
            content = read_json(state.path / name)
        except AnodeError:
            continue
        for key in _OPENED:
            inside = content.get(key)
            if isinstance(inside, dict):
                content |= {f"{key}.{name}": value for name, value in _bounded(inside).items()}
        found |= {k: v for k, v in content.items() if isinstance(v, int | float | str)}
    return found


def _bounded(window: dict[str, Json]) -> dict[str, Json]:
    """Numbers of a window, those that its toys only bound as bounds."""
    p, z = window.get("p_global"), window.get("z_global")
    is_bound = window.get("p_global_from") == "above toys"
    if not (is_bound and isinstance(p, float) and isinstance(z, float)):
        return window
    return window | {"p_global": f"< {p:.2g}", "z_global": f"> {z:.1f}"}
