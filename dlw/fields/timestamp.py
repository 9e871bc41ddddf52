"""Times: ISO text, dates, or seconds since 1970, as numbers a network can use.

Days since the first training row, and the place in the year, the week and the day as sine and cosine. Parts that do not
vary in the training split (the time of day of plain dates) are left out. Times with a zone are brought to UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, field_validator

from dlw.columns import one_array, to_codes, to_numpy
from dlw.errors import DataError
from dlw.fields._base import Encoded, FieldSettings, Role, State
from dlw.fields._columns import family, shown, to_floats
from dlw.fields._statistics import describe, nothing
from dlw.specs import FieldSpec

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "number"
DAY_US = 86_400_000_000
_MISSING = np.iinfo(np.int64).min
_UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_LONGEST_YEAR_DAYS = 366
_LEAST_SPREAD = 1e-6
"""A part that varies by less than this, in days or of a sine, does not vary."""
_LATEST_US = 253_402_300_800_000_000
"""The end of the year 9999."""


class Settings(FieldSettings):
    """Options of a time column."""

    format: str | None = Field(None, description="strptime format of text that is not ISO 8601, such as %d/%m/%Y.")
    unit: Literal["auto", "s", "ms", "us"] = Field("auto", description="Unit of plain numbers; auto: by their size.")

    @field_validator("format")
    @classmethod
    def _is_a_format(cls, value: str | None) -> str | None:
        try:
            _microseconds("", value or "%Y")
        except re.error as error:
            raise ValueError(f"{value} names a part of the time twice") from error
        except ValueError as error:
            if "does not match" not in str(error):  # what an empty text is told where the format is one
                raise
        return value


@dataclass(frozen=True)
class Timestamp:
    """One time column."""

    settings: Settings
    name: str
    role: Role

    def fit(self, values: pa.ChunkedArray) -> State:
        """Learn the first time and which parts vary."""
        if self.role == "target":
            raise DataError(f"target {self.name}: a time cannot be a target; make it a number")
        unit = self._unit(values)
        times = self._read(values, unit)
        known = times[times != _MISSING]
        if len(known) == 0:
            return {"dropped": "has no values"}
        origin = int(known.min())
        if (known.max() - origin) / DAY_US <= _LEAST_SPREAD:
            return {"dropped": "is the same moment in every row"}
        parts = _parts(known, origin)
        kept = {part: describe(numbers) for part, numbers in parts.items() if np.ptp(numbers) > _LEAST_SPREAD}
        return {"unit": unit, "origin_us": origin, "parts": kept}

    def encode(self, values: pa.ChunkedArray, state: State) -> Encoded:
        """Turn times into float32 [N, parts], NaN where missing."""
        if "dropped" in state:
            return Encoded(np.zeros((len(values), 0), np.float32), {})
        times = self._read(values, state["unit"])
        missing = times == _MISSING
        parts = _parts(np.where(missing, state["origin_us"], times), state["origin_us"])
        array = np.stack([parts[part] for part in state["parts"]], axis=1)
        array[missing] = np.nan
        return Encoded(array, {})

    def decode(self, array: np.ndarray, state: State) -> list[Any]:
        """Turn the days back into times, None where missing; to some seconds a year, as float32 holds them."""
        if "dropped" in state:
            return [None] * len(array)
        days = array[:, list(state["parts"]).index("days")].astype(np.float64)
        times = np.array([state["origin_us"] + round(day * DAY_US) if day == day else _MISSING for day in days])
        return times.astype("datetime64[us]").tolist()

    def spec(self, state: State) -> FieldSpec:
        """Describe one number column per part."""
        if "dropped" in state:
            return nothing(KIND)
        parts = state["parts"]
        columns = tuple(f"{self.name}.{part}" for part in parts)
        statistics = {key: [numbers[key] for numbers in parts.values()] for key in next(iter(parts.values()))}
        return FieldSpec(KIND, (len(parts),), "float32", columns, statistics=statistics)

    def _unit(self, values: pa.ChunkedArray) -> str:
        """Return the unit of plain numbers, decided once so that no later rows can change it."""
        if self.settings.unit != "auto" or family(values.type) != "numbers":
            return "s" if self.settings.unit == "auto" else self.settings.unit
        numbers = to_floats(values, self.name)
        largest = np.abs(numbers[~np.isnan(numbers)]).max(initial=0)
        return "s" if largest < 1e11 else "ms" if largest < 1e14 else "us"

    def _read(self, values: pa.ChunkedArray, unit: str) -> np.ndarray:
        """Return int64 [N] microseconds since 1970 in UTC, the smallest int64 where missing."""
        import pyarrow as pa

        what = family(values.type)
        if what == "nothing":
            return np.full(len(values), _MISSING)
        if what == "text":
            return self._parse(values)
        if what == "numbers":
            return self._scale(values, unit)
        if what != "times" or not (pa.types.is_timestamp(values.type) or pa.types.is_date(values.type)):
            raise DataError(f"column {self.name}: holds {what} ({values.type}) where times are needed")
        zone = values.type.tz if pa.types.is_timestamp(values.type) else None
        whole = one_array(values).cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())
        times, is_missing = to_numpy(whole, np.int64)
        return np.where(is_missing, _MISSING, times)

    def _scale(self, values: pa.ChunkedArray, unit: str) -> np.ndarray:
        times = np.round(to_floats(values, self.name) * _UNITS[unit])
        missing = np.isnan(times)
        if np.abs(times[~missing]).max(initial=0) > _LATEST_US:
            raise DataError(f"column {self.name}: numbers too large for times in {unit}; set `unit`")
        return np.where(missing, _MISSING, np.where(missing, 0, times).astype(np.int64))

    def _parse(self, values: pa.ChunkedArray) -> np.ndarray:
        codes, words = to_codes(values)
        table = np.full(len(words) + 1, _MISSING)
        for code, text in enumerate(words):
            if text.strip():
                try:
                    table[code] = _microseconds(text.strip(), self.settings.format)
                except ValueError:
                    rows = np.flatnonzero(codes == code)
                    wanted = (
                        f"a time of the format {self.settings.format}" if self.settings.format else "an ISO 8601 time"
                    )
                    raise DataError(
                        f"column {self.name}: row {rows[0]}: {shown(text)} is not {wanted}; "
                        "set `format`, such as %d/%m/%Y"
                    ) from None
        return table[codes]


def _microseconds(text: str, form: str | None) -> int:
    from datetime import UTC, datetime, timedelta

    moment = datetime.strptime(text, form) if form else datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _parts(times_us: np.ndarray, origin_us: int) -> dict[str, np.ndarray]:
    """Return the named float32 parts of times in microseconds."""
    days = times_us // DAY_US
    moments = days.astype("datetime64[D]")
    year_day = (moments - moments.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    day_share = (times_us - days * DAY_US) / DAY_US
    cycles = {
        "year": (year_day + day_share) / _LONGEST_YEAR_DAYS,
        "week": ((days + 3) % 7 + day_share) / 7,  # 1970-01-01 was a Thursday
        "day": day_share,
    }
    parts = {"days": ((times_us - origin_us) / DAY_US).astype(np.float32)}
    for name, share in cycles.items():
        parts[f"{name}_sin"] = np.sin(2 * np.pi * share).astype(np.float32)
        parts[f"{name}_cos"] = np.cos(2 * np.pi * share).astype(np.float32)
    return parts


build = Timestamp
