#!/bin/sh
# Python's venv module is a package of its own on Debian. Installs it where this can be done without a question;
# otherwise says the one command that does.
set -eu
command="apt-get install --yes python3-venv"
if ! command -v apt-get >/dev/null; then
    echo "Python's venv module is missing; install your system's package for it." >&2
    exit 2
elif [ "$(id -u)" = 0 ]; then
    apt-get update --quiet && $command
elif sudo -n true 2>/dev/null; then
    sudo -n apt-get update --quiet && sudo -n $command
else
    echo "Python's venv module is missing; run: sudo $command" >&2
    exit 2
fi
