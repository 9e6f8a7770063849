"""
Regular expressions for lines of instruments, in time that grows with the line and not with what stands in it.

Patterns are matched by RE2, which never goes back: Python's own engine takes 8 s for `.*.*.*x` on a damaged line of
4,096 bytes and for ever for `(a+)+x`, and whoever holds the loop holds the alarms. RE2's syntax
(github.com/google/re2/wiki/Syntax) has no look-around and no back-references, which nobody can match in such time.

Bytes beyond ASCII are one character each, which no class but a negated one contains.
"""

import re

import re2

_ESCAPES_AND_SETS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_NAMED_GROUP = re.compile(r"\(\?P?<(\w+)>")
_MEMORY_BYTES_MAX = 1 << 18  # RE2's bound for a compiled pattern with its caches; the longest built in needs 16 kB
# RE2's time is the line's bytes times the pattern's instructions at worst: 0.8 ms for 512 bytes of one so long, 6 ms
# for 4,096. The longest built in, 20 counters of a G-823, has 424.
PROGRAM_MAX = 500
PATTERN_BYTES_MAX = 4_096  # as long as the longest line; compiling it takes less than 0.1 s


class LinePattern:
    """A pattern that must cover the whole line; its named groups are the line's columns."""

    def __init__(self, pattern: str) -> None:
        """Raises ValueError with the reason where RE2 does not take the pattern."""
        if not pattern.isascii():
            raise ValueError("must be plain ASCII, as the lines are")
        if len(pattern) > PATTERN_BYTES_MAX:
            raise ValueError(f"must have at most {PATTERN_BYTES_MAX} characters")
        names = _NAMED_GROUP.findall(_ESCAPES_AND_SETS.sub("x", pattern))
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"is no regular expression: the group {repeated[0]!r} stands in it twice")
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.log_errors = False
        options.max_mem = _MEMORY_BYTES_MAX
        try:
            self._compiled = re2.compile(pattern.encode("ascii"), options)
        except re2.error as error:
            (reason,) = error.args
            raise ValueError(f"is no regular expression: {reason.decode('ascii', errors='replace')}") from error
        size = self._compiled.programsize
        if size > PROGRAM_MAX:
            raise ValueError(
                f"would take too long on a long line: {size} instructions, at most {PROGRAM_MAX}; "
                "use shorter counts in {}"
            )
        groups = sorted(self._compiled.groupindex.items(), key=lambda item: item[1])
        self._names = [(name.decode("ascii"), group) for name, group in groups]

    @property
    def names(self) -> list[str]:
        """The named groups, in the order of their parentheses."""
        return [name for name, _ in self._names]

    def split(self, line: bytes) -> dict[int | str, str] | None:
        """The texts of the groups, without those that took no part in the match; None where the line does not match."""
        match = self._compiled.fullmatch(line)
        if match is None:
            return None
        texts = match.groups()
        return {
            name: texts[group - 1].decode("ascii", errors="replace")
            for name, group in self._names
            if texts[group - 1] is not None
        }
