"""Records of the head protocol as hypothesis makes them, within the wire's resolution."""

from hypothesis import strategies as st

from firmware_bridge.records import (
    DictionaryRequest,
    HeadChannel,
    HeadDictionary,
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

U32 = st.integers(0, 2**32 - 1)
TEXTS = st.text(max_size=20)
MILLIMETRES = st.integers(-32_768, 32_767).map(lambda mm: mm / 1_000)
DEVICE_NS = st.integers(0, (2**63 - 1) // 1000).map(lambda us: us * 1000)
CHANNELS = st.builds(
    HeadChannel,
    name=TEXTS,
    unit=TEXTS,
    scale=st.floats(1e-9, 1e6),
    gate_us=st.none() | st.integers(0, 2**32 - 2).map(lambda ns: ns / 1_000),
    position_m=st.tuples(MILLIMETRES, MILLIMETRES, MILLIMETRES),
)
DICTIONARIES = st.builds(
    HeadDictionary,
    dictionary_id=U32,
    model=TEXTS,
    firmware=TEXTS,
    serial=TEXTS,
    is_simulated=st.booleans(),
    rate_hz=st.floats(0.1, 1e5),
    channels=st.lists(CHANNELS, min_size=1, max_size=16).map(tuple),
)
OUTPUT_COMMANDS = st.builds(OutputCommand, token=U32, lamp_on=st.booleans(), buzzer_on=st.booleans())
HELLOS = st.builds(HostHello, token=U32, versions=st.lists(st.integers(1, 255), min_size=1, max_size=255).map(tuple))
GRANTS = st.builds(LeaseGrant, sequence=U32, duration_ms=st.integers(0, 1_000))
COMMANDS = (
    st.just(DictionaryRequest())
    | st.builds(TimeQuery, token=U32)
    | OUTPUT_COMMANDS
    | st.builds(SelfTestRequest, token=U32)
    | HELLOS
    | GRANTS
)
# Wrong lengths, no version, version 0, a lease longer than a second.
MALFORMED_COMMANDS = (
    "01 01 00",
    "01 02 07 00 00",
    "01 03 08 00 00 00 04",
    "01 05 0a 00 00 00",
    "01 05 0a 00 00 00 00",
    "01 05 0a 00 00 00 02 01",
    "01 05 0a 00 00 00 01 01 02",
    "01 05 0a 00 00 00 02 01 00",
    "01 0a 02 01 00 00 e9 03",
    "01 0a 02 01 00 00 2c",
)
SELF_TEST_REPLIES = st.builds(
    SelfTestReply,
    token=U32,
    passed=st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=255).map(tuple),
)
STATUSES = st.builds(
    HeadStatus,
    uptime_ms=U32,
    temperature_c=st.none() | st.integers(-32_767, 32_767).map(lambda c: c / 100),
    supply_v=st.none() | st.integers(1, 65_535).map(lambda mv: mv / 1_000),
    is_faulty=st.booleans(),
    lamp_on=st.booleans(),
    buzzer_on=st.booleans(),
)
LEASES = (
    st.builds(
        LeaseStatus,
        sequence=U32,
        remaining_ms=st.integers(0, 1_000),
        state=st.just(LeaseState.STOPPED),
        stop=st.sampled_from(LeaseStop),
    )
    | st.builds(
        LeaseStatus,
        sequence=U32,
        remaining_ms=st.integers(1, 1_000),
        state=st.just(LeaseState.PERMITTED),
        stop=st.none(),
    )
    | st.builds(LeaseStatus, sequence=U32, remaining_ms=st.just(0), state=st.just(LeaseState.OFF), stop=st.none())
)
TIME_REPLIES = st.builds(TimeReply, token=U32, device_time_ns=DEVICE_NS)
PULSES = st.builds(PulseStamp, pulse=U32, device_time_ns=DEVICE_NS)
REPLIES = (
    TIME_REPLIES
    | st.builds(OutputReply, token=U32, lamp_on=st.booleans(), buzzer_on=st.booleans())
    | SELF_TEST_REPLIES
    | STATUSES
    | st.builds(HelloReply, token=U32, version=st.sampled_from([1, None]))
    | PULSES
    | LEASES
)


def dictionary(channels=3, scale=0.5, dictionary_id=0xDEADBEEF):
    """A head of so many coils, 0.1 m apart."""
    coils = tuple(
        HeadChannel(name=f"c{index}", unit="uV", scale=scale, gate_us=80.0, position_m=(0.0, index / 10, 0.0))
        for index in range(channels)
    )
    return HeadDictionary(
        dictionary_id=dictionary_id,
        model="m",
        firmware="f",
        serial="s",
        is_simulated=False,
        rate_hz=100.0,
        channels=coils,
    )
