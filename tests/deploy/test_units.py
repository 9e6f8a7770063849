"""The units say what the design promises: who has devices, who has a network, who outlives whom."""

import fnmatch
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PROGRAM = "/opt/firmground/bin/firmground"
FILES = ("firmground-core.service", "firmground-link.service", "firmground.target")
EXPOSURE_MAX = 2.0  # systemd's own scale ends at 10, worst; below 2 it says OK
SANDBOX = {
    "CapabilityBoundingSet": "",
    "NoNewPrivileges": "yes",
    "RestrictSUIDSGID": "yes",
    "RestrictNamespaces": "yes",
    "MemoryDenyWriteExecute": "yes",
    "LockPersonality": "yes",
    "SystemCallArchitectures": "native",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectControlGroups": "yes",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
    "ProtectProc": "invisible",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
}


@pytest.fixture(scope="session")
def analyze() -> str:
    """systemd-analyze, from systemd 250 on: older ones judge no unit file by itself."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed; it comes with systemd")
    words = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()
    if int(re.match(r"\d+", words[1])[0]) < 250:
        pytest.skip(f"systemd {words[1]} is too old to judge unit files; 250 is needed")
    return program


@pytest.fixture
def installed(tmp_path, deploy) -> Path:
    """A copy of the units with a program that exists, as `systemd-analyze` asks for one."""
    program = tmp_path / "firmground"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for name in FILES:
        text = (deploy / "systemd" / name).read_text()
        (tmp_path / name).write_text(text.replace(PROGRAM, str(program)))
    return tmp_path


def _complaints(analyze: str, folder: Path) -> str:
    """What `verify` says of our units; of other units of this computer it may say what it likes."""
    units = [str(folder / name) for name in FILES]
    command = [analyze, "verify", "--man=no", *units]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return "\n".join(line for line in (run.stdout + run.stderr).splitlines() if "firmground" in line)


def _exposure(analyze: str, unit: Path) -> float:
    run = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return float(re.search(r"Overall exposure level for \S+: ([\d.]+)", run.stdout)[1])


def test_systemd_finds_nothing_wrong_with_the_units(analyze, installed):
    """No unknown key, section, value or program."""
    assert _complaints(analyze, installed) == ""


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("firmground-core.service", "WatchdogSec=2s", "WatchdogSecs=2s"),
        ("firmground-core.service", "WatchdogSec=2s", "WatchdogSec=2 sheep"),
        ("firmground-core.service", "MemoryMax=480M", "MemoryMax=480Q"),
        ("firmground-core.service", "firmground core", "firmgruond core"),
        ("firmground-link.service", "[Service]", "[Servise]"),
        ("firmground-link.service", "@system-service", "@system-servise"),
        ("firmground-link.service", "PrivateDevices=yes", "PrivateDevices=yep"),
        ("firmground.target", "Wants=", "Want="),
    ],
)
def test_systemd_finds_a_planted_mistake(analyze, installed, name, right, wrong):
    """The check above can fail: each mistake in a copy is reported."""
    path = installed / name
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong))
    assert _complaints(analyze, installed) != ""


@pytest.mark.parametrize("name", ["firmground-core.service", "firmground-link.service"])
def test_systemd_calls_the_exposure_low(analyze, installed, name):
    """Its own score stays below 2 of 10, and rises when a line of the sandbox goes."""
    path = installed / name
    exposure = _exposure(analyze, path)
    assert exposure <= EXPOSURE_MAX
    path.write_text(path.read_text().replace("\nCapabilityBoundingSet=\n", "\n"))
    assert _exposure(analyze, path) > exposure


@pytest.mark.parametrize("unit", ["core", "link"])
@pytest.mark.parametrize("key", sorted(SANDBOX))
def test_the_sandbox_is_whole(request, unit, key):
    """Neither process can gain rights, see homes, write outside its directories or open odd sockets."""
    assert request.getfixturevalue(unit)["Service"][key] == [SANDBOX[key]]


@pytest.mark.parametrize("unit", ["core", "link"])
def test_system_calls_are_an_allow_list_without_the_privileged(request, unit):
    """Calls are named that may be made, none that needs a superuser; a refused call is an error, not a death."""
    service = request.getfixturevalue(unit)["Service"]
    allowed, *denied = service["SystemCallFilter"]
    assert allowed == "@system-service"
    assert "@privileged" in " ".join(denied)
    assert all(line.startswith("~") for line in denied)
    assert service["SystemCallErrorNumber"] == ["EPERM"]


def test_core_reaches_serial_ports_and_no_other_device(core):
    """The device list is closed and holds the four kinds of serial port, readable and writable (P7: nothing else)."""
    service = core["Service"]
    assert service["DevicePolicy"] == ["closed"]
    assert sorted(service["DeviceAllow"]) == [f"char-tty{kind} rw" for kind in ("ACM", "AMA", "S", "USB")]
    assert service["SupplementaryGroups"] == ["dialout"]
    assert "PrivateDevices" not in service  # it would hide the ports


def test_the_drivers_of_usb_ports_are_loaded_before_core(core, deploy):
    """systemd resolves device groups once, at start: a driver that comes later stays forbidden."""
    driver = {"char-ttyUSB": "usbserial", "char-ttyACM": "cdc_acm"}
    wanted = {driver[line.split()[0]] for line in core["Service"]["DeviceAllow"] if line.split()[0] in driver}
    lines = (deploy / "modules-load.d" / "firmground.conf").read_text().splitlines()
    assert wanted == {line for line in lines if line and not line.startswith("#")}


def test_core_has_no_network_beyond_loopback(core):
    """Everything is denied but localhost; a vehicle's bus is added by a drop-in, address by address (P7)."""
    assert core["Service"]["IPAddressDeny"] == ["any"]
    assert core["Service"]["IPAddressAllow"] == ["localhost"]


def test_link_has_no_devices(link):
    """Link sees no device, and names none."""
    service = link["Service"]
    assert service["PrivateDevices"] == ["yes"]
    assert "DeviceAllow" not in service
    assert "SupplementaryGroups" not in service
    assert service["RestrictRealtime"] == ["yes"]


def test_link_outlives_core(core, link, target):
    """No dependency takes one down with the other: link must be there to say that core is silent."""
    binding = ("Requires", "Requisite", "BindsTo", "Upholds", "PropagatesStopTo", "StopPropagatedFrom", "Conflicts")
    for unit in (core, link, target):
        assert not set(binding) & set(unit["Unit"])
    assert core["Unit"]["PartOf"] == link["Unit"]["PartOf"] == ["firmground.target"]
    assert "firmground-core.service" in link["Unit"]["After"][0].split()
    assert set(target["Unit"]["Wants"][0].split()) == {"firmground-core.service", "firmground-link.service"}
    assert target["Install"]["WantedBy"] == ["multi-user.target"]


@pytest.mark.parametrize("unit", ["core", "link", "mosquitto_drop_in"])
def test_nothing_gives_up_restarting(request, unit):
    """However often it fails it is started again: nobody in a field types `reset-failed` (P5)."""
    read = request.getfixturevalue(unit)
    assert read["Unit"]["StartLimitIntervalSec"] == ["0"]
    assert read["Service"]["Restart"] == ["always"]


def test_a_hang_is_a_death_and_core_is_back_at_once(core, link):
    """Both are watched through sd_notify; core's pause before a restart leaves most of P5's 3 s to the start."""
    for unit, watchdog in ((core, "2s"), (link, "10s")):
        assert unit["Service"]["Type"] == ["notify"]
        assert unit["Service"]["WatchdogSec"] == [watchdog]
    assert core["Service"]["RestartSec"] == ["500ms"]
    assert core["Service"]["LimitCORE"] == ["0"]


def test_limits_grant_real_time_without_a_capability(core):
    """The priority that the loop asks for, 40, and memory that may all be locked; growth has an end."""
    service = core["Service"]
    assert service["LimitRTPRIO"] == ["40"]
    assert service["LimitMEMLOCK"] == ["infinity"]
    assert service["MemoryMax"] == ["480M"]
    assert int(service["TasksMax"][0]) <= 32
    assert "RestrictRealtime" not in service


def test_the_record_is_shared_by_group_alone(core, link, deploy):
    """Same group, group-writable files, a directory that hands its group on; and only core owns core's files."""
    for unit in (core, link):
        assert unit["Service"]["Group"] == ["firmground"]
        assert unit["Service"]["UMask"] == ["0007"]
        assert "PrivateUsers" not in unit["Service"]  # core asks who is at the other end of the socket
    assert core["Service"]["User"] != link["Service"]["User"]
    assert core["Service"]["StateDirectory"] == ["firmground"]
    assert link["Service"]["StateDirectory"] == ["firmground-link"]  # claiming core's would change its owner
    assert link["Service"]["ReadWritePaths"] == ["/var/lib/firmground"]
    rows = [line.split() for line in (deploy / "tmpfiles.d" / "firmground.conf").read_text().splitlines()]
    made = next(row for row in rows if row[:2] == ["d", "/var/lib/firmground"])
    owner = [core["Service"][key][0] for key in ("StateDirectoryMode", "User", "Group")]
    assert made[2:5] == owner == ["2770", "firmground-core", "firmground"]


def test_every_account_that_is_named_is_made(core, link, deploy):
    """sysusers.d makes the users and the group of the units, and gives both users that group."""
    rows = [line.split() for line in (deploy / "sysusers.d" / "firmground.conf").read_text().splitlines()]
    users = {row[1]: row[2] for row in rows if row and row[0] == "u"}
    groups = {row[1] for row in rows if row and row[0] == "g"}
    assert users == {unit["Service"]["User"][0]: "-:firmground" for unit in (core, link)}
    assert groups == {"firmground"}


def test_systemd_accepts_the_accounts(tmp_path, deploy):
    """`systemd-sysusers` reads the file and would make two users."""
    program = shutil.which("systemd-sysusers")
    if program is None:
        pytest.skip("systemd-sysusers is not installed")
    (tmp_path / "etc").mkdir()
    run = subprocess.run(
        [program, f"--root={tmp_path}", "--dry-run", str(deploy / "sysusers.d" / "firmground.conf")],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    if "--dry-run" in run.stderr:
        pytest.skip("this systemd-sysusers has no --dry-run; systemd 250 has")
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("Creating user 'firmground-") + run.stdout.count("Creating user 'firmground-") == 2


def test_the_broker_reads_our_file_instead_of_debians(mosquitto_drop_in):
    """The list of commands is emptied before ours is added: a second ExecStart= would be refused."""
    command = "/usr/sbin/mosquitto -c /etc/mosquitto/firmground.conf"
    assert mosquitto_drop_in["Service"]["ExecStart"] == ["", command]


def test_the_page_installs_every_file(deploy):
    """A step of the README copies each file; nothing in deploy/ is forgotten."""
    copied = re.findall(r"deploy/([\w./*-]+)", (deploy / "README.md").read_text())
    for path in deploy.rglob("*"):
        name = path.relative_to(deploy).as_posix()
        if path.is_file() and name not in ("README.md", "install-venv.sh", "install-test-packages.sh"):
            assert any(fnmatch.fnmatch(name, pattern) for pattern in copied), f"{name} is copied by no step"
