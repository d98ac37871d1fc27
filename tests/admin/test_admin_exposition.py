"""gatekeeper.admin.exposition: what Prometheus reads."""

from gatekeeper.admin.exposition import family, histogram, label, single


def test_the_counts_of_a_histogram_are_cumulative() -> None:
    """Each bucket contains those below it; the last, +Inf, all."""
    assert list(histogram("t", (0.5, 1.0), (2, 0, 3), 4.25, label("app", "a"))) == [
        't_bucket{app="a",le="0.5"} 2',
        't_bucket{app="a",le="1"} 2',
        't_bucket{app="a",le="+Inf"} 5',
        't_sum{app="a"} 4.250000',
        't_count{app="a"} 5',
    ]


def test_a_histogram_needs_no_label() -> None:
    """No empty braces, and no comma before le."""
    assert list(histogram("t", (1.0,), (1, 0), 0.5)) == [
        't_bucket{le="1"} 1',
        't_bucket{le="+Inf"} 1',
        "t_sum 0.500000",
        "t_count 1",
    ]


def test_a_label_cannot_end_its_line() -> None:
    """The format escapes three characters in values: backslash, quote and line feed."""
    assert label("app", 'a"b\\c\nd') == 'app="a\\"b\\\\c\\nd"'


def test_each_metric_says_what_it_is() -> None:
    """A help text, a type, and the values."""
    assert list(single("x", "gauge", "What.", 2.0)) == ["# HELP x What.", "# TYPE x gauge", "x 2"]
    assert list(family("x", "counter", "What.", "by", {"a": 0.5}.items()))[2:] == ['x{by="a"} 0.5']
