"""Other people's RTCM 3 streams against other people's readings of them."""

import collections
import json

import pytest
from pyrtcm import RTCMReader

from firmware_bridge.codec.rtcm import RTCM_OVERHEAD, STATION_PAYLOAD_BYTES, RtcmFramer, decode_station
from firmware_bridge.records import ReferenceStation

pytestmark = pytest.mark.recorded

GPSD = {"rtcm3": 2, "ublox-f9p-rtcm": 15, "ublox-zed-f9t-rtcm3": 182}


def split(data, chunk=1_024):
    """All frames and the counters, fed in chunks of one size."""
    framer = RtcmFramer()
    frames = []
    for start in range(0, len(data), chunk):
        frames += framer.feed(data[start : start + chunk])
    return frames + framer.finish(), framer.counts


def gpsd_reports(path):
    """What gpsd says of every RTCM 3 message; it repeats a report when a packet of another protocol follows."""
    lines = path.with_name(path.name + ".chk").read_bytes().splitlines()
    reports = [json.loads(line) for line in lines if line.startswith(b'{"class":"RTCM3"')]
    return [report for report, before in zip(reports, [None, *reports], strict=False) if report != before]


@pytest.mark.parametrize(("name", "messages"), GPSD.items())
def test_types_lengths_and_stations_agree_with_gpsd(recordings, name, messages):
    """Every message that gpsd reports, in its order, and the stations' coordinates to the last digit of the wire."""
    path = recordings / "gnss" / "gpsd" / f"{name}.log"
    expected = gpsd_reports(path)
    frames, counts = split(path.read_bytes())
    assert [(frame.number, len(frame.data) - RTCM_OVERHEAD) for frame in frames] == [
        (report["type"], report["length"]) for report in expected
    ]
    assert len(frames) == counts.frames == messages
    stations = [decode_station(frame) for frame in frames if frame.number in STATION_PAYLOAD_BYTES]
    theirs = [report for report in expected if report["type"] in STATION_PAYLOAD_BYTES]
    assert all(isinstance(station, ReferenceStation) for station in stations)
    assert [(s.station_id, s.x_m, s.y_m, s.z_m) for s in stations] == [
        (report["station_id"], report["x"], report["y"], report["z"]) for report in theirs
    ]


def test_every_frame_of_the_libraries_own_recordings_is_found(recordings):
    """Frame by frame what pyrtcm's reader finds by its own framing; mixed files too; only the damaged are counted."""
    numbers = collections.Counter()
    for path in sorted((recordings / "gnss" / "semuconsulting" / "rtcm").iterdir()):
        with path.open("rb") as stream:
            theirs = [raw for raw, _ in RTCMReader(stream, quitonerror=0) if raw is not None]
        frames, counts = split(path.read_bytes())
        ours = [frame.data for frame in frames]
        assert counts.bad_crc == (1 if "BADCRC" in path.name else 0), path.name
        assert [data for data in theirs if data not in ours] == [], path.name
        numbers.update(frame.number for frame in frames)
    assert sum(numbers.values()) >= 140
    assert len(numbers) == 59


def test_recordings_split_alike_in_any_chunks(recordings):
    """One byte at a time, seven, or all at once: the same frames and counters."""
    for path in sorted((recordings / "gnss" / "semuconsulting" / "rtcm").iterdir()):
        data = path.read_bytes()
        assert split(data, 1) == split(data, 7) == split(data, len(data))
