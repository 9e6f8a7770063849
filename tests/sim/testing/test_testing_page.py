"""`docs/TESTING.md` is what strangers copy from: each of its blocks is a test file that passes."""

import re
import tomllib

import pytest

from tests.command import ROOT

pytest_plugins = ("pytester",)
PAGE = (ROOT / "docs" / "TESTING.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
TITLES = [re.search(r"def (test_\w+)", block).group(1) for block in BLOCKS]


@pytest.mark.parametrize("block", BLOCKS, ids=TITLES)
def test_a_block_of_the_page_is_a_test_that_passes(stranger, block):
    """As it stands there, in another project."""
    stranger(block).assert_outcomes(passed=1)


def test_the_page_installs_what_there_is():
    """The extra that it names is declared, and every fixture of the table is met in a block."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(re.findall(r"(?:firmground|\.)\[(\w+)\]'", PAGE)) == {"testing"} <= set(extras)
    for fixture in re.findall(r"^\| `(firmground_\w+)`", PAGE, re.MULTILINE):
        assert any(fixture in block for block in BLOCKS), fixture
