"""A line through what was seen: y = a·x + b·z by least squares of the relative error, forgetting slowly."""

from __future__ import annotations

_FORGET = 1.0 - 1.0 / 128.0
"""Weight of what was seen one sample ago: the last hundred or two decide."""

_ALIKE = 1e-6
"""Below this share of its bound the determinant is taken for 0: x and z grew alike, or hardly differ."""


class Fit:
    """Two coefficients learned from samples; x, y and z are positive, or the sample is left out.

    Each sample weighs 1/y², so that a large one counts no more than a small one. Where the samples do not
    tell x and z apart, y is taken to grow with x alone.
    """

    __slots__ = ("_samples", "_xx", "_xy", "_xz", "_yz", "_zz")

    def __init__(self) -> None:
        self._samples = 0
        self._xx = self._xz = self._zz = 0.0
        self._xy = self._yz = 0.0

    def add(self, y: float, x: float, z: float = 1.0) -> None:
        """Take in one sample."""
        if y <= 0 or x <= 0 or z <= 0:
            return
        x, z = x / y, z / y
        self._samples += 1
        self._xx = self._xx * _FORGET + x * x
        self._xz = self._xz * _FORGET + x * z
        self._zz = self._zz * _FORGET + z * z
        self._xy = self._xy * _FORGET + x
        self._yz = self._yz * _FORGET + z

    def coefficients(self) -> tuple[float, float] | None:
        """(a, b); None before the first sample."""
        if not self._samples:
            return None
        bound = self._xx * self._zz
        determinant = bound - self._xz * self._xz
        if self._samples >= 3 and determinant > _ALIKE * bound:
            a = (self._xy * self._zz - self._yz * self._xz) / determinant
            b = (self._yz * self._xx - self._xy * self._xz) / determinant
            if a > 0:
                return a, b
        return self._xy / self._xx, 0.0
