"""Users of a service, for locust, which is no requirement of anode: ``pip install locust``, then

``locust -f tests/service/locustfile.py --headless -u 20 -r 20 -t 60s -H http://127.0.0.1:8000``
"""

import io
import re

import numpy as np
from locust import FastHttpUser, between, task

NPY = {"Content-Type": "application/x-npy", "Accept": "application/x-npy"}


def events(n: int, low: float, high: float) -> np.ndarray:
    """(n, 14) columns of events with two jets back to back and masses in [low, high) GeV."""
    draw = np.random.default_rng()
    momentum, angle = draw.uniform(low, high, n) / 2, draw.uniform(0, 2 * np.pi, n)
    px, py = momentum * np.cos(angle), momentum * np.sin(angle)
    jets = []
    for sign in (1, -1):
        taus = draw.uniform(0.2, 0.9, (n, 3)).cumprod(axis=1)
        jets += [sign * px, sign * py, np.zeros(n), draw.uniform(20, 100, n), *taus.T]
    return np.stack(jets, axis=1)


class Analyst(FastHttpUser):
    """Mostly single events, now and then many, and a look at the probes."""

    wait_time = between(0.2, 0.8)

    def on_start(self) -> None:
        """Events inside the first mass window of what is served."""
        (run,) = self.client.get("/v1/runs").json()["runs"]
        low, high = map(float, re.findall(r"\[([\d.]+), ([\d.]+)\)", run["windows"])[0])
        self.rows = events(1000, low, high - (high - low) / 20)
        self.single = self.rows.tolist()
        stream = io.BytesIO()
        np.save(stream, self.rows)
        self.array = stream.getvalue()

    @task(10)
    def one(self) -> None:
        """The kept contract."""
        row = self.single[np.random.default_rng().integers(1000)]
        self.client.post("/score", json={"features": row})

    @task(5)
    def one_of_many(self) -> None:
        """One event with all that is said of it."""
        self.client.post("/v1/score", json={"events": self.single[:1]}, name="/v1/score 1")

    @task(3)
    def hundred(self) -> None:
        """A hundred in JSON."""
        self.client.post("/v1/score", json={"events": self.single[:100]}, name="/v1/score 100")

    @task(1)
    def thousand(self) -> None:
        """A thousand as an array."""
        self.client.post("/v1/score", self.array, headers=NPY, name="/v1/score 1000 npy")

    @task(1)
    def probes(self) -> None:
        """What a supervisor asks."""
        self.client.get("/health")
        self.client.get("/metrics")
