"""The application: routes, and what stands before them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI, Request
from fastapi.responses import Response

from anode import __version__
from anode.pipeline.scoring.scorer import Scorer
from anode.service import errors, inference, page, score_routes
from anode.service.guard import Guard
from anode.service.settings import ServeConfig
from anode.service.state import State, state_of

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

THREADS = 2
"""One scores while another reads or writes a body. The C library keeps freed memory for each."""


def create_app(config: ServeConfig, scorer: Scorer | None = None) -> FastAPI:
    """The service of one run, for any ASGI server.

    Args:
        config: settings.
        scorer: scorer that is in memory already; None to load that of ``config.run_dir`` once the
            server has started, while probes are answered.

    Raises:
        ConfigError: the token file is missing or broken.
    """
    state = State(config, scorer)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = THREADS
        state.start()
        yield

    app = FastAPI(
        title="anode",
        version=__version__,
        summary="Anomaly scores of di-jet events",
        lifespan=lifespan,
    )
    app.state.anode = state
    errors.install(app)
    for router in (score_routes.router, inference.router, page.router):
        app.include_router(router)
    app.add_middleware(
        Guard, token=config.token(), max_bytes=config.max_bytes, metrics=state.metrics
    )

    @app.get("/metrics", tags=["probes"], responses={200: {"content": {PROMETHEUS: {}}}})
    async def metrics(request: Request) -> Response:
        """Counters and times, for Prometheus."""
        return Response(state_of(request).metrics.text(), media_type=PROMETHEUS)

    return app
