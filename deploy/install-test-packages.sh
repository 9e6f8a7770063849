#!/bin/sh
# What some tests need beside Python: a browser, a broker with its clients, a C compiler, socat. Installs what is
# missing where that can be done without a question; otherwise names the command. The tests that need them are skipped
# without them.
set -eu
missing=""
command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing="$missing chromium"
{ command -v mosquitto || test -x /usr/sbin/mosquitto; } >/dev/null || missing="$missing mosquitto"
command -v mosquitto_sub >/dev/null || missing="$missing mosquitto-clients"
command -v cc >/dev/null || missing="$missing gcc libc6-dev"
command -v socat >/dev/null || missing="$missing socat"
test -n "$missing" || exit 0

as_root=""
if [ "$(id -u)" != 0 ]; then
    as_root="sudo -n"
    if ! sudo -n true 2>/dev/null; then
        echo "Some tests will be skipped; for all of them: sudo apt-get install$missing" >&2
        exit 0
    fi
fi
if ! command -v apt-get >/dev/null; then
    echo "Some tests will be skipped; install your system's packages for:$missing" >&2
    exit 0
fi
# Debian starts a broker when it is installed; the tests start their own, on loopback and a free port.
if ! test -e /usr/sbin/policy-rc.d; then
    trap '$as_root rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' | $as_root tee /usr/sbin/policy-rc.d >/dev/null
    $as_root chmod 755 /usr/sbin/policy-rc.d
fi
$as_root apt-get update --quiet >/dev/null || true
# shellcheck disable=SC2086 # one word a package
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends $missing >/dev/null ||
    echo "Some tests will be skipped; could not install:$missing" >&2
