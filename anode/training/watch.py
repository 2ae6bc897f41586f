"""A function that hears of every epoch of the fits of this process, and may end them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Watch = Callable[[str, int, float], None]
"""(name of the fit, epoch, validation loss); what it raises ends the fit, which can go on."""

_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watching(function: Watch) -> Iterator[None]:
    """Let ``function`` hear of the epochs of fits within the context, of this process alone."""
    token = _watch.set(function)
    try:
        yield
    finally:
        _watch.reset(token)


def tell(name: str, epoch: int, validation_loss: float) -> None:
    """Say that an epoch is done."""
    function = _watch.get()
    if function is not None:
        function(name, epoch, validation_loss)
