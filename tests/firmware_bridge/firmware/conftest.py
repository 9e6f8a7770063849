"""The reference header and its example, compiled once a session."""

import pytest
from reference_head import COMPILER, DRIVER, EXAMPLE, HEADER, STRICT, ReferenceHead, compile_c, supported_sanitizers


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A function from (name, sources, flags) to a program, with sanitizers where the system has them."""
    if COMPILER is None:
        pytest.skip("no C compiler: the reference header is tested where `cc` is found")
    folder = tmp_path_factory.mktemp("firmware")
    sanitizers = supported_sanitizers(folder)
    implementation = folder / "implementation.c"
    implementation.write_text('#define FIRMGROUND_HEAD_IMPLEMENTATION\n#include "firmground_head.h"\n')

    def build(name, *flags):
        program = folder / name
        if not program.exists():
            sources = [EXAMPLE] if name == "example" else [DRIVER, implementation]
            compile_c(*STRICT, "-g", *sanitizers, *flags, f"-I{HEADER.parent}", *sources, "-o", program)
        return program

    return build


@pytest.fixture(scope="module")
def head(built):
    """A reference head that reads frames as long as the host's codec does."""
    reference = ReferenceHead(built("driver", "-DFG_FRAME_BYTES_MAX=4117u"))
    yield reference
    assert reference.close() == 0


@pytest.fixture(scope="module")
def small_head(built):
    """A reference head as its header comes: it reads the longest message of version 1 and no more."""
    reference = ReferenceHead(built("small_driver"))
    yield reference
    assert reference.close() == 0
