"""`firmground`: the entry point, and how errors become one clear line and an exit code."""

import sys

import click

from controller.cli.broker import broker
from controller.cli.decode import decode
from controller.cli.demo import demo
from controller.cli.doctor import doctor
from controller.cli.init import init
from controller.cli.live import core, link, run
from controller.cli.receiver import receiver
from controller.cli.sessions import export, replay, verify
from controller.cli.simulate import sim, simulate
from controller.cli.survey import play
from controller.cli.watch import watch
from firmware_bridge.errors import FirmgroundError


class _Commands(click.Group):
    """Exit 0 good, 1 found a problem, 2 wrong use: whatever cannot be read or done at all is wrong use."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; our own errors end it with one line and exit code 2."""
        try:
            return super().invoke(ctx)
        except FirmgroundError as error:
            click.echo(f"firmground: {error}", err=True)
            sys.exit(2)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="firmground")
def main() -> None:
    """Controller software for humanitarian demining machines. It finds, places and records; it never clears."""


for command in (
    demo,
    run,
    core,
    link,
    init,
    doctor,
    sim,
    watch,
    simulate,
    play,
    decode,
    replay,
    verify,
    export,
    broker,
    receiver,
):
    main.add_command(command)
