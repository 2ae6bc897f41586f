"""What the routes share: the scorer once it is in memory, limits and counters."""

import logging
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from starlette.requests import Request

from anode.errors import AnodeError
from anode.pipeline.scoring.scorer import ScoredEvents, Scorer
from anode.service.bodies import Reader, checked
from anode.service.errors import Refused
from anode.service.metrics import Metrics
from anode.service.settings import ServeConfig

log = logging.getLogger(__name__)


class State:
    """One run, which is loaded behind the back of the first requests.

    Args:
        config: settings of the service.
        scorer: scorer that is in memory already; None to load that of the settings.
    """

    def __init__(self, config: ServeConfig, scorer: Scorer | None = None) -> None:
        self.config, self.metrics = config, Metrics()
        self.path = Path(config.run_dir)
        self._scorer: Scorer | None = None
        if scorer is not None:
            self._take(scorer)

    def start(self) -> None:
        """Load the scorer in a thread of its own, unless there is one."""
        if self._scorer is None:
            threading.Thread(target=self._load, daemon=True).start()

    @property
    def is_ready(self) -> bool:
        """Whether events can be scored."""
        return self._scorer is not None

    @property
    def scorer(self) -> Scorer:
        """The scorer.

        Raises:
            Refused: it is not in memory yet.
        """
        if self._scorer is None:
            raise Refused(503, "Model not loaded", {"Retry-After": "5"})
        return self._scorer

    def reader(self) -> Reader:
        """Reader of the bodies of this run's events."""
        return Reader(self.scorer.input.names, self.config.max_events)

    def score(self, columns: Mapping[str, np.ndarray]) -> ScoredEvents:
        """Scores of events in named columns (N,).

        Raises:
            Refused: a value is impossible; the message names row and column.
        """
        scorer = self.scorer
        try:
            with np.errstate(all="ignore"):  # what overflows is refused as not finite
                found = scorer.score_columns(checked(columns, scorer.input))
        except AnodeError as error:  # of the columns, which name no file
            raise Refused(422, str(error)) from None
        self.metrics.scored(int(found.scored.sum()), len(found))
        return found

    def _load(self) -> None:
        try:
            self._take(Scorer.load(self.path))
        except Exception as error:
            log.error("the run cannot be served: %s", error)

    def _take(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.metrics.ready()
        log.info("%s is in memory: %s", scorer.name, scorer.method)


def state_of(request: Request) -> State:
    """What belongs to the application of a request."""
    state: State = request.app.state.anode
    return state
