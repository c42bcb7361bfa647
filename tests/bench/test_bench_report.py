"""The generator's lines as values."""

from __future__ import annotations

import pytest
from bench.report import Histogram, Report, Second, WindowEdge, parse_line
from made_up import histogram

SECOND = (
    b'{"kind":"second","at_s":1.0,"phase":"ramp","calls_up":3,"calls_lost":0,'
    b'"up":{"sent":10,"received":9,"p50_us":1.5,"p99_us":2,"max_us":3.5},'
    b'"down":{"sent":1,"received":1,"p50_us":1,"p99_us":2,"max_us":3}}\n'
)
HISTOGRAM = b'{"count":2,"max_ns":900,"buckets":[[500,1],[1000,1]]}'
DIRECTION = (
    b'{"sent":5,"received":4,"sent_before":3,"received_before":3,'
    b'"duplicated":0,"reordered":0,"unreadable":0,"latency":' + HISTOGRAM + b"}"
)
REPORT = (
    b'{"kind":"report","outcome":"complete","reason":"","calls":1,"calls_up":1,"calls_lost":0,"extras_up":0,'
    b'"window_s":2.5,"marks_received":7,"clears_received":0,"up":%(way)s,"down":%(way)s,"set_up":%(times)s,'
    b'"generator":{"cpu_s":0.5,"lateness":%(times)s,"turn":%(times)s}}\n'
) % {b"way": DIRECTION, b"times": HISTOGRAM}


class TestLines:
    def test_each_kind_is_read(self) -> None:
        assert parse_line(b"WINDOW_BEGIN\n") == WindowEdge(is_begin=True)
        assert parse_line(b"WINDOW_END\n") == WindowEdge(is_begin=False)
        second = parse_line(SECOND)
        assert isinstance(second, Second)
        assert (second.phase, second.up.sent, second.up.received, second.up.p50_us) == ("ramp", 10, 9, 1.5)
        report = parse_line(REPORT)
        assert isinstance(report, Report)
        assert (report.window_s, report.up.lost, report.generator.cpu_s) == (2.5, 1, 0.5)
        assert report.up.latency.buckets == ((500, 1), (1000, 1))

    @pytest.mark.parametrize("line", [b"", b"\n", b"WINDOW\n", b'{"kind":"other"}\n', REPORT[:-20]])
    def test_any_other_line_is_refused(self, line: bytes) -> None:
        with pytest.raises(ValueError, match=r".+"):
            parse_line(line)


def test_a_share_of_the_values_lies_at_or_below_what_is_answered() -> None:
    """The edge of the last bucket is never above the longest, which is exact."""
    found = histogram(*range(1, 101))
    assert [found.at(share) for share in (0.01, 0.5, 0.99, 1.0)] == [1.0, 50.0, 99.0, 100.0]
    assert Histogram(1, 900, ((1000, 1),)).at(0.99) == 0.0009
    assert histogram(0.25, 7.125).max_ms == 7.125
    empty = Histogram(0, 0, ())
    assert (empty.at(0.5), empty.max_ms) == (0.0, 0.0)
