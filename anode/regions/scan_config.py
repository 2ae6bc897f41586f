"""Windows of a scan, from its configuration."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from anode.errors import ConfigError
from anode.regions.windows import Window, scan_windows


@dataclass(frozen=True)
class ScanConfig:
    """Which windows [start + i step, start + i step + width) up to ``stop`` are searched [GeV].

    Attributes:
        start: low edge of the first window [GeV]; None until a search has its events, and takes
            the first that the fit of their spectrum serves (``begun``).
        stop, width, step: upper end, width and distance of the windows [GeV].
        sideband: width of the sidebands on either side [GeV]; None is no limit.
        min_events: number of events that a window needs for a density to be fitted there.
        window: number of one window to be made alone; None makes all, and the result.
        share: number of neighbouring windows that share p_bg, which no event of any of them has
            seen then; at most as many as lie within one and a half widths.
    """

    start: float | None
    stop: float
    width: float
    step: float
    sideband: float | None
    min_events: int
    window: int | None
    share: int = 1  # in former versions

    def __post_init__(self) -> None:
        if self.share < 1:
            raise ConfigError(f"scan.share must be at least 1, got {self.share}")
        if self.sideband is not None and not self.sideband > 0:
            raise ConfigError(f"scan.sideband must be above 0 GeV or null, got {self.sideband}")
        if self.min_events < 10:
            raise ConfigError(f"scan.min_events must be at least 10, got {self.min_events}")
        if self.start is None:
            scan_windows(0.0, self.width, width=self.width, step=self.step)
            return
        n_windows = len(self.windows)
        if self.window is not None and not 0 <= self.window < n_windows:
            raise ConfigError(
                f"scan.window must be null or lie in 0 to {n_windows - 1}, got {self.window}"
            )

    @property
    def windows(self) -> list[Window]:
        """All windows, in order of mass.

        Raises:
            ConfigError: where the first one begins is not known yet.
        """
        if self.start is None:
            raise ConfigError("scan.start must be given here, in GeV, got null")
        return scan_windows(self.start, self.stop, width=self.width, step=self.step)

    def group(self, window: Window) -> list[Window]:
        """The windows of the scan that share p_bg with one of them, itself included.

        Example:
            >>> scan = ScanConfig(3000, 4000, 400, 100, None, 500, None, share=2)
            >>> [str(window) for window in scan.group(scan.windows[1])]
            ['[3000, 3400)', '[3100, 3500)']
        """
        windows = self.windows
        if window not in windows:
            return [window]
        size = min(self.share, 1 + int(self.width / 2 // self.step))
        first = windows.index(window) // size * size
        return windows[first : first + size]

    def begun(self, least: float) -> "ScanConfig":
        """With the lowest multiple of ``step`` from ``least`` [GeV] on as ``start``."""
        return dataclasses.replace(self, start=self.step * float(np.ceil(least / self.step)))
