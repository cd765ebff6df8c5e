from datetime import datetime, timedelta

import pytest

from hepreco.testing.second_process import AHEAD


@pytest.mark.parametrize(
    "now", [datetime(2024, 1, 1), datetime(2024, 2, 29, 16, 18, 47), datetime(2025, 12, 31, 23, 59)]
)
def test_the_clock_of_the_second_process_has_another_month_weekday_hour_and_minute(now):
    later = now + timedelta(seconds=AHEAD)
    for part in ("%m", "%a", "%H", "%M"):
        assert later.strftime(part) != now.strftime(part)
