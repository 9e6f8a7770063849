"""Messages to the service manager, as systemd's own documentation gives them."""

import socket

import pytest

from controller.notify import Notifier


@pytest.mark.parametrize("is_abstract", [False, True])
def test_messages_reach_the_named_socket(tmp_path, is_abstract):
    """A path, or an abstract name that begins with @."""
    name = f"@firmground-{tmp_path.name}" if is_abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if is_abstract else name)
        manager.settimeout(2.0)
        notifier = Notifier(name)
        notifier.say("READY=1", "STATUS=session m-000001")
        assert manager.recv(100) == b"READY=1\nSTATUS=session m-000001"
        notifier.close()


def test_without_a_manager_nothing_happens(tmp_path, monkeypatch):
    """No variable, or a manager that has gone: the process goes on."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    for notifier in (Notifier.from_environment(), Notifier(str(tmp_path / "gone"))):
        notifier.say("WATCHDOG=1")
        notifier.close()
