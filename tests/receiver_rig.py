"""A simulated receiver on a pseudo-terminal, answering on a thread of its own until the test ends."""

import os
import select
import threading

from firmware_bridge.clock import now_ns
from sim.pty import SerialDevice


class PluggedReceiver:
    """What is plugged in at `path`; at another speed than the receiver's, both ends see noise."""

    def __init__(self, path, receiver):
        self.receiver = receiver
        self._device = SerialDevice(path)
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self):
        """Stop it and pull the plug."""
        os.write(self._wake_write, b"x")
        self._thread.join()
        self._device.unplug()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _serve(self):
        next_ns = now_ns()
        while not self.receiver.is_unplugged:
            wait_s = max(0.0, (next_ns - now_ns()) / 1e9)
            ready = select.select([self._device.fileno(), self._wake_read], [], [], wait_s)[0]
            if self._wake_read in ready:
                return
            if ready:
                self._device.send(self.receiver.hear(self._device.receive(), self._device.baud()))
            if now_ns() >= next_ns:
                next_ns += self.receiver.period_ns
                is_heard = self._device.baud() == self.receiver.baud
                epoch = self.receiver.epoch()
                self._device.send(epoch if is_heard else bytes(byte ^ 0x5A for byte in epoch[::2]))
        self._device.unplug()
