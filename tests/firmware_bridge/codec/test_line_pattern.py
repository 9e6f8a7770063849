"""Patterns of lines: what they match, what is refused, and that no line takes long."""

import re
import time
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codec.instruments import G823_COUNTERS_MAX, encode_g823, g823, qtfm1, qtfm2
from firmware_bridge.codec.line_format import LINE_BYTES_MAX
from firmware_bridge.codec.line_pattern import PATTERN_BYTES_MAX, LinePattern

LINE_S_MAX = 0.5  # the slowest takes 7 ms on an idle machine


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(a", "is no regular expression: missing \\)"),
        ("[a", "is no regular expression: missing \\]"),
        ("a(?=b)", "invalid perl operator"),
        ("a(?!b)", "invalid perl operator"),
        (r"(a)\1", "invalid escape sequence"),
        ("(?P<a>x)(?P=a)", "invalid perl operator"),
        ("(?x) a", "invalid perl operator"),
        ("a{1001}", "invalid repetition size"),
        ("(((a{100}){100}){100})", "invalid repetition size"),
        ("(?P<a>x)|(?P<a>y)", "the group 'a' stands in it twice"),
        ("µ", "must be plain ASCII"),
        ("a" * (PATTERN_BYTES_MAX + 1), "at most 4096 characters"),
        ("a" * PATTERN_BYTES_MAX, "would take too long on a long line: 4100 instructions, at most 500"),
        ("(?:[ab]{1,500}[ab]{1,500})+c", "would take too long"),
    ],
)
def test_a_pattern_that_is_none_is_refused_with_the_reason(pattern, words):
    """Broken, without a linear-time meaning, or so long that one line would hold the loop."""
    with pytest.raises(ValueError, match=words):
        LinePattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        ("(?P<a>(?:x+)+)", b"x" * LINE_BYTES_MAX + b"!"),
        ("(?P<a>(?:x|xx)*)y", b"x" * LINE_BYTES_MAX),
        ("(?P<a>.*.*.*.*.*x)", b"a" * LINE_BYTES_MAX),
        ("(?P<a>(?:x?){100}x{100})", b"x" * LINE_BYTES_MAX),
        ("(?P<a>(?:[ab]{1,100}[ab]{1,100})+c)", b"ab" * (LINE_BYTES_MAX // 2)),
        ("(?P<a>[ab]*a[ab]{200}c)", b"ab" * (LINE_BYTES_MAX // 2)),
        ("(?P<a>(?:,?[^,]*,)*;)", b"1," * (LINE_BYTES_MAX // 2)),
    ],
)
def test_the_longest_hostile_line_takes_no_time(pattern, line):
    """What takes Python's own engine seconds or for ever, at the longest line that a format may allow (P2)."""
    compiled = LinePattern(pattern)
    began = time.perf_counter()
    assert compiled.split(line) is None
    assert time.perf_counter() - began < LINE_S_MAX


@given(
    pattern=st.text(alphabet="()+*?{}1,[]^ax\\|#:P<>.$", max_size=40),
    unit=st.sampled_from([b"a", b"ax", b"x", b"a,", b"1"]),
)
def test_no_accepted_pattern_takes_long(pattern, unit):
    """Whatever is written: refused with ValueError, or quick on a long line that nearly matches."""
    try:
        compiled = LinePattern(f"(?P<a>a){pattern}")
    except ValueError:
        return
    began = time.perf_counter()
    compiled.split((b"a" + unit * LINE_BYTES_MAX)[: LINE_BYTES_MAX - 1] + b"!")
    assert time.perf_counter() - began < LINE_S_MAX


@pytest.mark.parametrize(
    ("pattern", "line"), [("[[a]+", b"[a["), ("[a||b]+", b"a|b"), ("[a--]+", None), ("[a~~]+", b"~a")]
)
def test_a_set_that_python_warns_of_is_plain_characters_or_refused(pattern, line):
    """No warning when it is loaded: the one meaning is RE2's, whatever Python's may be one day."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if line is None:
            with pytest.raises(ValueError, match="is no regular expression"):
                LinePattern(pattern)
        else:
            assert LinePattern(pattern).split(line) == {}


def test_named_groups_are_the_columns_and_an_absent_one_is_none():
    """Numbered groups have no name; a group without a part in the match has no text."""
    pattern = LinePattern(r"S(?P<raw>-?\d+)( Q(?P<quality>\d))?(?: N(?P<count>\d+))?")
    assert pattern.names == ["raw", "quality", "count"]
    assert pattern.split(b"S-120 Q3") == {"raw": "-120", "quality": "3"}
    assert pattern.split(b"S120 N") is None
    assert pattern.split(b"xS120") is None


def test_a_byte_beyond_ascii_is_one_character_and_no_digit():
    """As the line's text has it: U+FFFD."""
    pattern = LinePattern(r"(?P<a>\d+)(?P<b>.)(?P<c>\w*)")
    assert pattern.split(b"12\xb5ab") == {"a": "12", "b": "\ufffd", "c": "ab"}
    assert pattern.split(b"12\xb2\xb2") is None


WIRE = st.one_of(
    st.binary(max_size=60),
    st.text(alphabet="!$ ,.@=_*<>^XYZsv0123456789", max_size=60).map(str.encode),
    st.builds(
        lambda fields: encode_g823(fields, [1] * len(fields)).strip(),
        st.lists(st.floats(0, 1e5), min_size=1, max_size=3),
    ),
)


@given(line=WIRE.filter(lambda line: b"\n" not in line))
def test_the_built_in_patterns_mean_what_python_s_engine_makes_of_them(line):
    """Two engines, the same columns, on any line."""
    for layout in (g823(), g823(3), g823(G823_COUNTERS_MAX), qtfm1(), qtfm2()):
        match = re.compile(layout.pattern, re.ASCII).fullmatch(line.decode("ascii", errors="replace"))
        expected = None if match is None else {k: v for k, v in match.groupdict().items() if v is not None}
        assert LinePattern(layout.pattern).split(line) == expected
