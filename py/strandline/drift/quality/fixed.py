"""Row terms in fixed point, the same bits on every machine, so that their sums are exact and equal in
any order.
"""

from __future__ import annotations

from math import frexp, ldexp
from typing import Final

BITS: Final = 40
"""terms of log-loss and Brier score are counted in units of 2^-40"""

_EPSILON: Final = 2.0**-52
_LN2: Final = 0.6931471805599453
_ROOT_HALF: Final = 0.7071067811865476


def log_loss_units(p: float) -> int:
    """−ln p in units of 2^-40, p clipped to at least 2^-52 (scikit-learn's clip); at most 0.5 units
    + 1e-15 off.

    Only additions, multiplications and divisions of doubles: these are the same on every machine,
    a C library's logarithm is not.
    """
    p = min(max(p, _EPSILON), 1.0)
    m, e = frexp(p)
    if m < _ROOT_HALF:
        m, e = 2 * m, e - 1
    z = (m - 1) / (m + 1)
    y = z * z
    series = 1 / 19
    for k in (17, 15, 13, 11, 9, 7, 5, 3, 1):
        series = series * y + 1 / k
    return round(ldexp(-(e * _LN2 + 2 * z * series), BITS))


def units(value: float, bits: int) -> int:
    """A finite double in units of 2^-bits, rounded to the nearest."""
    return round(ldexp(value, bits))
