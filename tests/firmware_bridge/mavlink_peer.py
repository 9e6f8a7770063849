"""The other end of a signed link, as the library that ground stations are made with writes and reads it."""

from pymavlink.dialects.v20 import ardupilotmega as dialect

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
# 2026-01-01 in units of 10 us since 2015-01-01.
STAMP = 4_018 * 86_400 * 100_000
SECOND = 100_000


def new_peer(key=None, stamp=STAMP, system_id=1, component_id=1, link_id=0):
    """A component that signs with `key` if there is one."""
    peer = dialect.MAVLink(None, srcSystem=system_id, srcComponent=component_id)
    peer.robust_parsing = True
    if key is not None:
        peer.signing.secret_key = key
        peer.signing.sign_outgoing = True
        peer.signing.timestamp = stamp
        peer.signing.link_id = link_id
    return peer


def attitude(number):
    """The ATTITUDE of one of many instants."""
    return dialect.MAVLink_attitude_message(1_000 + 50 * number, 0.01 * number, -0.125, 3.0, 0.0, 0.0, 0.0)


def frames_of(peer, count, force_mavlink1=False):
    """So many frames of a peer, each with the next sequence number."""
    frames = []
    for number in range(count):
        frames.append(bytes(attitude(number).pack(peer, force_mavlink1=force_mavlink1)))
        peer.seq = (peer.seq + 1) % 256
    return frames
