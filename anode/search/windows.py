"""Which windows does a scan have?"""

from anode.errors import ConfigError
from anode.regions.windows import Window


def scan_windows(start: float, stop: float, *, width: float, step: float) -> list[Window]:
    """Windows [start + i step, start + i step + width) that end at ``stop`` or before [GeV].

    Raises:
        ConfigError: a width or step is not positive, or no window fits.

    Example:
        >>> [str(w) for w in scan_windows(2500, 3100, width=400, step=100)]
        ['[2500, 2900)', '[2600, 3000)', '[2700, 3100)']
    """
    if not (width > 0 and step > 0):
        raise ConfigError(f"scan.width and scan.step must be above 0 GeV, got {width} and {step}")
    if not start + width <= stop:
        raise ConfigError(
            f"a scan needs room for one window, scan.start + scan.width <= scan.stop, got "
            f"{start:g} + {width:g} and {stop:g} GeV"
        )
    n_windows = 1 + int((stop - start - width) / step * (1 + 1e-12))
    return [Window(start + i * step, start + i * step + width) for i in range(n_windows)]
