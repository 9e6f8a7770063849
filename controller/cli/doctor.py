"""`firmground doctor`: a look at a machine before work."""

import os
import shutil
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from controller.checkup import (
    FREE_BYTES_MIN,
    SYNC_S_MAX,
    Finding,
    Grade,
    good,
    judge_link,
    judge_timing,
    problem,
    warning,
)
from controller.cli.live import config_option
from controller.cli.output import json_option, print_json
from controller.config import Config, Link, read_config
from controller.core.fixes import LIVE_UTC_NS_MIN
from controller.core.site import Profile
from controller.profile_files import load_profile
from firmware_bridge.clock import now_ns, utc_now_ns
from firmware_bridge.codec.head import encode
from firmware_bridge.io.listen import record_link
from firmware_bridge.records import DictionaryRequest

CONNECT_S = 2.0


@click.command()
@config_option
@click.option("--seconds", type=click.FloatRange(0.2, 60.0), default=3.0, show_default=True, help="To listen.")
@json_option
def doctor(config: Path, seconds: float, as_json: bool) -> None:
    """Check configuration, ports, devices, disk, clock, broker and console; exits 1 where there is a problem."""
    machine = read_config(config)
    profile = load_profile(machine.machine.profile)
    findings = [good("configuration", f"{config} is sound; profile {profile.name}")]
    findings += judge_timing(machine)
    with ThreadPoolExecutor(max_workers=len(machine.link)) as pool:
        for found in pool.map(lambda link: _check_link(link, seconds, profile), machine.link):
            findings += found
    findings += [_check_storage(machine), _check_clock(), _check_priority(), _check_broker(machine)]
    findings.append(_check_console(machine))
    problems = sum(finding.grade is Grade.PROBLEM for finding in findings)
    if as_json:
        print_json({"config": str(config), "problems": problems, "findings": findings})
    else:
        for finding in findings:
            click.echo(_line(finding))
        click.echo("ready for work" if problems == 0 else f"{problems} to mend before work")
    sys.exit(1 if problems else 0)


def _line(finding: Finding) -> str:
    colour = {Grade.GOOD: "green", Grade.WARNING: "yellow", Grade.PROBLEM: "red"}[finding.grade]
    advice = "" if finding.advice is None else f"\n         -> {finding.advice}"
    return f"{click.style(f'{finding.grade.value:8}', fg=colour)} {finding.about}: {finding.says}{advice}"


def _check_link(link: Link, seconds: float, profile: Profile) -> list[Finding]:
    if link.port is None:
        return [problem(f"link {link.name}", "has no port", "write port = in its [[link]]")]
    ask = encode(DictionaryRequest()) if link.protocol == "head" else b""
    return judge_link(link, record_link(link.port, link.baud, seconds, ask), profile)


def _check_storage(config: Config) -> Finding:
    """Whether a small record can be written and synced, how fast, and how much more fits."""
    directory = Path(config.storage.directory)
    probe = directory / f".doctor-{os.getpid()}"
    try:
        begun_ns = now_ns()
        with probe.open("xb") as file:
            file.write(b"firmground")
            file.flush()
            os.fsync(file.fileno())
        took_s = (now_ns() - begun_ns) / 1e9
        probe.unlink()
        free = shutil.disk_usage(directory).free
    except OSError as error:
        advice = "make it, and give it to the user that core runs as"
        return problem("records", f"{directory}: cannot be written: {error.strerror}", advice)
    says = f"{directory}: {free / 1e9:.1f} GB free, a synced write takes {took_s * 1e3:.0f} ms"
    if free < FREE_BYTES_MIN:
        return problem("records", says, "export sessions and move them away")
    if took_s > SYNC_S_MAX:
        return warning("records", says, "the card is slow or worn: use an industrial one")
    return good("records", says)


def _check_clock() -> Finding:
    if utc_now_ns() < LIVE_UTC_NS_MIN:
        advice = "records take their time from the receiver all the same; logs do not"
        return warning("clock", "the computer's clock was never set", advice)
    return good("clock", "the computer's clock is set")


def _check_priority() -> Finding:
    """Tried in a child process, since this one must not keep it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            code = 0
        except OSError:
            pass
        finally:
            os._exit(code)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        return good("priority", "real-time priority is allowed")
    advice = "as a systemd unit core has it (deploy/); by hand, set LimitRTPRIO or use root"
    return warning("priority", "real-time priority is not allowed to this user", advice)


def _check_broker(config: Config) -> Finding:
    where = f"{config.mqtt.host}:{config.mqtt.port}"
    try:
        socket.create_connection((config.mqtt.host, config.mqtt.port), CONNECT_S).close()
    except OSError as error:
        advice = "start it: systemctl start mosquitto; the record is kept and sent later"
        return warning("broker", f"{where}: {error.strerror or error}", advice)
    return good("broker", f"{where} takes connections")


def _check_console(config: Config) -> Finding:
    """Whether link could listen there; a port that is taken is link itself, or somebody else."""
    where = f"{config.console.host}:{config.console.port}"
    family = socket.AF_INET6 if ":" in config.console.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.console.host, config.console.port))
        except OSError as error:
            advice = "if link is running this is its own; else choose another [console] port"
            return warning("console", f"{where}: {error.strerror}", advice)
    return good("console", f"{where} is free")
