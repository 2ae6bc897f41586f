"""File names of dark-sector jets, and the parameters that they hold.

    AutomatedCMS_mZprime-2000_mDark-1_rinv-0.3_alpha-peak.h5
    NominalSM.h5

Numbers are plain decimals. This is the only place that reads or writes such a name.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from anode.errors import ConfigError, DataError

STANDARD_MODEL = "NominalSM"
"""Name of the file of Standard Model jets, without its ending."""

ALPHAS = ("low", "peak", "high")
"""Strengths of the dark coupling."""

PARAMETERS = {"mZprime": "m_zprime", "mDark": "m_dark", "rinv": "rinv", "alpha": "alpha"}
"""Name in a file name -> attribute of ``SignalPoint``, in the order of the name."""

_NUMBER = r"\d+(?:\.\d+)?"
_NAME = re.compile(
    rf"AutomatedCMS_mZprime-({_NUMBER})_mDark-({_NUMBER})_rinv-({_NUMBER})"
    rf"_alpha-({'|'.join(ALPHAS)})"
)


@dataclass(frozen=True, order=True)
class SignalPoint:
    """Parameters of one signal.

    Attributes:
        m_zprime: mass of the Z' [GeV].
        m_dark: mass of the dark hadrons [GeV].
        rinv: fraction of the dark hadrons that decay invisibly.
        alpha: strength of the dark coupling, one of ``ALPHAS``.

    Raises:
        ConfigError: a value is impossible.

    Example:
        >>> SignalPoint(2000.0, 1.5, 0.3, "peak").file_name
        'AutomatedCMS_mZprime-2000_mDark-1.5_rinv-0.3_alpha-peak.h5'
    """

    m_zprime: float
    m_dark: float
    rinv: float
    alpha: str

    def __post_init__(self) -> None:
        if not 0 < 2 * self.m_dark < self.m_zprime:
            raise ConfigError(
                f"masses must satisfy 0 < 2 m_dark < m_zprime, got m_dark {self.m_dark:g} and "
                f"m_zprime {self.m_zprime:g} GeV"
            )
        if not 0 <= self.rinv <= 1:
            raise ConfigError(f"rinv must lie in [0, 1], got {self.rinv:g}")
        if self.alpha not in ALPHAS:
            raise ConfigError(f"alpha must be one of {', '.join(ALPHAS)}, got {self.alpha!r}")

    @property
    def name(self) -> str:
        """Name of its file, without the ending."""
        values = (f"{key}-{self.text(key)}" for key in PARAMETERS)
        return f"AutomatedCMS_{'_'.join(values)}"

    @property
    def file_name(self) -> str:
        """Name of its file."""
        return f"{self.name}.h5"

    def value(self, parameter: str) -> float | str:
        """Value of one of ``PARAMETERS``."""
        found: float | str = getattr(self, PARAMETERS[parameter])
        return found

    def text(self, parameter: str) -> str:
        """The same as it stands in a file name: 2000, 0.3, peak."""
        return number_text(self.value(parameter))


def number_text(value: float | str) -> str:
    """A value as file names and tables have it; whole numbers have no decimals.

    Example:
        >>> number_text(2000.0), number_text(0.3), number_text("peak")
        ('2000', '0.3', 'peak')
    """
    return value if isinstance(value, str) else repr(float(value)).removesuffix(".0")


def point_of(path: Path | str) -> SignalPoint | None:
    """Parameters in the name of a file; None for the Standard Model.

    Raises:
        DataError: it is no name of such a file, or a value in it is impossible.

    Example:
        >>> point_of("AutomatedCMS_mZprime-2000_mDark-1_rinv-0.3_alpha-low.h5").alpha
        'low'
    """
    path = Path(path)
    matched = _NAME.fullmatch(path.stem)
    if path.suffix == ".h5" and path.stem == STANDARD_MODEL:
        return None
    if path.suffix != ".h5" or matched is None:
        raise DataError(
            f"{path}: a file of dark-sector jets must be called {STANDARD_MODEL}.h5 or "
            f"AutomatedCMS_mZprime-NUMBER_mDark-NUMBER_rinv-NUMBER_alpha-{'|'.join(ALPHAS)}.h5; "
            "rename it, or move it to another folder"
        )
    m_zprime, m_dark, rinv, alpha = matched.groups()
    try:
        return SignalPoint(float(m_zprime), float(m_dark), float(rinv), alpha)
    except ConfigError as error:
        raise DataError(f"{path}: {error}; rename it") from None


def dark_sector_files(path: Path) -> list[Path]:
    """The files of a folder, signal points in the order of their parameters and the Standard Model
    last; or the one file that is asked for.

    Raises:
        DataError: there is none, or a file has another name.
    """
    if path.is_file():
        point_of(path)
        return [path]
    if not path.is_dir():
        raise DataError(f"cannot read {path}: there is no such file or folder; check data.path")
    found = [file for file in path.glob("*.h5") if not file.name.startswith(".")]
    if not found:
        raise DataError(f"{path}: expected files of dark-sector jets (*.h5), found none")
    points = [(point_of(file), file) for file in sorted(found)]
    signal = sorted((point, file) for point, file in points if point is not None)
    return [file for _, file in signal] + [file for point, file in points if point is None]
