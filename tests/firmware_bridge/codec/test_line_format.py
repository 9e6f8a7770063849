"""Line formats: what cannot be is refused when it is loaded, by key."""

import pytest

from firmware_bridge.codec.line_format import CHANNELS_MAX, LINE_BYTES_MAX, LineChannel, LineFormat, LineRule

A = LineChannel(name="a", unit="nT", column=1)
B = LineChannel(name="b", unit="nT", column=3)
GROUP = LineChannel(name="a", unit="nT", column="a")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"channels": ()}, "^channels: a line needs at least one"),
        ({"channels": (A,) * (CHANNELS_MAX + 1)}, "^channels: .* at most 64"),
        ({"channels": (A, LineChannel(name="a", unit="nT", column=2))}, "^channels: .* name of its own"),
        ({"channels": (LineChannel(name="a", unit="x", column=1, scale=0.0),)}, "^channels: a: scale"),
        ({"channels": (LineChannel(name="a", unit="x", column=1, offset=float("nan")),)}, "^channels: a: scale"),
        ({"channels": (GROUP,)}, "^column: must be a number"),
        ({"separator": "::"}, "^separator: .* one character"),
        ({"separator": "."}, "^separator: .* no number"),
        ({"sequence_column": 1}, "^column: .* used once"),
        ({"sequence_column": -1}, "^column: .* from 0"),
        ({"sequence_column": LINE_BYTES_MAX}, "^column: 4096 is beyond"),
        ({"columns": 3}, "^columns: column 3"),
        ({"length_max": 0}, "^length_max: 0 must be 1 to 4096"),
        ({"length_max": 5000}, "^length_max: 5000"),
        ({"comments": ("",)}, "^comments: "),
        ({"sequence_step": 2}, "^sequence_column: is missing"),
        ({"sequence_wrap": 250}, "^sequence_column: is missing"),
        ({"sequence_column": 0, "sequence_step": 0}, "^sequence_step: "),
        ({"sequence_column": 0, "sequence_step": 2, "sequence_wrap": 2}, "^sequence_step: "),
        ({"device_time_wrap": 2**32}, "^device_time_column: is missing"),
        ({"device_time_column": 0, "device_time_wrap": 0}, "^device_time_wrap: "),
        ({"valid": (LineRule(column=9, equals=("A",)),), "columns": 9}, "^columns: column 9"),
        ({"valid": (LineRule(column=0, equals=("A",), channels=("c",)),)}, "^valid: there is no channel 'c'"),
        ({"pattern": "(?P<a>x)", "separator": ";"}, "^pattern: separator and columns"),
        ({"pattern": "(?P<a>x)", "columns": 4}, "^pattern: separator and columns"),
        ({"pattern": "(?P<a>x"}, "^pattern: is no regular expression"),
        ({"pattern": "(?P<a>µ)"}, "^pattern: must be plain ASCII"),
        ({"pattern": "(?P<b>x)(?P<c>y)", "channels": (GROUP,)}, "^column: 'a' is no named group .* b, c"),
        ({"pattern": "x", "channels": (GROUP,)}, "there are none"),
        ({"pattern": "(?P<a>x)"}, "^column: 1 is no named group"),
        ({"pattern": "(?P<a>x)(?=y)"}, "^pattern: is no regular expression: invalid perl operator"),
        ({"pattern": "(?P<a>x)[y]{1000}"}, "^pattern: would take too long on a long line"),
    ],
)
def test_a_format_that_cannot_be_is_refused(fields, words):
    """Each with its key and its reason."""
    with pytest.raises(ValueError, match=words):
        LineFormat(**{"channels": (A, B), **fields})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "a rule needs"),
        ({"channels": ("a",)}, "a rule needs"),
        ({"at_least": 2.0, "at_most": 1.0}, "at_least not above at_most"),
        ({"at_least": float("inf")}, "finite"),
        ({"at_most": float("nan")}, "finite"),
    ],
)
def test_a_rule_that_says_nothing_is_refused(fields, words):
    """It would hold for everything, or for nothing."""
    with pytest.raises(ValueError, match=words):
        LineRule(column=0, **fields)


def test_a_rule_may_look_at_a_column_that_is_read():
    """A channel's own number can be bounded, the clock's too."""
    rules = (LineRule(column=1, at_least=0.0), LineRule(column=0, not_equals=("0",)))
    assert LineFormat(channels=(A,), device_time_column=0, valid=rules).last_column == 1
