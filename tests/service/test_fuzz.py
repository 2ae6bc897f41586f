"""Requests made up from the OpenAPI document: every answer is one that the document knows.

``pytest tests/service/test_fuzz.py --examples=200`` tries as many of each route.
"""

from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

from anode.pipeline.scoring.scorer import Scorer
from anode.service.app import create_app
from anode.service.settings import ServeConfig
from helpers.served_runs import quick_run, raw_rows

CONFIG = ServeConfig("run", "127.0.0.1", 0, None, max_events=100, max_body_mb=1, workers=1)
ROUTES = [
    (path, method.upper())
    for path, methods in create_app(CONFIG).openapi()["paths"].items()
    for method in methods
]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
NOT_PROMISED = [positive_data_acceptance]
"""Numbers of the right kind may still be no event: what is refused so is documented as 422."""


@pytest.fixture(scope="module")
def examples(request) -> hypothesis.settings:
    """Settings with as many examples as the command line asks for."""
    n = request.config.getoption("--examples")
    return hypothesis.settings(
        max_examples=n, database=None, suppress_health_check=list(hypothesis.HealthCheck)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("fuzz")
    quick_run(made)
    return made


@pytest.fixture(scope="module")
def document(folder):
    app = create_app(CONFIG, Scorer.load(folder / "run"))
    return schemathesis.openapi.from_asgi("/openapi.json", app)


def answered(case) -> Any:
    """The answer to a request, which has a status, content type and shape of the document."""
    answer = case.call()
    case.validate_response(answer, excluded_checks=NOT_PROMISED)
    assert answer.status_code < 500
    return answer


@pytest.mark.parametrize(("path", "method"), ROUTES, ids=[" ".join(r) for r in ROUTES])
def test_made_up_requests_are_answered_as_documented(document, examples, path, method):
    route = document[path][method]
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    cases = st.one_of([route.as_strategy(generation_mode=mode) for mode in modes])
    names = st.sampled_from([{}, {"model": "run"}, {"model": "run", "version": "1"}])

    @examples
    @hypothesis.given(cases, names)
    def ask(case, served):
        given = case.path_parameters or {}
        given.update({name: value for name, value in served.items() if name in given})
        answered(case)

    ask()


@pytest.mark.parametrize("path", sorted({path for path, _ in ROUTES}))
def test_other_methods_are_refused(document, path):
    known = {method for at, method in ROUTES if at == path}
    route = document[path][min(known)]
    for method in METHODS:
        if method not in known:
            case = route.Case(method=method, path_parameters={"model": "run", "version": "1"})
            answer = case.call()
            assert answer.status_code == 405
            assert answer.headers["allow"] == [", ".join(sorted(known))]


JUNK = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(),
    st.text(max_size=5),
    st.booleans(),
    st.none(),
    st.lists(st.integers(), max_size=2),
)
"""What JSON can say in the place of a number; NaN and infinities it cannot."""


def bodies(row: list[float]) -> dict[str, Any]:
    """An event as a body of each route that scores."""
    tensor = {"name": "features", "shape": [1, 14], "datatype": "FP64", "data": row}
    return {
        "/score": {"features": row},
        "/v1/score": {"events": [row]},
        "/v2/models/{model}/infer": {"inputs": [tensor]},
    }


@pytest.mark.parametrize("path", bodies([]))
def test_events_with_strange_numbers_are_answered_as_documented(folder, document, examples, path):
    whole = raw_rows(folder / "other.h5")[:20].tolist()
    seen: set[int] = set()

    @examples
    @hypothesis.given(st.sampled_from(whole), st.lists(st.tuples(st.integers(0, 13), JUNK)))
    def ask(row, changes):
        row = list(row)
        for place, value in changes:
            row[place] = value
        case = document[path]["POST"].Case(
            path_parameters={"model": "run"},
            body=bodies(row)[path],
            media_type="application/json",
        )
        seen.add(answered(case).status_code)

    ask()
    assert {200, 422} <= seen
