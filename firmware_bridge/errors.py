"""
The exceptions of Firmground's shells, in one tree.

    FirmgroundError                an operation of the shell failed; the message says what, where and what to do
    ├── ConfigError                a configuration, profile or scenario cannot be used
    ├── CaptureError               a recording cannot be read or does not fit together
    ├── StoreError                 a session's record cannot be written, read or trusted
    ├── PortError                  a port cannot be opened, or has gone
    ├── ReceiverError              a GNSS receiver does not answer when it is asked about its settings
    ├── ServiceError               a process of the running system cannot start, or cannot be reached
    └── SimulatorError             the simulator's process did not do its work

Bad bytes from a device are not exceptions: decoders count them (`LinkStats`). Our own mistakes are `assert`s.
"""


class FirmgroundError(Exception):
    """An operation of the shell failed; the message names what was wrong, where, and what to do."""


class ConfigError(FirmgroundError):
    """A configuration, profile or scenario cannot be used."""


class CaptureError(FirmgroundError):
    """A recording cannot be read, or its streams do not fit together."""


class StoreError(FirmgroundError):
    """A session's record cannot be written, read or trusted."""


class PortError(FirmgroundError):
    """A port cannot be opened, or has gone."""


class ReceiverError(FirmgroundError):
    """A GNSS receiver does not answer when it is asked about its settings."""


class ServiceError(FirmgroundError):
    """A process of the running system cannot start, or cannot be reached."""


class SimulatorError(FirmgroundError):
    """The simulator's process did not do its work."""
