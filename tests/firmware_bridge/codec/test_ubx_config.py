"""A u-blox receiver's configuration on the wire, against bytes that others made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyubx2 import GET, POLL, SET, UBX_CONFIG_DATABASE, UBXMessage, UBXReader

from firmware_bridge.codec.gnss_frames import GnssFramer, ubx_frame
from firmware_bridge.codec.ubx_config import (
    VALGET,
    VALSET,
    Acknowledgement,
    ConfigValues,
    Layer,
    ReceiverVersion,
    decode_answer,
    encode_get,
    encode_set,
    encode_version_request,
    value_bytes,
)

RATE, BAUD, NAV_PVT_UART1, NAV_PVT_USB, DYNAMICS = 0x30210001, 0x40520001, 0x20910007, 0x20910009, 0x20110021
# The library keeps keys of all its receivers; those of one bit, and of 1, 2, 4 and 8 bytes without a sign, as ours are.
UNSIGNED = {key: int(kind[1:]) for key, kind in UBX_CONFIG_DATABASE.values() if kind[0] in "UEXL" and kind != "X000"}

# u-center's own, recorded from a ZED-F9P with firmware HPG 1.32.
F9P_VERSION = (
    b"EXT CORE 1.00 (0fa0ae)".ljust(30, b"\0") + b"00190000\0\0" + b"ROM BASE 0x118B2060".ljust(30, b"\0")
    + b"FWVER=HPG 1.32".ljust(30, b"\0") + b"PROTVER=27.31".ljust(30, b"\0") + b"MOD=ZED-F9P".ljust(30, b"\0")
    + b"GPS;GLO;GAL;BDS".ljust(30, b"\0") + b"SBAS;QZSS".ljust(30, b"\0") + bytes(30)
)  # fmt: skip


@pytest.mark.parametrize(
    ("layers", "values", "published"),
    [
        # 115200 baud, to flash; the dynamic model of a car, to flash (a published start-up script).
        ((Layer.FLASH,), {BAUD: 115_200}, "b562068a0c00000400000100524000c20100f6c6"),
        ((Layer.FLASH,), {DYNAMICS: 4}, "b562068a0900000400002100112004f365"),
        # NAV-PVT on and off at USB; frames that their publisher tried on a receiver.
        ((Layer.RAM,), {NAV_PVT_USB: 1}, "b562068a09000001000009009120015552"),
        ((Layer.RAM,), {NAV_PVT_USB: 0}, "b562068a09000001000009009120005451"),
    ],
)
def test_published_settings_are_made_byte_for_byte(layers, values, published):
    """Frames that others have sent to receivers."""
    assert encode_set(layers, values).hex() == published


def test_published_questions_are_made_byte_for_byte():
    """VALGET of NAV-PVT's rate at USB, of the dynamic model, and MON-VER as u-center asks."""
    assert encode_get(Layer.RAM, [NAV_PVT_USB]).hex() == "b562068b08000000000009009120" + "53f7"
    assert encode_get(Layer.RAM, [DYNAMICS]).hex() == "b562068b08000000000021001120" + "eb57"
    assert encode_version_request().hex() == "b5620a0400000e34"


KEYS = st.sampled_from(sorted(UNSIGNED))
VALUES = st.lists(KEYS, min_size=1, max_size=64, unique=True).flatmap(
    lambda keys: st.fixed_dictionaries({key: st.integers(0, 256 ** UNSIGNED[key] - 1) for key in keys})
)
LAYERS = st.sets(st.sampled_from(Layer), min_size=1)


def as_library_values(values):
    """The library wants bytes for the X kinds and bools for bits."""
    kinds = dict(UBX_CONFIG_DATABASE.values())
    return [
        (key, value.to_bytes(UNSIGNED[key], "little") if kinds[key][0] == "X" else value)
        for key, value in values.items()
    ]


@given(VALUES, LAYERS)
def test_what_is_set_is_what_the_library_would_send(values, layers):
    """Every unsigned key that the library knows, up to 64 together, in any layers."""
    mask = sum(1 << layer for layer in layers)
    assert encode_set(layers, values) == UBXMessage.config_set(mask, 0, as_library_values(values)).serialize()


@given(st.lists(KEYS, min_size=1, max_size=64, unique=True), st.sampled_from(Layer))
def test_what_is_asked_is_what_the_library_would_ask(keys, layer):
    """In all three layers, which are numbered otherwise than for setting."""
    assert encode_get(layer, keys) == UBXMessage.config_poll(int(layer), 0, keys).serialize()


@given(VALUES, st.sampled_from(Layer))
def test_a_reply_written_by_the_library_is_read(values, layer):
    """Values of all sizes behind one another, without padding."""
    set_frame = UBXMessage.config_set(1, 0, as_library_values(values)).serialize()
    payload = bytes((1, layer, 0, 0)) + set_frame[10:-2]
    reply = UBXMessage("CFG", "CFG-VALGET", GET, payload=payload).serialize()
    assert decode_answer(reply) == ConfigValues(layer=layer, values=values)


@pytest.mark.parametrize(("identity", "is_accepted"), [("ACK-ACK", True), ("ACK-NAK", False)])
@pytest.mark.parametrize("message", [VALGET, VALSET])
def test_an_acknowledgement_names_what_it_answers(identity, is_accepted, message):
    """The library's frames; the recorded ones of a receiver say the same."""
    frame = UBXMessage("ACK", identity, GET, clsID=message[0], msgID=message[1]).serialize()
    assert decode_answer(frame) == Acknowledgement(message=message, is_accepted=is_accepted)


def test_recorded_acknowledgements_are_read():
    """Of a ZED-F9P: yes to a VALGET, no to a CFG-MSG poll."""
    assert decode_answer(bytes.fromhex("b56205010200068b99c2")) == Acknowledgement(message=VALGET, is_accepted=True)
    no = Acknowledgement(message=b"\x06\x01", is_accepted=False)
    assert decode_answer(bytes.fromhex("b5620500020006010e33")) == no


def test_a_recorded_version_is_read():
    """Firmware, protocol and model by name; blank extensions are left out."""
    version = decode_answer(ubx_frame(b"\x0a\x04", F9P_VERSION))
    assert (version.software, version.hardware) == ("EXT CORE 1.00 (0fa0ae)", "00190000")
    found = [version.extension(name) for name in ("FWVER", "PROTVER", "MOD", "FIS")]
    assert found == ["HPG 1.32", "27.31", "ZED-F9P", None]
    assert version.extensions[-1] == "SBAS;QZSS"


def test_the_older_way_of_naming_extensions_is_read():
    """A LEA-M8F separates by a space."""
    version = ReceiverVersion(
        software="2.20 (81289)", hardware="00080000", extensions=("PROTVER 16.00", "MOD LEA-M8F-0")
    )
    assert (version.extension("PROTVER"), version.extension("MOD")) == ("16.00", "LEA-M8F-0")
    assert version.extension("PROT") is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        bytes((0, 0, 0, 0)) + RATE.to_bytes(4, "little") + b"\x64\x00",  # a question, not a reply
        bytes((1, 0, 0, 0)) + RATE.to_bytes(4, "little") + b"\x64",  # ends inside a value
        bytes((1, 0, 0, 0)) + RATE.to_bytes(4, "little")[:3],
        bytes((1, 0, 0, 0)) + (0x00210001).to_bytes(4, "little") + b"\x64",  # a size that does not exist
        bytes((1, 0, 0, 0)) + (0xB0210001).to_bytes(4, "little") + b"\x64\x00",  # the highest bit is reserved
    ],
)
def test_a_damaged_reply_says_nothing(payload):
    """Rather than some of its values."""
    assert decode_answer(ubx_frame(VALGET, payload)) is None


@pytest.mark.parametrize("length", [0, 39, 41, 69])
def test_a_version_of_another_length_says_nothing(length):
    """30 + 10 and then thirties."""
    assert decode_answer(ubx_frame(b"\x0a\x04", b"x" * length)) is None


@given(st.binary(max_size=300), st.sampled_from([VALGET, VALSET, b"\x0a\x04", b"\x05\x00", b"\x05\x01", b"\x01\x07"]))
def test_no_payload_raises(payload, kind):
    """Whatever a receiver sends with a good checksum."""
    (frame,) = GnssFramer().feed(ubx_frame(kind, payload))
    decode_answer(frame.data)


def test_the_size_of_a_value_stands_in_its_key():
    """Every key of the library's database, by the library's own type."""
    for name, (key, kind) in UBX_CONFIG_DATABASE.items():
        assert value_bytes(key) == int(kind[1:]), name
    assert value_bytes(-1) is value_bytes(2**31) is value_bytes(0) is None


def test_the_library_reads_what_is_set():
    """The other direction, by name."""
    message = UBXReader.parse(encode_set([Layer.RAM, Layer.FLASH], {RATE: 200, NAV_PVT_UART1: 1}), msgmode=SET)
    assert (message.CFG_RATE_MEAS, message.CFG_MSGOUT_UBX_NAV_PVT_UART1) == (200, 1)
    assert (message.ram, message.bbr, message.flash) == (1, 0, 1)
    assert UBXReader.parse(encode_version_request(), msgmode=POLL).identity == "MON-VER"
