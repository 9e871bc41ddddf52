"""What verbs tell: sizes in the unit that people would choose."""

from __future__ import annotations

import pytest

from dlw.progress import size_text


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [
        (0, "0 bytes"),
        (1023, "1,023 bytes"),
        (1500, "1.5 KiB"),
        (89 * 1024, "89 KiB"),
        (2**20, "1.0 MiB"),
        (2**29, "512 MiB"),
        (5000 * 2**30, "5,000 GiB"),
    ],
)
def test_sizes_have_a_unit_that_fits(num_bytes: int, text: str) -> None:
    assert size_text(num_bytes) == text
