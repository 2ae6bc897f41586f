"""The service: contracts, formats, refusals, and the bits of the scorer in every answer."""

import asyncio
import io
import json
import logging
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from fastapi.testclient import TestClient

from anode.io import write_json
from anode.pipeline.scoring.scorer import Scorer
from anode.service.app import THREADS, create_app
from anode.service.settings import ServeConfig
from helpers.served_runs import quick_run, raw_rows

PROBLEM = "application/problem+json"


def settings(run: Path, **changes: object) -> ServeConfig:
    given = {"token_file": None, "max_events": 3000, "max_body_mb": 1, "workers": 1, **changes}
    return ServeConfig(str(run), "127.0.0.1", 0, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return quick_run(tmp_path_factory.mktemp("service"))


@pytest.fixture(scope="module")
def scorer(run) -> Scorer:
    return Scorer.load(run)


@pytest.fixture(scope="module")
def rows(run) -> np.ndarray:
    return raw_rows(run.parent / "other.h5")[:1500]


@pytest.fixture(scope="module")
def expected(scorer, rows):
    return scorer.score_array(rows)


@pytest.fixture(scope="module")
def client(run, scorer) -> TestClient:
    with TestClient(create_app(settings(run), scorer), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def inside(rows, expected) -> list[float]:
    return rows[np.flatnonzero(expected.scored)[0]].tolist()


def score_of(answer) -> np.ndarray:
    events = answer.json()["events"]
    return np.array([np.nan if e["score"] is None else e["score"] for e in events])


# --- the kept contract ------------------------------------------------------------------------


def test_the_kept_contract_scores_one_event(client, inside, expected):
    answer = client.post("/score", json={"features": inside})
    assert answer.status_code == 200
    assert answer.json() == {"anomaly_score": expected.score[expected.scored][0]}
    assert client.get("/health").json() == {"status": "ok"}


def test_the_kept_contract_refuses_as_it_did(client, inside):
    answer = client.post("/score", json={"features": inside[:13]})
    assert (answer.status_code, answer.json()) == (400, {"detail": "Expected 14 features, got 13"})
    for body in (b"{", b"[]", b"{}", b'{"features": "x"}', b'{"features": null}', b"\xff"):
        answer = client.post("/score", content=body)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("value", ["NaN", "1e999", "-Infinity", "true", '"1.5"', "null", "[1]"])
@pytest.mark.parametrize("path", ["/score", "/v1/score", "/v2/models/run/infer"])
def test_what_is_no_finite_number_is_refused(client, inside, value, path):
    listed = ", ".join([value, *map(str, inside[1:])])
    body = {
        "/score": f'{{"features": [{listed}]}}',
        "/v1/score": f'{{"events": [[{listed}]]}}',
        "/v2/models/run/infer": '{"inputs": [{"name": "features", "datatype": "FP64", '
        f'"shape": [1, 14], "data": [{listed}]}}]}}',
    }[path]
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "Traceback" not in answer.text


def test_an_event_outside_the_window_is_refused_with_the_reason(client, rows, expected):
    row = rows[np.flatnonzero(~expected.scored)[0]].tolist()
    answer = client.post("/score", json={"features": row})
    assert answer.status_code == 422
    assert "mass outside [3300, 3700) GeV" in answer.json()["detail"]


# --- many events, in every format -------------------------------------------------------------


def npy(rows) -> bytes:
    stream = io.BytesIO()
    np.save(stream, rows)
    return stream.getvalue()


def hdf5(rows, names) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for name, column in zip(names, rows.T, strict=True):
            file[name] = column
    return stream.getvalue()


def csv(rows, names) -> bytes:
    lines = [",".join(names), *(",".join(map(repr, row)) for row in rows.tolist())]
    return "\n".join(lines).encode()


def parquet(rows, names) -> bytes:
    stream = io.BytesIO()
    table = pyarrow.table(dict(zip(names, rows.T, strict=True)))
    pyarrow.parquet.write_table(table, stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", lambda r, n: json.dumps({"events": r.tolist()}).encode()),
        (
            "application/json",
            lambda r, n: json.dumps(
                {"events": [dict(zip(n, row, strict=True)) for row in r.tolist()]}
            ).encode(),
        ),
        (
            "application/json; charset=utf-8",
            lambda r, n: json.dumps({"columns": dict(zip(n, r.T.tolist(), strict=True))}).encode(),
        ),
        ("application/x-npy", lambda r, n: npy(r)),
        ("application/x-npy", lambda r, n: npy(np.asfortranarray(r))),
        ("application/x-hdf5", hdf5),
        ("text/csv", csv),
        ("application/vnd.apache.parquet", parquet),
    ],
    ids=["lists", "objects", "columns", "npy", "fortran", "hdf5", "csv", "parquet"],
)
def test_every_format_has_the_bits_and_order_of_the_scorer(
    client, rows, expected, scorer, kind, body
):
    content = body(rows, scorer.input.names)
    answer = client.post("/v1/score", content=content, headers={"Content-Type": kind})
    assert answer.status_code == 200, answer.text
    assert np.array_equal(score_of(answer), expected.score, equal_nan=True)
    found = answer.json()
    assert (found["n_events"], found["n_scored"]) == (1500, expected.scored.sum())
    for row in (np.flatnonzero(expected.scored)[0], np.flatnonzero(~expected.scored)[0]):
        event = found["events"][row]
        assert event["mass"] == expected.mass[row]
        assert event["reason"] == expected.why_not(row)
        assert event["parts"].keys() == set(scorer.part_names)


def test_every_answer_format_holds_the_same_scores(client, rows, expected):
    body = {"events": rows[:300].tolist()}
    texts = {
        kind: client.post("/v1/score", json=body, headers={"Accept": kind})
        for kind in ("text/csv", "application/x-npy", "application/x-ndjson")
    }
    array = np.load(io.BytesIO(texts["application/x-npy"].content))
    assert np.array_equal(array[:, 0], expected.score[:300], equal_nan=True)
    lines = [json.loads(line) for line in texts["application/x-ndjson"].text.splitlines()]
    assert [line["mass"] for line in lines] == expected.mass[:300].tolist()
    head, *cells = texts["text/csv"].text.splitlines()
    assert head.startswith("score,mass,log_p_data,log_p_background,passed")
    scores = [float(line.split(",")[0] or "nan") for line in cells]
    assert np.array_equal(scores, expected.score[:300], equal_nan=True)


def test_lines_are_answered_in_order(client, rows, expected):
    body = "\n".join(json.dumps(row) for row in rows[:500].tolist())
    answer = client.post(
        "/v1/score", content=body, headers={"Content-Type": "application/x-ndjson"}
    )
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert [event["score"] for event in found] == [
        None if np.isnan(each) else each for each in expected.score[:500].tolist()
    ]


def streamed(app, parts: list[bytes]) -> list[dict]:
    """What an application sends for parts of a body of lines."""
    return asked_of(app, parts, [(b"content-type", b"application/x-ndjson")], "/v1/score")


def asked_of(app, parts: list[bytes | None], headers: list, path: str) -> list[dict]:
    """What an application sends for parts of a body, with how much it had read by then as
    ``after``. None as a part: the client goes."""
    scope = {
        "type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers,
    }  # fmt: skip
    waiting, sent = list(parts), []

    async def receive() -> dict:
        part = waiting.pop(0)
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": bool(waiting)}

    async def send(message: dict) -> None:
        sent.append({**message, "after": len(parts) - len(waiting)})

    asyncio.run(app(scope, receive, send))
    return sent


def test_lines_are_answered_while_others_are_still_to_come(run, scorer, rows, expected):
    line = [json.dumps(row).encode() + b"\n" for row in rows[:3].tolist()]
    parts = [line[0] + line[1][:20], line[1][20:], line[2].strip()]
    start, *bodies = streamed(create_app(settings(run), scorer), parts)
    assert (start["status"], start["after"]) == (200, 1)
    assert [each["after"] for each in bodies] == [1, 2, 3, 3]
    found = [json.loads(each["body"]) for each in bodies[:3]]
    assert [event["mass"] for event in found] == expected.mass[:3].tolist()
    assert not bodies[-1]["more_body"]


def test_bad_first_lines_have_a_status_and_later_ones_a_last_line(run, scorer, client, rows):
    headers = {"Content-Type": "application/x-ndjson"}
    assert client.post("/v1/score", content=b"[1]\n", headers=headers).status_code == 400
    good = json.dumps(rows[0].tolist()).encode() + b"\n"
    sent = streamed(create_app(settings(run), scorer), [good, b"[NaN]\n", good])
    *_, last, end = [json.loads(m["body"] or "{}") for m in sent if "body" in m]
    assert (last["error"]["status"], end) == (422, {})
    too_many = [good * 3000, good]
    sent = streamed(create_app(settings(run, max_body_mb=9), scorer), too_many)
    assert json.loads(sent[-2]["body"])["error"]["status"] == 413


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b'{"events": [[1, 2]]}', 400),
        ("application/json", b'{"events": 3}', 422),
        ("application/json", b'{"events": [[1], {}]}', 422),
        ("application/json", b'{"columns": {"pxj1": [1], "pyj1": [1, 2]}}', 400),
        ("application/json", b'{"columns": {"pxj1": [1]}}', 422),
        ("application/json", b'{"path": "/etc/passwd"}', 422),
        ("application/json", b'{"events": [%s]}' % b",".join([b"[]"] * 3001), 413),
        ("application/json", b" " * 2**20 + b"{}", 413),
        ("application/x-npy", b"no array", 422),
        ("application/x-npy", npy(np.zeros((3, 13))), 400),
        ("application/x-npy", npy(np.zeros((3001, 14), dtype=np.float16)), 413),
        ("application/x-npy", npy(np.zeros((3, 14)))[:-1], 422),
        ("application/x-npy", npy(np.full((3, 14), np.nan)), 422),
        ("application/x-npy", npy(np.array([["a"] * 14])), 422),
        ("application/x-hdf5", b"\x89HDF\r\n\x1a\n", 422),
        ("text/csv", b"", 422),
        ("text/csv", b"a,b\n1\n", 400),
        ("text/csv", b"a,b\n1,x\n", 422),
        ("application/vnd.apache.parquet", b"PAR1", 422),
        ("image/png", b"", 415),
    ],
)
def test_other_bodies_are_refused_as_problems(client, kind, body, status):
    answer = client.post("/v1/score", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    found = answer.json()
    assert (found["status"], found["type"]) == (status, "about:blank")
    assert "Traceback" not in found["detail"]


def test_a_pickle_is_not_opened(client):
    stream = io.BytesIO()
    np.save(stream, np.array([[object()] * 14]), allow_pickle=True)
    answer = client.post(
        "/v1/score", content=stream.getvalue(), headers={"Content-Type": "application/x-npy"}
    )
    assert answer.status_code == 422


@pytest.mark.parametrize("kind", ["external", "link", "virtual"])
def test_hdf5_that_reaches_for_other_files_is_refused(client, tmp_path, scorer, kind):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.ones(14).tobytes())
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for name in scorer.input.names:
            if kind == "external":
                file.create_dataset(name, (1,), "f8", external=[(str(secret), 0, 8)])
            elif kind == "link":
                file[name] = h5py.ExternalLink(str(secret), "/x")
            else:
                layout = h5py.VirtualLayout((1,), "f8")
                layout[:] = h5py.VirtualSource(str(secret), "x", (1,))
                file.create_virtual_dataset(name, layout)
    answer = client.post(
        "/v1/score", content=stream.getvalue(), headers={"Content-Type": "application/x-hdf5"}
    )
    assert answer.status_code == 422
    assert "secret" not in answer.text


WORDS = [
    b"NaN",
    b"null",
    b"true",
    b'"1"',
    b"1e999",
    b"1e308",
    b"[]",
    b"{}",
    b"\x00",
    b"\xff",
    b"[" * 99,
]


def damaged(body: bytes, draw: random.Random) -> bytes:
    """The same with a few places changed, lengthened or cut."""
    content = bytearray(body)
    for _ in range(draw.choice((1, 1, 2, 5, 20))):
        place = draw.randrange(len(content) + 1)
        how = draw.randrange(3)
        if how == 0:
            content[place : place + draw.randrange(6)] = draw.choice(WORDS)
        elif how == 1:
            del content[place : place + draw.randrange(200)]
        else:
            content[place:place] = content[place : place + 50]
    return bytes(content)


def test_damaged_bodies_are_refused_and_no_fault(client, rows, scorer):
    few, names = rows[:5], scorer.input.names
    whole = [
        ("application/json", json.dumps({"events": few.tolist()}).encode()),
        ("application/x-ndjson", b"\n".join(json.dumps(row).encode() for row in few.tolist())),
        ("application/x-npy", npy(few)),
        ("application/x-hdf5", hdf5(few, names)),
        ("application/vnd.apache.parquet", parquet(few, names)),
        ("text/csv", csv(few, names)),
    ]
    draw = random.Random(1)
    for number in range(1000):
        kind, body = whole[number % len(whole)]
        answer = client.post(
            "/v1/score", content=damaged(body, draw), headers={"Content-Type": kind}
        )
        assert answer.status_code in (200, 400, 413, 422), (number, kind, answer.text)


# --- Open Inference Protocol ------------------------------------------------------------------


def test_the_inference_protocol_scores_flat_and_nested_data(client, rows, expected):
    model = client.get("/v2/models/run").json()
    assert model["inputs"] == [{"name": "features", "datatype": "FP64", "shape": [-1, 14]}]
    for data in (rows[:9].tolist(), rows[:9].ravel().tolist()):
        tensor = {"name": "features", "shape": [9, 14], "datatype": "FP64", "data": data}
        body = {"id": "7", "inputs": [tensor], "outputs": [{"name": "score"}]}
        found = client.post("/v2/models/run/versions/1/infer", json=body).json()
        assert (found["id"], found["model_name"]) == ("7", "run")
        (score,) = found["outputs"]
        values = [np.nan if each is None else each for each in score["data"]]
        assert np.array_equal(values, expected.score[:9], equal_nan=True)


def test_the_inference_protocol_has_its_own_shape_of_errors(client):
    assert client.get("/v2/models/other").status_code == 404
    assert set(client.get("/v2/models/other").json()) == {"error"}
    for body in ({}, {"inputs": []}, {"inputs": [{"name": "x"}]}):
        answer = client.post("/v2/models/run/infer", json=body)
        assert answer.status_code == 400
        assert set(answer.json()) == {"error"}
    for path in ("", "/health/live", "/health/ready", "/models/run/ready"):
        assert client.get(f"/v2{path}").status_code == 200


# --- probes, guard, page ----------------------------------------------------------------------


def test_before_the_fits_are_there_the_process_lives_but_is_not_ready(run, inside):
    client = TestClient(create_app(settings(run)))  # not entered: nothing is loaded
    assert client.get("/v2/health/live").status_code == 200
    assert client.get("/health").json()["status"] == "degraded"
    asked = [
        client.get("/v2/health/ready"),
        client.get("/v2/models/run"),
        client.get("/v1/runs"),
        client.post("/score", json={"features": inside}),
        client.post("/v1/score", json={"events": [inside]}),
    ]
    assert [answer.status_code for answer in asked] == [503] * 5


def test_the_scorer_is_loaded_behind_the_first_requests(run, inside):
    with TestClient(create_app(settings(run))) as client:
        for _ in range(600):
            if client.get("/v2/health/ready").status_code == 200:
                break
            time.sleep(0.05)
        assert client.post("/score", json={"features": inside}).status_code == 200


def test_many_at_once_take_turns_on_few_threads_so_that_memory_does_not_grow(
    run, scorer, inside, monkeypatch
):
    lock, threads = threading.Lock(), set()
    score_columns = scorer.score_columns

    def noting(*given: object, **named: object) -> object:
        with lock:
            threads.add(threading.get_ident())
        time.sleep(0.05)
        return score_columns(*given, **named)

    monkeypatch.setattr(scorer, "score_columns", noting)
    with TestClient(create_app(settings(run), scorer)) as client, ThreadPoolExecutor(20) as users:
        ask = partial(client.post, "/score", json={"features": inside})
        answers = [future.result() for future in [users.submit(ask) for _ in range(20)]]
    assert {answer.status_code for answer in answers} == {200}
    assert len(threads) == THREADS


def test_without_the_token_only_probes_and_the_page_answer(run, scorer, inside, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    config = settings(run, token_file=str(tmp_path / "token"))
    client = TestClient(create_app(config, scorer))
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret"}):
        for path in ("/v1/runs", "/metrics", "/v2/models/run", "/openapi.json", "/no"):
            answer = client.get(path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
        answer = client.post("/score", json={"features": inside}, headers=headers)
        assert answer.status_code == 401
    for path in ("/", "/health", "/v2/health/live", "/v2/health/ready"):
        assert client.get(path).status_code == 200
    right = {"Authorization": "Bearer secret"}
    assert client.post("/score", json={"features": inside}, headers=right).status_code == 200


def test_other_pages_may_not_ask_from_a_browser(client):
    headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    answer = client.options("/v1/score", headers=headers)
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/score", "/v1/score", "/v2/models/run/infer"])
@pytest.mark.parametrize("kind", ["application/json", "application/x-npy", "application/x-ndjson"])
def test_a_client_that_goes_in_mid_upload_is_no_fault_and_leaves_nothing(
    run, scorer, path, kind, caplog
):
    app = create_app(settings(run), scorer)
    headers = [(b"content-type", kind.encode()), (b"content-length", b"9999")]
    sent = asked_of(app, [b"[" * 100, None], headers, path)
    assert sent == []
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]
    text = TestClient(app).get("/metrics").text
    assert 'status="499"} 1.0' in text
    assert 'status="500"' not in text
    assert "anode_in_flight 1.0" in text  # that of the metrics


def test_metrics_count_requests_and_events(client, rows):
    client.post("/v1/score", json={"events": rows[:10].tolist()})
    client.get("/no/such/page")
    text = client.get("/metrics").text
    assert 'anode_requests_total{method="POST",route="/v1/score",status="200"}' in text
    assert 'route="other",status="404"' in text
    assert 'anode_events_total{scored="yes"}' in text
    assert "anode_ready 1.0" in text


def test_the_page_needs_nothing_from_elsewhere(client):
    answer = client.get("/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    (served,) = client.get("/v1/runs").json()["runs"]
    assert (served["name"], served["method"]) == ("run", "ANODE")
    assert served["metrics"]["n_data_sr"] == 1338
    assert client.get("/v1/report").status_code == 404


def test_the_numbers_of_a_search_have_those_of_its_best_window(scorer, tmp_path):
    best = {"low": 3300.0, "z_local": 6.8, "fit": {"ndf": 3}, "reason": None}
    write_json(tmp_path / "search.json", {"n_events": 9, "best": best, "skipped": []})
    (served,) = TestClient(create_app(settings(tmp_path), scorer)).get("/v1/runs").json()["runs"]
    assert served["metrics"] == {"n_events": 9, "best.low": 3300.0, "best.z_local": 6.8}


def test_what_the_toys_only_bound_is_shown_as_a_bound(scorer, tmp_path):
    best = {"p_global": 1.5e-5, "z_global": 4.17, "p_global_from": "above toys"}
    write_json(tmp_path / "search.json", {"best": best})
    (served,) = TestClient(create_app(settings(tmp_path), scorer)).get("/v1/runs").json()["runs"]
    assert served["metrics"]["best.z_global"] == "> 4.2"
    assert served["metrics"]["best.p_global"] == "< 1.5e-05"


def test_every_status_is_in_the_openapi_document(client):
    document = client.get("/openapi.json").json()
    statuses = {
        f"{method} {path}": set(operation["responses"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert statuses["post /score"] == {"200", "400", "401", "413", "422", "500", "503"}
    assert statuses["post /v1/score"] >= {"200", "400", "401", "413", "415", "422", "500", "503"}
    assert statuses["post /v2/models/{model}/infer"] >= {"200", "400", "404", "422", "503"}


def test_the_examples_of_the_openapi_document_are_events(client):
    paths = client.get("/openapi.json").json()["paths"]
    for path, key in (("/score", "features"), ("/v1/score", "events")):
        content = paths[path]["post"]["requestBody"]["content"]["application/json"]
        example = content["schema"]["example"]
        (row,) = example[key] if path == "/v1/score" else [example[key]]
        (event,) = client.post("/v1/score", json={"events": [row]}).json()["events"]
        assert 3300 < event["mass"] < 3700
        assert client.post(path, json=example).status_code == 200


def test_a_fault_of_ours_says_nothing_of_itself(run, scorer, inside, monkeypatch):
    client = TestClient(create_app(settings(run), scorer), raise_server_exceptions=False)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("/secret/place")

    monkeypatch.setattr(scorer, "score_columns", broken)
    for path, body in (("/score", {"features": inside}), ("/v1/score", {"events": [inside]})):
        answer = client.post(path, json=body)
        assert answer.status_code == 500
        assert "secret" not in answer.text
