"""Numbers as text: values with errors, p-values, significances, windows."""

import math

from anode.statistics.scan.window_result import CutWindow

MISSING = "-"
_SMALLEST_PLAIN = 1e-3
_SMALLEST_P, LARGEST_P = 1e-300, 0.99
"""p-values beyond which only the bound is written."""
_NO_ERROR = 1e-12


def with_error(value: float | None, error: float | None, *, digits: int = 2) -> str:
    """Value and error, the error to two significant digits and the value to the same place.

    Args:
        value: number; None or not finite is shown as "-".
        error: error of the value; if None or not finite, or so small or large beside the value
            that it says nothing, the value alone, to three significant digits.
        digits: significant digits of the error.

    Example:
        >>> with_error(51.234, 3.14159), with_error(12345.6, 321.0), with_error(0.5, 1e-289)
        ('51.2 ± 3.1', '12,350 ± 320', '0.500')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if error is None or not _says_something(value, error):
        return rounded(value)
    places = _places(error, digits)
    return f"{_fixed(value, places)} ± {_fixed(error, places)}"


def with_errors(value: float | None, low: float | None, high: float | None) -> str:
    """Value with an error downwards and one upwards; one number where they read the same.

    Example:
        >>> with_errors(32.8, 9.1, 9.94), with_errors(32.8, 9.94, 9.91)
        ('32.8 +9.9 -9.1', '32.8 ± 9.9')
    """
    known = [error for error in (low, high) if error is not None and math.isfinite(error)]
    finite = value is not None and math.isfinite(value)
    if value is None or not finite or len(known) < 2 or not _says_something(value, min(known)):
        return with_error(value, max(known, default=None))
    places = _places(min(known), 2)
    below, above = (_fixed(error, places) for error in known)
    if below == above:
        return f"{_fixed(value, places)} ± {above}"
    return f"{_fixed(value, places)} +{above} -{below}"


def rounded(value: float | None, digits: int = 3) -> str:
    """Significant digits without an exponent, thousands apart.

    Example:
        >>> rounded(51.234), rounded(512345.0), rounded(0.012345, 2), rounded(None)
        ('51.2', '512,000', '0.012', '-')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    return "0" if value == 0 else _fixed(value, _places(value, digits))


def p_text(p: float | None) -> str:
    """A p-value to two digits; near one and below what a number holds, a bound.

    Example:
        >>> p_text(0.0000214), p_text(0.0123), p_text(0.5), p_text(0.0), p_text(1.0)
        ('2.1e-5', '0.012', '0.50', '< 1e-300', '> 0.99')
    """
    if p is None or not math.isfinite(p):
        return MISSING
    if p < _SMALLEST_P:
        return "< 1e-300"
    if p > LARGEST_P:
        return f"> {LARGEST_P:g}"
    if p >= _SMALLEST_PLAIN:
        return _fixed(p, _places(p, 2))
    mantissa, exponent = f"{p:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def p_is(p: float | None, error: float | None = None) -> str:
    """A p-value as an equation, with its error where that reaches the last digit of p.

    Example:
        >>> p_is(0.0123), p_is(0.0123, 0.0031), p_is(0.0123, 1e-289), p_is(1.0, 0.0)
        ('p = 0.012', 'p = 0.012 (error 0.0031)', 'p = 0.012', 'p > 0.99')
    """
    text = p_text(p)
    if text[0] in "<>":
        return f"p {text}"
    if p is None or not error or not math.isfinite(error) or error < _last_digit(p) / 2:
        return f"p = {text}"
    return f"p = {text} (error {p_text(error)})"


def p_is_math(p: float | None) -> str:
    """A p-value as an equation for figures, where powers of ten are written as such.

    Example:
        >>> p_is_math(0.0123), p_is_math(4.04e-33), p_is_math(1.0)
        ('$p$ = 0.012', '$p$ = $4.0\\\\times 10^{-33}$', '$p$ > 0.99')
    """
    text = p_text(p)
    sign, number = text.split() if text[0] in "<>" else ("=", text)
    if "e" in number:
        mantissa, exponent = number.split("e")
        number = rf"${mantissa}\times 10^{{{exponent}}}$"
    return f"$p$ {sign} {number}"


def z_text(z: float | None) -> str:
    """A significance to one decimal.

    Example:
        >>> z_text(4.0849), z_text(-0.02)
        ('4.1', '0.0')
    """
    if z is None or not math.isfinite(z):
        return MISSING
    return f"{round(z, 1) + 0.0:.1f}"


def efficiency_text(efficiency: float) -> str:
    """A background efficiency as a name.

    Example:
        >>> efficiency_text(1), efficiency_text(0.001), efficiency_text(0.025)
        ('no cut', '1e-3', '0.025')
    """
    if efficiency >= 1:
        return "no cut"
    exponent = round(math.log10(efficiency))
    if math.isclose(efficiency, 10.0**exponent):
        return f"1e{exponent}"
    return f"{efficiency:.3g}"


def mass_range(low: float, high: float) -> str:
    """A window [low, high) given in GeV, in TeV.

    Example:
        >>> mass_range(3300.0, 3700.0), mass_range(3325.0, 3725.0)
        ('3.3-3.7 TeV', '3.325-3.725 TeV')
    """
    return f"{_tev(low)}-{_tev(high)} TeV"


def _tev(mass: float) -> str:
    text = f"{mass / 1000:.3f}".rstrip("0")
    return f"{text}0" if text.endswith(".") else text


def _says_something(value: float, error: float) -> bool:
    """Whether an error is neither lost in the value's digits nor beyond every scale of it."""
    scale = max(abs(value), 1.0)
    return math.isfinite(error) and 1e-6 * abs(value) < error < 1e6 * scale and error > _NO_ERROR


def _last_digit(p: float) -> float:
    """Value of the second significant digit."""
    return float(10.0 ** -_places(p, 2))


def _places(value: float, digits: int) -> int:
    """Decimal places that leave so many significant digits, after rounding up to a new digit."""
    exponent = int(f"{abs(value):.{digits - 1}e}".split("e")[1])
    return digits - 1 - exponent


def _fixed(value: float, places: int) -> str:
    return f"{round(value, places) + 0.0:,.{max(places, 0)}f}"


def window_of(row: CutWindow) -> str:
    """Name of a window and its cut."""
    at = efficiency_text(row.efficiency)
    cut = "without a cut" if row.efficiency >= 1 else f"at efficiency {at}"
    return f"{mass_range(row.low, row.high)} {cut}"
