"""
How much of a head's last samples was in signal. Where that is most of them, one item hides the next.
"""

import numpy as np

from firmware_bridge.records import BoolArray, FloatArray

WINDOW_S = 10.0


class SignalDensity:
    """The share of a window of samples in which any channel was in signal; it moves by the sample count."""

    def __init__(self, rate_hz: float) -> None:
        self._ring = np.zeros(max(1, round(WINDOW_S * rate_hz)), dtype=np.int64)
        self._at = 0
        self._total = 0

    def take(self, is_in_signal: BoolArray) -> FloatArray:
        """
        The share at each of the next samples, itself included; what is not known yet counts as quiet.

        is_in_signal : bool (n,)      Returns float64 (n,), 0 to 1
        """
        if self._total == 0 and not is_in_signal.any():
            self._at = (self._at + len(is_in_signal)) % len(self._ring)
            return np.zeros(len(is_in_signal))
        shares = []
        for start in range(0, len(is_in_signal), len(self._ring)):
            new = is_in_signal[start : start + len(self._ring)].astype(np.int64)
            places = (self._at + np.arange(len(new))) % len(self._ring)
            totals = self._total + np.cumsum(new - self._ring[places])
            self._ring[places] = new
            self._at, self._total = (self._at + len(new)) % len(self._ring), int(totals[-1])
            shares.append(totals / len(self._ring))
        return np.concatenate(shares)
