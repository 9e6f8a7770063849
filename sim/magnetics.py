"""
Magnetometers: what iron in the ground, the day and the vehicle itself add to the Earth's field, and how it is read.

Fields are float64 (..., 3) in tesla, east, north, up, unless said otherwise; readings in tesla. Low-metal items are
below the noise of every magnetometer and have no place here.
"""

import math

import msgspec
import numpy as np

from firmware_bridge.records import FloatArray
from sim.fields import MU0

DAY_S = 86_400.0
HARMONICS = 4  # of the day: the regular daily variation of quiet days has no more (Chapman and Bartels)


class Daily(msgspec.Struct, frozen=True, kw_only=True):
    """
    The field's daily variation, common to all sensors of a site: harmonics of the day, their sizes as 1/number^2.

    span_t : from its least to its greatest value at most, tesla
    """

    span_t: float
    phases_rad: tuple[float, ...]

    def at(self, time_s: FloatArray) -> FloatArray:
        """Added to the total field at times of the day."""
        numbers = np.arange(1, len(self.phases_rad) + 1)
        sizes = 1.0 / numbers**2
        waves = np.sin(2.0 * math.pi / DAY_S * numbers * time_s[..., None] + np.array(self.phases_rad))
        value: FloatArray = self.span_t / 2.0 * (sizes * waves).sum(axis=-1) / sizes.sum()
        return value


def daily(span_t: float, random: np.random.Generator) -> Daily:
    """A day of its own."""
    return Daily(span_t=span_t, phases_rad=tuple(random.uniform(0.0, 2.0 * math.pi, HARMONICS).tolist()))


class Platform(msgspec.Struct, frozen=True, kw_only=True):
    """
    The vehicle at one sensor, in its own frame (x forward, y left, z up): the first two terms of Tolles and Lawson.

    permanent_t : tesla     induced : tesla for each tesla of the Earth's field, rows of a 3 x 3 matrix
    """

    permanent_t: tuple[float, float, float]
    induced: tuple[tuple[float, float, float], ...]

    def field_t(self, earth_t: FloatArray, axes: FloatArray) -> FloatArray:
        """
        East, north, up at every attitude.

        axes : float64 (n, 3, 3), rows are the vehicle's x, y, z in east, north, up     Returns float64 (n, 3)
        """
        inside = np.array(self.permanent_t) + in_sensor_frame(earth_t, axes) @ np.array(self.induced).T
        field: FloatArray = np.einsum("ni,nij->nj", inside, axes)
        return field


def moment_am2(axes: FloatArray, volumes_m3: FloatArray, permanent_am2: FloatArray, earth_t: FloatArray) -> FloatArray:
    """
    An item's moment in the Earth's field: what it keeps, and what is induced.

    axes          : float64 (3, 3), rows are the item's axes in east, north, up
    volumes_m3    : float64 (3,), induced moment for each A/m along each axis; a steel ball of radius R has 4 pi R^3
    permanent_am2 : float64 (3,) along the item's axes
    """
    moment: FloatArray = (permanent_am2 + volumes_m3 * (axes @ earth_t) / MU0) @ axes
    return moment


def total_field_t(field_t: FloatArray) -> FloatArray:
    """What a total-field magnetometer reads: the length of all that is there, exactly; float64 (...)."""
    length: FloatArray = np.sqrt((field_t**2).sum(axis=-1))
    return length


def in_sensor_frame(field_t: FloatArray, axes: FloatArray) -> FloatArray:
    """What a three-axis magnetometer reads that turns with the vehicle: x, y, z of its frame, float64 (n, 3)."""
    turned: FloatArray = np.einsum("nij,nj->ni", axes, np.broadcast_to(field_t, (*axes.shape[:1], 3)))
    return turned
