"""Line formats: what cannot be is refused when it is loaded, by key."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    "pattern",
    [
        "(?P<a>x+)+", "(?P<a>(?:x+)*)", "(?P<a>x)(?:y|yy){2,}", "(?P<a>x)(?:y+){,9}", "(?P<a>x)(?:y+){12}",
        r"(?P<a>[)]+)+", r"(?P<a>\(x+)+", "(?x)(?P<a>x+) +", "(?P<a>x+)(?#c)+", "(?P<a>(?x:(y+) +))",
    ],
)  # fmt: skip
def test_a_pattern_whose_time_could_explode_is_refused(pattern):
    """A repeated group is what it takes; hiding the repetition does not help."""
    re.compile(pattern)
    with pytest.raises(ValueError, match=r"^pattern: "):
        LineFormat(channels=(GROUP,), pattern=pattern)


@pytest.mark.parametrize("pattern", [r"(?P<a>\d+)?", "(?P<a>x){1}", r"\)+(?P<a>x)", "[()+]+(?P<a>x)", "(?P<a>[]x)]*)"])
def test_a_pattern_that_repeats_characters_and_sets_is_taken(pattern):
    """An optional group is no repetition, an escaped or listed parenthesis no group."""
    assert LineFormat(channels=(GROUP,), pattern=pattern).last_column == -1


@given(pattern=st.text(alphabet="()+*?{}1,[]^ax\\|#:P<>", max_size=30))
def test_no_accepted_pattern_repeats_a_group(pattern):
    """Whatever is written: refused as no expression, or accepted and quick on a line that nearly matches."""
    try:
        LineFormat(channels=(GROUP,), pattern=f"(?P<a>a){pattern}")
    except ValueError:
        return
    compiled = re.compile(f"(?P<a>a){pattern}")
    began = time.perf_counter()
    compiled.fullmatch("a" * 40 + "!")
    assert time.perf_counter() - began < 1.0
