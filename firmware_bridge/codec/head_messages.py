"""
The short messages of the head protocol (`docs/PROTOCOL.md`): the body of each, written beside how it is read.

A writer takes a record of ours, so what does not fit the wire is our own mistake and stops the process. A reader takes
anything and raises MalformedError for what cannot be used; `firmware_bridge.codec.head` counts it.
"""

import struct

from firmware_bridge.records import (
    DictionaryRequest,
    HeadStatus,
    HelloReply,
    HostHello,
    LeaseGrant,
    LeaseState,
    LeaseStatus,
    LeaseStop,
    OutputCommand,
    OutputReply,
    PulseStamp,
    SelfTestReply,
    SelfTestRequest,
    TimeQuery,
    TimeReply,
)

NO_TEMPERATURE = -(2**15)
DEVICE_US_MAX = (2**63 - 1) // 1_000  # device times beyond this do not fit int64 nanoseconds
LEASE_MS_MAX = 1_000  # at a walking pace (1 m/s) a machine that has lost its host moves at most a metre
VERSION_NONE = 0  # in a hello reply: no version in common; therefore no version has this number

_LAMP, _BUZZER = 1, 2
_IS_FAULTY, _LAMP_ON, _BUZZER_ON = 1, 2, 4
_RESULTS: dict[int, bool | None] = {0: False, 1: True, 2: None}
_RESULT_CODES = {result: code for code, result in _RESULTS.items()}
_STATES = dict(enumerate((LeaseState.OFF, LeaseState.STOPPED, LeaseState.PERMITTED)))
_STATE_CODES = {state: code for code, state in _STATES.items()}
_STOPS = dict(enumerate((None, LeaseStop.START, LeaseStop.EXPIRED, LeaseStop.WITHDRAWN, LeaseStop.LOCAL)))
_STOP_CODES = {stop: code for code, stop in _STOPS.items()}

_TOKEN = struct.Struct("<I")
_TOKEN_AND_BYTE = struct.Struct("<IB")
_NUMBER_AND_TIME = struct.Struct("<IQ")
_STATUS = struct.Struct("<IhHB")
_GRANT = struct.Struct("<IH")
_LEASE = struct.Struct("<IHBB")


class MalformedError(ValueError):
    """A good frame whose content cannot be used; counted, and never seen outside the head protocol's codec."""


def _exact(layout: struct.Struct, body: bytes) -> tuple[int, ...]:
    if len(body) != layout.size:
        raise MalformedError
    return layout.unpack(body)


# Host to head.


def read_dictionary_request(body: bytes) -> DictionaryRequest:
    """The request has no body."""
    if body:
        raise MalformedError
    return DictionaryRequest()


def token_body(record: TimeQuery | SelfTestRequest) -> bytes:
    """A token alone."""
    return _TOKEN.pack(record.token)


def read_time_query(body: bytes) -> TimeQuery:
    """A token alone."""
    return TimeQuery(token=_exact(_TOKEN, body)[0])


def read_self_test_request(body: bytes) -> SelfTestRequest:
    """A token alone."""
    return SelfTestRequest(token=_exact(_TOKEN, body)[0])


def output_body(record: OutputCommand | OutputReply) -> bytes:
    """Token and the two outputs: as commanded, or as they now are."""
    bits = (_LAMP if record.lamp_on else 0) | (_BUZZER if record.buzzer_on else 0)
    return _TOKEN_AND_BYTE.pack(record.token, bits)


def read_output_command(body: bytes) -> OutputCommand:
    """What lamp and buzzer shall be."""
    token, lamp_on, buzzer_on = _output_fields(body)
    return OutputCommand(token=token, lamp_on=lamp_on, buzzer_on=buzzer_on)


def read_output_reply(body: bytes) -> OutputReply:
    """What lamp and buzzer now are."""
    token, lamp_on, buzzer_on = _output_fields(body)
    return OutputReply(token=token, lamp_on=lamp_on, buzzer_on=buzzer_on)


def _output_fields(body: bytes) -> tuple[int, bool, bool]:
    """Token, lamp, buzzer."""
    token, bits = _exact(_TOKEN_AND_BYTE, body)
    if bits & ~(_LAMP | _BUZZER):
        raise MalformedError
    return token, bool(bits & _LAMP), bool(bits & _BUZZER)


def hello_body(record: HostHello) -> bytes:
    """Token and the versions that the host speaks."""
    assert record.versions, "a host speaks at least one version"
    assert VERSION_NONE not in record.versions, "no version has the number 0"
    return _TOKEN.pack(record.token) + bytes([len(record.versions), *record.versions])


def read_hello(body: bytes) -> HostHello:
    """Token and the versions that the host speaks."""
    token, versions = _counted_bytes(body)
    if VERSION_NONE in versions:
        raise MalformedError
    return HostHello(token=token, versions=tuple(versions))


def grant_body(record: LeaseGrant) -> bytes:
    """Sequence and duration."""
    assert 0 <= record.duration_ms <= LEASE_MS_MAX, "a lease lasts at most a second"
    return _GRANT.pack(record.sequence, record.duration_ms)


def read_grant(body: bytes) -> LeaseGrant:
    """A grant that is too long is refused, not shortened: whoever sent it meant something else."""
    sequence, duration_ms = _exact(_GRANT, body)
    if duration_ms > LEASE_MS_MAX:
        raise MalformedError
    return LeaseGrant(sequence=sequence, duration_ms=duration_ms)


# Head to host.


def time_reply_body(record: TimeReply) -> bytes:
    """Token and the clock in microseconds."""
    return _NUMBER_AND_TIME.pack(record.token, record.device_time_ns // 1_000)


def read_time_reply(body: bytes) -> TimeReply:
    """Token and the clock."""
    token, device_time_ns = _number_and_time(body)
    return TimeReply(token=token, device_time_ns=device_time_ns)


def pulse_body(record: PulseStamp) -> bytes:
    """Pulse number and the clock in microseconds."""
    return _NUMBER_AND_TIME.pack(record.pulse, record.device_time_ns // 1_000)


def read_pulse(body: bytes) -> PulseStamp:
    """Pulse number and the clock at its edge."""
    pulse, device_time_ns = _number_and_time(body)
    return PulseStamp(pulse=pulse, device_time_ns=device_time_ns)


def _number_and_time(body: bytes) -> tuple[int, int]:
    """A u32, and device microseconds as nanoseconds."""
    number, device_us = _exact(_NUMBER_AND_TIME, body)
    if device_us > DEVICE_US_MAX:
        raise MalformedError
    return number, device_us * 1_000


def self_test_body(record: SelfTestReply) -> bytes:
    """Token and one result a channel."""
    assert record.passed, "a head has at least one channel"
    return _TOKEN.pack(record.token) + bytes([len(record.passed), *(_RESULT_CODES[item] for item in record.passed)])


def read_self_test(body: bytes) -> SelfTestReply:
    """A reply without channels is refused: that all of none have passed must not be taken as good news."""
    token, results = _counted_bytes(body)
    if any(result not in _RESULTS for result in results):
        raise MalformedError
    return SelfTestReply(token=token, passed=tuple(_RESULTS[result] for result in results))


def _counted_bytes(body: bytes) -> tuple[int, bytes]:
    """Token, and at least one byte after their number."""
    token, count = _TOKEN_AND_BYTE.unpack_from(body)
    items = body[_TOKEN_AND_BYTE.size :]
    if count == 0 or count != len(items):
        raise MalformedError
    return token, items


def status_body(status: HeadStatus) -> bytes:
    """Uptime, temperature, supply and flags."""
    temperature = NO_TEMPERATURE if status.temperature_c is None else round(status.temperature_c * 100)
    supply = 0 if status.supply_v is None else round(status.supply_v * 1_000)
    flags = (
        (_IS_FAULTY if status.is_faulty else 0)
        | (_LAMP_ON if status.lamp_on else 0)
        | (_BUZZER_ON if status.buzzer_on else 0)
    )
    return _STATUS.pack(status.uptime_ms, temperature, supply, flags)


def read_status(body: bytes) -> HeadStatus:
    """Uptime, temperature, supply and flags."""
    uptime_ms, temperature, supply, flags = _exact(_STATUS, body)
    if flags & ~(_IS_FAULTY | _LAMP_ON | _BUZZER_ON):
        raise MalformedError
    return HeadStatus(
        uptime_ms=uptime_ms,
        temperature_c=None if temperature == NO_TEMPERATURE else temperature / 100,
        supply_v=None if supply == 0 else supply / 1_000,
        is_faulty=bool(flags & _IS_FAULTY),
        lamp_on=bool(flags & _LAMP_ON),
        buzzer_on=bool(flags & _BUZZER_ON),
    )


def hello_reply_body(record: HelloReply) -> bytes:
    """Token and the chosen version."""
    return _TOKEN_AND_BYTE.pack(record.token, VERSION_NONE if record.version is None else record.version)


def read_hello_reply(body: bytes) -> HelloReply:
    """Token and the chosen version."""
    token, version = _exact(_TOKEN_AND_BYTE, body)
    return HelloReply(token=token, version=None if version == VERSION_NONE else version)


def lease_body(record: LeaseStatus) -> bytes:
    """Sequence, time left, state and why it stopped."""
    assert is_possible_lease(record), "a relay is closed only while a lease runs, and open for a reason"
    return _LEASE.pack(record.sequence, record.remaining_ms, _STATE_CODES[record.state], _STOP_CODES[record.stop])


def read_lease(body: bytes) -> LeaseStatus:
    """Sequence, time left, state and why it stopped; a status that contradicts itself is refused."""
    sequence, remaining_ms, state, stop = _exact(_LEASE, body)
    if state not in _STATES or stop not in _STOPS:
        raise MalformedError
    record = LeaseStatus(sequence=sequence, remaining_ms=remaining_ms, state=_STATES[state], stop=_STOPS[stop])
    if not is_possible_lease(record):
        raise MalformedError
    return record


def is_possible_lease(record: LeaseStatus) -> bool:
    """Whether state, time left and cause agree with one another."""
    if not 0 <= record.remaining_ms <= LEASE_MS_MAX:
        return False
    if record.state is LeaseState.STOPPED:
        return record.stop is not None
    runs = record.remaining_ms > 0
    return record.stop is None and runs is (record.state is LeaseState.PERMITTED)
