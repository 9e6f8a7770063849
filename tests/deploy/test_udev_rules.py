"""The udev rules are well formed and give the names that the configuration uses."""

import itertools
import re
import shutil
import subprocess

import pytest

# udev(7): keys that are compared, keys that are set, and the one that may be both.
MATCHES = {"ACTION", "SUBSYSTEM", "DRIVER", "TEST", "ATTRS"}
SETTINGS = {"SYMLINK", "GROUP", "MODE", "GOTO", "LABEL"}
EITHER = {"ENV", "ATTR"}
PART = re.compile(r'([A-Z]+)(?:\{([^}]+)\})?(==|!=|\+=|=)"([^"]*)"')

Part = tuple[str, str, str, str]


def _parse(text: str) -> list[list[Part]]:
    """Rules as (key, attribute, operator, value); raises ValueError for a line that udev would not take."""
    rules = []
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        parts = []
        for piece in re.split(r",\s*", line.strip()):
            found = PART.fullmatch(piece)
            if found is None:
                raise ValueError(f"not a key, operator and value: {piece!r}")
            key, attribute, operator, value = found.groups(default="")
            allowed = MATCHES | EITHER if operator in ("==", "!=") else SETTINGS | EITHER
            if key not in allowed or bool(attribute) != (key in {"ATTR", "ATTRS", "ENV"}):
                raise ValueError(f"{key} does not go with {operator}: {piece!r}")
            parts.append((key, attribute, operator, value))
        rules.append(parts)
    return rules


@pytest.fixture
def text(deploy) -> str:
    """The rules as they are installed."""
    return (deploy / "udev" / "70-firmground.rules").read_text()


def _naming(text: str) -> list[list[Part]]:
    return [rule for rule in _parse(text) if any(key == "SYMLINK" for key, *_ in rule)]


def _with_examples(text: str) -> str:
    """The rules with the commented examples switched on."""
    return re.sub(r"^#(?=[A-Z]+\{|  GROUP)", "", text, flags=re.MULTILINE)


def test_every_rule_is_well_formed(text):
    """Keys, operators and quotes are udev's; jumps have a label. The commented examples included."""
    for variant in (text, _with_examples(text)):
        rules = [part for rule in _parse(variant) for part in rule]
        labels = {value for key, _, _, value in rules if key == "LABEL"}
        assert {value for key, _, _, value in rules if key == "GOTO"} == labels
    assert len(_naming(_with_examples(text))) == len(_naming(text)) + 2


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('ATTRS{idVendor}=="1546"', 'ATTRS{idVendor}="1546"'),
        ('SYMLINK+="firmground/gnss"', 'SYMLINK+="firmground/gnss'),
        ('GROUP="dialout"', 'GRUOP="dialout"'),
        ('ATTRS{idProduct}=="01a9", ', 'ATTRS{idProduct}=="01a9" '),
    ],
)
def test_a_planted_mistake_is_found(text, right, wrong):
    """The check above can fail."""
    assert right in text
    with pytest.raises(ValueError, match=r"not a key|does not go"):
        _parse(text.replace(right, wrong))


def test_udev_finds_nothing_wrong(deploy):
    """`udevadm verify` agrees, where there is one."""
    program = shutil.which("udevadm")
    if program is None:
        pytest.skip("udevadm is not installed; it comes with udev")
    rules = deploy / "udev" / "70-firmground.rules"
    run = subprocess.run(
        [program, "verify", "--resolve-names=never", str(rules)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    if "nknown command" in run.stderr or "nvalid operation" in run.stderr:
        pytest.skip("this udevadm has no `verify`; systemd 254 has")
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("vendor", "product", "name"),
    [
        ("1546", "01a9", "firmground/gnss"),  # u-blox, F9 generation
        ("1209", "5741", "firmground/autopilot"),  # ArduPilot
        ("0403", "6001", "firmground/head"),  # FTDI
    ],
)
def test_each_device_gets_its_name(text, vendor, product, name):
    """One rule for each vendor and product; FTDI only as an example that asks for a serial number."""
    wanted = {("ATTRS", "idVendor", "==", vendor), ("ATTRS", "idProduct", "==", product)}
    rules = [rule for rule in _naming(_with_examples(text)) if wanted <= set(rule)]
    assert len(rules) == 1
    assert ("SYMLINK", "", "+=", name) in rules[0]
    is_bare = any(wanted <= set(rule) for rule in _naming(text))
    asks_serial = any(attribute == "serial" for _, attribute, _, _ in rules[0])
    assert is_bare != asks_serial


def test_every_named_port_belongs_to_dialout_and_is_no_modem(text):
    """Core's group may open it, others may not, and ModemManager keeps off."""
    for rule in _naming(_with_examples(text)):
        assert ("GROUP", "", "=", "dialout") in rule
        assert ("MODE", "", "=", "0660") in rule
        assert ("ENV", "ID_MM_DEVICE_IGNORE", "=", "1") in rule


def test_ftdi_adapters_answer_after_1_ms(text):
    """The timer is set on the usb-serial device, on `add` and on `bind`, and only where it exists."""
    rules = [rule for rule in _parse(text) if ("ATTR", "latency_timer", "=", "1") in rule]
    assert len(rules) == 1
    assert {("SUBSYSTEM", "", "==", "usb-serial"), ("TEST", "", "==", "latency_timer")} <= set(rules[0])
    assert not any(key == "ACTION" for key, *_ in rules[0])


def test_every_rule_says_why(text):
    """A comment stands right above each rule."""
    lines = text.replace("\\\n", " ").splitlines()
    for above, line in itertools.pairwise(lines):
        if line and not line.startswith("#") and not line.startswith("LABEL"):
            assert above.startswith("#"), line
