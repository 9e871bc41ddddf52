"""Times: one meaning for ISO text, dates, zones and plain seconds; parts that vary become columns."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from dlw.errors import DataError
from dlw.fields import timestamp

HOURS = [datetime(2024, 12, 30, 6) + timedelta(hours=7 * step) for step in range(40)]


def column(*values: object) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values)])


def field(**settings: object) -> timestamp.Timestamp:
    return timestamp.build(timestamp.Settings.model_validate(settings), "when", "input")


def test_parts_are_named_columns_in_days_and_cycles() -> None:
    state = field().fit(column(*HOURS))
    parts = ("days", "year_sin", "year_cos", "week_sin", "week_cos", "day_sin", "day_cos")
    assert field().spec(state).columns == tuple(f"when.{part}" for part in parts)
    row = dict(zip(parts, field().encode(column(datetime(2024, 12, 30, 18)), state).array[0], strict=True))
    assert row["days"] == 0.5
    assert (row["day_sin"], row["day_cos"]) == (-1, pytest.approx(0, abs=1e-6))
    assert np.arctan2(row["week_sin"], row["week_cos"]) == pytest.approx(2 * np.pi * 0.75 / 7)  # a Monday evening


def test_plain_dates_have_no_time_of_day() -> None:
    state = field().fit(column(*(date(2024, 1, 1) + timedelta(days=step) for step in range(20))))
    assert "day_sin" not in state["parts"]
    assert "week_sin" in state["parts"]


@pytest.mark.parametrize(
    "convert",
    [
        lambda moment: moment.isoformat(),
        lambda moment: moment.replace(tzinfo=UTC).isoformat(),
        lambda moment: moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(hours=5))).isoformat(),
        lambda moment: moment.replace(tzinfo=UTC),
        lambda moment: int(moment.replace(tzinfo=UTC).timestamp()),
        lambda moment: 1000 * moment.replace(tzinfo=UTC).timestamp(),
    ],
)
def test_every_way_to_write_a_time_means_the_same(convert: object) -> None:
    values = column(*(convert(moment) for moment in HOURS))  # type: ignore[operator]
    plain = field().encode(column(*HOURS), field().fit(column(*HOURS))).array
    np.testing.assert_array_equal(field().encode(values, field().fit(values)).array, plain)


def test_the_unit_of_numbers_is_decided_in_training_only() -> None:
    late = 1_700_000_000_000
    state = field().fit(column(late, late + 86_400_000))
    assert field().encode(column(86_400_000), state).array[0, 0] == pytest.approx(1 - late / 86_400_000)


def test_gaps_stay_gaps() -> None:
    state = field().fit(column(*HOURS))
    assert np.isnan(field().encode(pa.chunked_array([pa.array([None, HOURS[0]])]), state).array[0]).all()
    assert np.isnan(field().encode(pa.chunked_array([pa.nulls(1)]), state).array).all()


def test_other_formats_need_to_be_said() -> None:
    with pytest.raises(DataError, match=r"column when: row 0: '31/12/2024' is not an ISO 8601 time; set `format`"):
        field().fit(column("31/12/2024", "01/01/2025"))
    state = field(format="%d/%m/%Y").fit(column("31/12/2024", "01/01/2025"))
    assert field(format="%d/%m/%Y").encode(column("02/01/2025"), state).array[0, 0] == 2


def test_one_moment_is_dropped_and_no_target() -> None:
    assert field().fit(column(HOURS[0], HOURS[0]))["dropped"] == "is the same moment in every row"
    with pytest.raises(DataError, match="a time cannot be a target"):
        timestamp.build(timestamp.Settings(), "when", "target").fit(column(*HOURS))


def test_moments_that_are_closer_than_the_parts_tell_are_one_moment() -> None:
    close = [datetime(2024, 1, 1, microsecond=10 * step) for step in range(3)]
    state = field().fit(column(*close))
    assert state == {"dropped": "is the same moment in every row"}
    assert field().encode(column(*close), state).array.shape == (3, 0)


@pytest.mark.parametrize(
    ("form", "told"), [("%Y%Y", "names a part of the time twice"), ("%Q", "bad directive"), ("%d/%", "stray %")]
)
def test_a_format_that_reads_nothing_is_refused(form: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        timestamp.Settings(format=form)
