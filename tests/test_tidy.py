"""The house rules as a test: where imports may point, how long things may be, who may read a clock or print."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("firmware_bridge", "controller", "sim")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
PURE = ("firmware_bridge/codec", "controller/core")
FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 400

_SHELL = (
    "firmware_bridge", "controller.channel", "controller.config", "controller.core", "controller.engine",
    "controller.profile_files", "controller.intake", "controller.notify", "controller.session",
)  # fmt: skip
# Package -> the packages of this project that it may import. Anything not named here may import anything.
MAY_IMPORT = {
    "firmware_bridge/records.py": (),
    "firmware_bridge/autopilot_records.py": ("firmware_bridge.records",),
    "firmware_bridge/errors.py": (),
    "firmware_bridge/codec": ("firmware_bridge.records", "firmware_bridge.autopilot_records", "firmware_bridge.codec"),
    "firmware_bridge/clock.py": ("firmware_bridge.records",),
    "firmware_bridge": ("firmware_bridge",),
    "controller/core": ("firmware_bridge.records", "firmware_bridge.autopilot_records", "controller.core"),
    "controller/daemon": (*_SHELL, "controller.daemon", "controller.store"),
    "controller/link": (*_SHELL, "controller.link", "controller.store"),
    "controller": ("firmware_bridge", "controller"),
}
IMPURE = {
    "asyncio", "datetime", "io", "logging", "os", "pathlib", "queue", "random", "secrets", "select", "selectors",
    "signal", "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "time", "uuid",
}  # fmt: skip
THIRD_PARTY_OF_THE_CORE = {"msgspec", "numpy"}
ONE_IMPORTER = (
    "amqtt", "cobs", "mcap", "paho", "pymavlink", "pynmeagps", "pyrtcm", "pytest", "pyubx2", "re2", "serial", "shapely",
    "sqlite3", "starlette", "uvicorn", "zstandard",
)  # fmt: skip
CLOCKS = re.compile(r"\b(time\.(time|monotonic|perf_counter)(_ns)?|datetime\.now|datetime\.utcnow)\b")


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.append(node.module or "")
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def _rule_for(path: Path) -> tuple[str, ...] | None:
    place = _relative(path)
    named = [folder for folder in MAY_IMPORT if place == folder or place.startswith(folder + "/")]
    return MAY_IMPORT[max(named, key=len)] if named else None


@pytest.mark.parametrize("path", SOURCES, ids=_relative)
def test_imports_point_one_way(path):
    """Codec and core know only records; production code never imports the simulator."""
    allowed = _rule_for(path)
    if allowed is None:
        return
    for name in _imports(path):
        if name.split(".")[0] in PACKAGES:
            is_allowed = any(name == entry or name.startswith(entry + ".") for entry in allowed)
            assert is_allowed, f"{_relative(path)} imports {name}"


@pytest.mark.parametrize("path", [p for p in SOURCES if _relative(p).startswith(PURE)], ids=_relative)
def test_the_core_and_the_codecs_are_pure(path):
    """No I/O, threads, clock, randomness, logging or environment, seen in the imports."""
    for name in _imports(path):
        assert name.split(".")[0] not in IMPURE, f"{_relative(path)} imports {name}"
        assert name != "numpy.random"
    assert "np.random" not in path.read_text()


@pytest.mark.parametrize("path", [p for p in SOURCES if _relative(p).startswith("controller/core")], ids=_relative)
def test_the_core_stands_on_numpy_and_records_alone(path):
    """The only third-party packages of the core are numpy and msgspec; polygons, which no step meets, are shapely's."""
    standard = set(__import__("sys").stdlib_module_names)
    roots = {name.split(".")[0] for name in _imports(path)} - standard - set(PACKAGES)
    assert roots <= THIRD_PARTY_OF_THE_CORE | ({"shapely"} if path.name == "polygons.py" else set())


def test_no_step_of_the_core_meets_a_polygon():
    """The loop's process decides on integers alone: what `step` imports, and all that imports, leaves shapely out."""
    reached, waiting = set(), ["controller.core.step"]
    while waiting:
        name = waiting.pop()
        path = ROOT / f"{name.replace('.', '/')}.py"
        if name not in reached and path.exists():
            reached.add(name)
            waiting += _imports(path)
    assert "controller.core.state" in reached
    assert "controller.core.polygons" not in reached


def test_each_wrapped_package_has_one_importing_file():
    """A third-party package is met in one place, which turns its types and exceptions into ours."""
    for package in ONE_IMPORTER:
        users = {_relative(p) for p in SOURCES if any(n.split(".")[0] == package for n in _imports(p))}
        assert len(users) <= 1, f"{package} is imported by {sorted(users)}"


@pytest.mark.parametrize("path", SOURCES, ids=_relative)
def test_nothing_reads_a_clock(path):
    """Time is an argument; one file reads a clock."""
    if _relative(path) == "firmware_bridge/clock.py":
        return
    assert not CLOCKS.search(path.read_text())


@pytest.mark.parametrize("path", SOURCES, ids=_relative)
def test_functions_and_modules_stay_short(path):
    """At most 60 lines a function and 400 a module."""
    text = path.read_text()
    assert len(text.splitlines()) <= MODULE_LINES_MAX
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", SOURCES, ids=_relative)
def test_errors_are_caught_by_name_and_only_the_command_line_prints(path):
    """No bare except, no `except Exception`, no print, no empty __init__, no leftovers."""
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler):
            caught = None if node.type is None else ast.unparse(node.type)
            assert caught not in (None, "Exception", "BaseException"), f"line {node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"line {node.lineno}"
    assert not re.search(r"#\s*(TODO|FIXME|XXX)", text)


@pytest.mark.parametrize("path", [p for p in SOURCES if p.name == "__init__.py"], ids=_relative)
def test_a_package_init_is_a_docstring(path):
    """`__init__.py` holds one docstring and nothing else."""
    body = ast.parse(path.read_text()).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)


@pytest.mark.parametrize("path", SOURCES, ids=_relative)
def test_public_names_are_documented(path):
    """Every module, public class and public function says what its signature cannot."""
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "the module has no docstring"
    pending = [tree]
    while pending:
        for node in pending.pop().body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                pending.append(node)
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{node.name} has no docstring"


def test_every_step_of_the_path_of_a_sample_exists():
    """`docs/ARCHITECTURE.md` names the path of one sample as `file:function`; each must be there."""
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    steps = re.findall(r"`([a-z_/]+\.py):([A-Za-z_.]+)`", text)
    assert len(steps) >= 8
    for file, name in steps:
        tree = ast.parse((ROOT / file).read_text())
        defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        assert set(name.split(".")) <= defined, f"{file}:{name} does not exist"


def test_the_project_speaks_of_itself_alone():
    """No tracked file names a person's machine or a workplace."""
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, files):
        text = (ROOT / name).read_bytes().decode(errors="replace") if (ROOT / name).is_file() else ""
        assert "/wor" + "k/" not in text, name
        assert "/hom" + "e/" not in text, name
