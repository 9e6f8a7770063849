"""A machine in records: drives the core without bytes, so that each rule can be met on its own."""

import msgspec
import numpy as np

from controller.core.effects import CreditState
from controller.core.geometry import Plane
from controller.core.inputs import (
    Arrival,
    BeginCheck,
    BeginCheckPart,
    Calibration,
    ChannelCalibration,
    CheckPart,
    EndCheck,
    EndSession,
    Inputs,
    Origin,
)
from controller.core.site import Autopilot, Head, LinkTiming, PositionSource, Site, Task, Vehicle
from controller.core.state import begin
from controller.core.step import step
from controller.profile_files import load_profile
from firmware_bridge.autopilot_records import AutopilotMessage, MessageIntervalRequest
from firmware_bridge.records import (
    Attitude,
    AutopilotHeartbeat,
    EstimatorStatus,
    FixClass,
    GnssFix,
    HeadChannel,
    HeadDictionary,
    OutputCommand,
    OutputReply,
    SampleBlock,
    TimeQuery,
    TimeReply,
)

CHANNELS = 4
RATE_HZ = 50
MS = 1_000_000
SECOND = 1_000_000_000
START_NS = 100 * SECOND
UTC_NS = 1_772_000_000 * SECOND
LATENCY_NS = 50 * MS
PLANE = Plane(-1.0, 30.0, 1200.0)


def dictionary(dictionary_id=7, is_simulated=False, channels=CHANNELS):
    """A head of coils 0.15 m apart across the direction of travel."""
    coils = tuple(
        HeadChannel(
            name=f"c{index}",
            unit="uV",
            scale=0.1,
            gate_us=None,
            position_m=(0.0, (index - (channels - 1) / 2) * 0.15, 0.0),
        )
        for index in range(channels)
    )
    return HeadDictionary(
        dictionary_id=dictionary_id,
        model="test head",
        firmware="1",
        serial="1",
        is_simulated=is_simulated,
        rate_hz=float(RATE_HZ),
        channels=coils,
    )


def calibration(**changes):
    """A calibration that a quiet head meets with a wide margin."""
    channel = ChannelCalibration(
        site_threshold=20.0, reference_response_min=40.0, check_response=100.0, detection_radius_m=0.2
    )
    fields = {
        "person": "op-1",
        "witness": "op-2",
        "head": "head",
        "dictionary_id": 7,
        "item": "reference",
        "depth_m": 0.13,
        "runs": 5,
        "channels": (channel,) * CHANNELS,
    }
    return Calibration(**{**fields, **changes})


def site(profile="ap-shallow", limits=None, **profile_changes):
    """The machine's site under a profile, some of whose fields, or limits by their metric, may be changed."""
    chosen = msgspec.structs.replace(load_profile(profile), **profile_changes)
    for metric, limit in (limits or {}).items():
        chosen = chosen.with_limit(metric, limit)
    return Site(
        machine="machine",
        site="site",
        task=Task(id="task", origin_latitude_deg=-1.0, origin_longitude_deg=30.0, origin_altitude_m=1200.0),
        vehicle=Vehicle(antenna_m=(0.0, 0.0, 2.0), slope_deg_max=5.0),
        position=PositionSource(
            link="gnss",
            relative_error_m=0.005,
            drift_m_s=0.001,
            heading_link="gnss",
            attitude_link="autopilot",
        ),
        heads=(Head(id="head", link="head", mount_m=(1.5, 0.0, 0.1), nominal_radius_m=0.2, alarm_floor=5.0),),
        links=tuple(
            LinkTiming(name=name, timebase="host", latency_ms=50.0, latency_error_ms=2.0)
            for name in ("gnss", "gnss2", "head", "autopilot")
        ),
        profile=chosen,
        autopilots=(Autopilot(link="autopilot", system_id=1, messages=(AutopilotMessage.ATTITUDE,)),),
    )


def fix(epoch_ns, east_m, north_m, **changes):
    """A fix whose every field is within the limits."""
    latitude, longitude = PLANE.unproject(east_m, north_m)
    fields = {
        "utc_ns": UTC_NS + epoch_ns,
        "time_of_day_ns": None,
        "latitude_deg": float(latitude),
        "longitude_deg": float(longitude),
        "altitude_m": 1200.0,
        "fix_class": FixClass.FIXED,
        "horizontal_error_95_m": 0.02,
        "speed_m_s": None,
        "course_deg": None,
        "heading_deg": 0.0,
        "heading_error_95_deg": 0.5,
        "correction_age_s": 1.0,
        "reference_station": "0001",
    }
    return GnssFix(**{**fields, **changes})


class Machine:
    """
    Steps the core at 50 Hz: one sample, a fix each 100 ms, an attitude each 60 ms. Tests change what it sends.

    signal(seconds) -> uV of each channel; path(seconds) -> (east, north); fix_changes(seconds) -> fields or None
    """

    def __init__(self, machine_site=None, origin=Origin.LIVE, *, has_dictionary=True):
        self.state = begin(machine_site or site(), origin)
        self.events, self.placed, self.commands, self.effects, self.inputs = [], [], [], [], []
        self.seconds = 0.0
        self.sequence = 0
        self.signal = lambda seconds: np.zeros(CHANNELS)
        self.path = lambda seconds: (0.0, 0.0)
        self.fix_changes = lambda seconds: {}
        self.second_fix = lambda seconds, east_m, north_m: None
        self.status = lambda seconds: 0
        self.has_attitude = True
        self.estimator = lambda seconds: None
        self.has_heartbeat = True
        self.waits_to_be_asked = False
        self.is_deaf = False
        self.booted_ns = 0
        self.asked = set()
        self.answers_outputs = True
        self.drop_sample = lambda seconds: False
        self.noise_uv = 0.5
        self.lateness_ns = self.backlog_ns = 0
        self.sample_age_ns = 25 * MS
        self.clock_leap_ns = 0
        self.stuck = {}
        self._noise = np.random.default_rng(5)
        self._replies = []
        self._tick = 0
        self.step(records=[("head", dictionary())] if has_dictionary else [])

    def step(self, records=(), requests=()):
        now_ns = START_NS + self._tick * (SECOND // RATE_HZ)
        arrivals = [Arrival(link=link, arrival_ns=now_ns, record=record) for link, record in records]
        inputs = Inputs(
            now_ns=now_ns,
            arrivals=tuple(arrivals),
            requests=tuple(requests),
            lateness_ns=self.lateness_ns,
            backlog_ns=self.backlog_ns,
        )
        self.inputs.append(inputs)
        self.state, effects = step(self.state, inputs)
        self.events += effects.events
        self.placed += effects.placed
        self.commands += effects.commands
        self.effects.append(effects)
        for command in effects.commands:
            self._answer(command.record)
        return effects

    def _answer(self, command):
        device_ns = self._tick * (SECOND // RATE_HZ) + self.clock_leap_ns
        if isinstance(command, MessageIntervalRequest) and not self.is_deaf:
            self.asked.add(command.message)
        if isinstance(command, TimeQuery):
            self._replies.append(TimeReply(token=command.token, device_time_ns=device_ns))
        elif isinstance(command, OutputCommand) and self.answers_outputs:
            self._replies.append(OutputReply(token=command.token, lamp_on=command.lamp_on, buzzer_on=command.buzzer_on))

    def tick(self, requests=()):
        self._tick += 1
        self.seconds = self._tick / RATE_HZ
        time_ns = self._tick * (SECOND // RATE_HZ)
        records = [("head", reply) for reply in self._replies]
        self._replies = []
        self.sequence += 1
        if not self.drop_sample(self.seconds):
            values = self.noise_uv * self._noise.normal(size=CHANNELS) + self.signal(self.seconds)
            for channel, value in self.stuck.items():
                values[channel] = value
            records.append(
                (
                    "head",
                    SampleBlock(
                        dictionary_id=7,
                        sequence=np.array([self.sequence]),
                        device_time_ns=np.array([time_ns + self.clock_leap_ns - self.sample_age_ns]),
                        values=values[None, :],
                        status=np.array([self.status(self.seconds)]),
                    ),
                )
            )
        if self._tick % 5 == 0:
            changes = self.fix_changes(self.seconds)
            if changes is not None:
                east_m, north_m = self.path(self.seconds - LATENCY_NS / SECOND)
                records.append(("gnss", fix(time_ns - LATENCY_NS, east_m, north_m, **changes)))
                second = self.second_fix(self.seconds, east_m, north_m)
                if second is not None:
                    records.append(("gnss2", fix(time_ns - LATENCY_NS, **second)))
        records += self._autopilot(time_ns - LATENCY_NS)
        return self.step(records, requests)

    def _autopilot(self, time_ns):
        records = []
        if self._tick % 50 == 0 and self.has_heartbeat:
            records.append(AutopilotHeartbeat(system_id=1, vehicle_type=10, autopilot=3, base_mode=0, system_status=4))
        is_asked = not self.waits_to_be_asked or AutopilotMessage.ATTITUDE in self.asked
        if self._tick % 3 == 0 and self.has_attitude and is_asked:
            device_ns = time_ns - self.booted_ns
            records.append(Attitude(system_id=1, device_time_ns=device_ns, roll_rad=0.0, pitch_rad=0.0, yaw_rad=0.0))
        is_good = self.estimator(self.seconds)
        if self._tick % 10 == 0 and is_good is not None:
            records.insert(0, EstimatorStatus(system_id=1, is_attitude_good=is_good))
        return [("autopilot", record) for record in records]

    def restart_autopilot(self):
        """Its clock begins again, and it has forgotten what it was asked for."""
        self.asked.clear()
        self.booted_ns = self._tick * (SECOND // RATE_HZ) - LATENCY_NS

    def run(self, seconds):
        for _ in range(round(seconds * RATE_HZ)):
            self.tick()

    def ask(self, *requests):
        return self.tick(requests)

    def check(self, response=100.0, is_alarm_seen_and_heard=True, person="op-1", on_point_s=0.0):
        """A whole function check, about 24 s: background, the piece under each coil in turn, lamp and buzzer."""
        quiet = self.signal
        self.ask(BeginCheck(person=person, head="head"))
        self.ask(BeginCheckPart(person=person, head="head", part=CheckPart.BACKGROUND))
        self.run(8.0)
        self.ask(BeginCheckPart(person=person, head="head", part=CheckPart.REFERENCE_ITEM))
        for channel in range(CHANNELS):
            piece = np.zeros(CHANNELS)
            piece[channel] = response[channel] if isinstance(response, list) else response
            self.signal = lambda seconds, piece=piece: piece
            self.run(0.5)
            self.signal = quiet
            self.run(2.0)
        if on_point_s:
            self.ask(BeginCheckPart(person=person, head="head", part=CheckPart.KNOWN_POINT))
            self.run(on_point_s)
        self.ask(BeginCheckPart(person=person, head="head", part=CheckPart.ALARM_PATH))
        self.run(1.0)
        self.ask(EndCheck(person=person, head="head", is_alarm_seen_and_heard=is_alarm_seen_and_heard))

    def ready(self):
        """Calibrated and checked: samples count from here on."""
        self.run(2.0)
        self.ask(calibration())
        self.check()
        return self

    def drive(self, seconds, speed_m_s=0.8):
        """Straight north from where it stands."""
        east_m, north_m = self.path(self.seconds)
        begun = self.seconds
        self.path = lambda now: (east_m, north_m + max(0.0, now - begun) * speed_m_s)
        self.run(seconds)
        end = self.path(self.seconds)
        self.path = lambda now: end

    def end(self):
        self.run(2.0)
        return self.ask(EndSession(person="op-1"))

    def of(self, kind):
        """All events of one kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def credit_reasons(self):
        """Names of what withholds credit now."""
        return {reason.reason for reason in self.of(CreditState)[-1].reasons}
