"""
Samples of one head, from arrival to the queue that waits for fixes: identity, time, detection, alarm.

The alarm is decided here, from samples and time alone; nothing below this module can delay or clear one (P2).
"""

import math

import numpy as np

from controller.core import checks
from controller.core.alarm_events import AlarmEnded, AlarmRaised
from controller.core.alarms import Alarm
from controller.core.check_events import HeadIdentified
from controller.core.density import SignalDensity
from controller.core.detection import Detector, SignalEdge
from controller.core.inputs import CheckPart
from controller.core.mapping import NO_BLOCK
from controller.core.reasons import Reason, mask_of
from controller.core.rulebook import Measured
from controller.core.site import Metric
from controller.core.speed import lead_m
from controller.core.state import PENDING_BLOCKS_MAX, HeadState, Outbox, PendingSamples, State
from controller.core.timebase import MS, SECOND
from firmware_bridge.records import (
    HEAD_PROTOCOL_VERSIONS,
    BoolArray,
    DictionaryRequest,
    FloatArray,
    HeadDictionary,
    HostHello,
    IntArray,
    MonoNs,
    OutputCommand,
    SampleBlock,
    TimeQuery,
)

SILENCE_NS_MAX = SECOND  # a head that says nothing for this long is silent
QUERY_NS = SECOND  # between time queries
QUERY_FIRST_NS = SECOND // 10  # while the clock has too few replies
REQUEST_NS = SECOND  # between requests for a dictionary
OUTPUT_RETRY_NS = 200 * MS
LATENESS_NS_MAX = 250 * MS  # at 1.5 m/s an alarm this late is 0.4 m late, within any head's lead on the wheels
BACKLOG_NS_MAX = SECOND  # promise P5: no more than this may be lost
REPEATED_SAMPLES_MAX, REPEATED_NS_MAX = 10_000, 2 * SECOND  # of a line that repeats or reorders
_SIGNAL_OR_FAULT = Reason.SIGNAL_PRESENT.bit | Reason.HEAD_FAULT.bit
OUTPUT_ATTEMPTS = 3  # after these the alarm path no longer counts as proven


def identify(state: State, head: HeadState, dictionary: HeadDictionary, now_ns: MonoNs, out: Outbox) -> bool:
    """A dictionary arrived; True where it is a different one, so that what stood on the old must end."""
    if dictionary.dictionary_id == head.dictionary_id:
        return False
    cut_signal(state, head, now_ns, out)
    head.dictionary_id = dictionary.dictionary_id
    coils = np.array([channel.position_m for channel in dictionary.channels])
    _set_channels(state, head, tuple(c.name for c in dictionary.channels), coils, dictionary.rate_hz)
    head.clock.reset()
    out.events.append(
        HeadIdentified(
            mono_ns=now_ns,
            utc_ns=state.utc_ns(now_ns),
            head=head.head.id,
            dictionary_id=dictionary.dictionary_id,
            model=dictionary.model,
            firmware=dictionary.firmware,
            serial=dictionary.serial,
            channels=head.channels,
        )
    )
    return True


def take_samples(
    state: State, head: HeadState, block: SampleBlock, arrival_ns: MonoNs, now_ns: MonoNs, out: Outbox
) -> None:
    """Time, judge and queue a block of samples, and raise or end the alarm that they make."""
    if head.detector is None and head.head.channels:
        coils = np.array([channel.position_m for channel in head.head.channels])
        _set_channels(state, head, tuple(c.name for c in head.head.channels), coils, head.head.rate_hz or 1.0)
    detector = head.detector
    if detector is None or block.values.shape[1] != len(head.channels):
        state.refuse(head.head.link, "samples without a dictionary", len(block.sequence))
        return
    if _is_repeated(head, block):
        state.refuse(head.head.link, "samples that came twice, or after later ones", len(block.sequence))
        return
    first_index = detector.index
    times_ns, time_error_ns = _sample_times(head, block, arrival_ns)
    detected = detector.detect(block.values, block.status)
    _note_noise(state, head, detector)
    head.shown_signal = _strongest(head.shown_signal, detected.signal)
    if head.check is not None:
        checks.watch(head.check, detected.signal, detector.threshold)
    for edge in detected.edges:
        _take_edge(state, head, edge, block, times_ns if time_error_ns is not None else None, now_ns, out)
    if head.alarm is not None:
        head.alarm.peak_channel, head.alarm.peak_index = detector.peak
    block_numbers, standing = _standing(state, head, times_ns)
    reasons = detected.reasons | standing[:, None] | _gaps(state, head, block, times_ns)[:, None]
    head.time_error_ns = time_error_ns
    clock_error_ms = None if time_error_ns is None else time_error_ns / MS
    clock_reasons = head.rules.judge(Metric.CLOCK_ERROR, clock_error_ms, times_ns, block_numbers != NO_BLOCK)
    reasons |= clock_reasons[:, None] | _density(head, detected.reasons, times_ns, block_numbers)[:, None]
    head.samples += len(block.sequence)
    head.last_arrival_ns = arrival_ns
    if len(head.pending) >= PENDING_BLOCKS_MAX:
        state.refuse(head.head.link, "queue for positions full", len(head.pending.popleft().index))
    head.pending.append(
        PendingSamples(
            arrival_ns=arrival_ns,
            index=first_index + np.arange(len(block.sequence), dtype=np.int64),
            sequence=block.sequence,
            device_time_ns=block.device_time_ns,
            times_ns=times_ns,
            time_error_ns=time_error_ns,
            values=block.values,
            block=block_numbers,
            reasons=reasons,
            lever_m=head.lever_m,
            channels=head.channels,
        )
    )
    for channel, first_index in detected.stuck:
        for samples in head.pending:
            samples.reasons[samples.index >= first_index, channel] |= Reason.HEAD_FAULT.bit


def command_head(state: State, head: HeadState, now_ns: MonoNs, out: Outbox) -> None:
    """Ask for what is missing: the dictionary, the clock, the answer to a lamp and buzzer command."""
    if head.head.channels:
        return
    # Samples of a head that took this one's place cannot be read without its dictionary: they look like silence.
    is_silent = head.last_arrival_ns is not None and now_ns - head.last_arrival_ns > SILENCE_NS_MAX
    if (head.dictionary_id is None or head.is_identity_doubted or is_silent) and (
        head.last_request_ns is None or now_ns - head.last_request_ns >= REQUEST_NS
    ):
        head.last_request_ns = now_ns
        # A head that knows no hello does not answer it, which means version 1: so both are asked at once.
        out.command(head.head.link, HostHello(token=state.take_token(), versions=HEAD_PROTOCOL_VERSIONS))
        out.command(head.head.link, DictionaryRequest())
    if head.dictionary_id is None:
        return
    interval = QUERY_NS if head.clock.replies >= 8 else QUERY_FIRST_NS
    if head.last_query_ns is None or now_ns - head.last_query_ns >= interval:
        head.last_query_ns = now_ns
        token = state.take_token()
        head.clock.sent(token, now_ns)
        out.command(head.head.link, TimeQuery(token=token))
    output = head.output
    if output.sent_ns is not None and now_ns - output.sent_ns >= OUTPUT_RETRY_NS:
        if output.attempts >= OUTPUT_ATTEMPTS:
            output.is_proven = False
        set_output(state, head, output.wanted, now_ns, out, is_retry=True)


def set_output(
    state: State, head: HeadState, wanted: bool, now_ns: MonoNs, out: Outbox, *, is_retry: bool = False
) -> None:
    """Command lamp and buzzer; the answer is waited for, and the command repeated until it comes."""
    if head.head.channels:
        return
    output = head.output
    output.wanted = wanted
    output.attempts = output.attempts + 1 if is_retry else 1
    output.token = state.take_token()
    output.sent_ns = now_ns
    out.command(head.head.link, OutputCommand(token=output.token, lamp_on=wanted, buzzer_on=wanted))


def output_answered(head: HeadState, token: int, is_on: bool) -> None:
    """The head confirmed a lamp and buzzer command."""
    output = head.output
    if token != output.token:
        return
    output.sent_ns = None
    if is_on == output.wanted and head.check is not None and head.check.part is CheckPart.ALARM_PATH and is_on:
        head.check.is_path_answered = True


def _set_channels(state: State, head: HeadState, names: tuple[str, ...], coils: FloatArray, rate_hz: float) -> None:
    head.channels = names
    head.lever_m = coils + np.array(head.head.mount_m) - np.array(state.site.vehicle.antenna_m)
    head.rate_hz, head.density = rate_hz, SignalDensity(rate_hz)
    head.lead_m = lead_m(float(coils[:, 0].min()) + head.head.mount_m[0], state.site.vehicle)
    head.detector = Detector(head.head, state.site.profile, len(names), rate_hz, head.samples)
    head.last_sequence = head.last_device_ns = head.last_position = None


def _is_repeated(head: HeadState, block: SampleBlock) -> bool:
    """
    Whether a head's samples are not later than the last ones, by its count and by its clock.

    A head that was switched off begins both anew, far back; a clock that was set back alone does not stop the count.
    """
    if head.last_sequence is None or head.last_device_ns is None or block.device_time_ns is None:
        return False
    samples_back = (head.last_sequence - int(block.sequence[0])) % 2**32
    ns_back = head.last_device_ns - int(block.device_time_ns[0])
    return samples_back < REPEATED_SAMPLES_MAX and 0 <= ns_back < REPEATED_NS_MAX


def _sample_times(head: HeadState, block: SampleBlock, arrival_ns: MonoNs) -> tuple[IntArray, int | None]:
    """
    Monotonic instants of the samples, int64 (n,), and their bound, None where unknown.

    Before a head's clock is fitted the arrival stands in, so that an alarm can be shown on the map, with no bound and
    so without credit.
    """
    if head.head.channels:
        times, error_ns = head.line_clock.times(block.sequence, block.device_time_ns, block.wire_bytes, arrival_ns)
        return np.array(times, dtype=np.int64), error_ns
    assert block.device_time_ns is not None, "a head with a dictionary stamps its samples"
    if head.last_device_ns is not None and block.device_time_ns[0] <= head.last_device_ns:
        head.is_clock_doubted = True
    head.last_device_ns = int(block.device_time_ns[-1])
    errors = [head.clock.error_ns(int(block.device_time_ns[row])) for row in (0, -1)]
    if errors[0] is not None and errors[1] is not None and not head.is_clock_doubted:
        times = [head.clock.to_mono(device) for device in block.device_time_ns.tolist()]
        error_ns = max(errors[0], errors[1])
        # No sample is taken after it arrived: one that seems so is stamped by a clock that has leapt.
        if times[-1] - error_ns <= arrival_ns:
            return np.array(times, dtype=np.int64), error_ns
        head.is_clock_doubted = True
    since_last = block.device_time_ns - block.device_time_ns[-1]
    return arrival_ns + since_last, None


def _standing(state: State, head: HeadState, times_ns: IntArray) -> tuple[IntArray, IntArray]:
    """Per sample the block it may be credited to and the reasons that hold for the whole head: int64 (n,) each."""
    reasons = []
    if head.block is None:
        reasons.append(Reason.NOT_CHECKED)
    if head.has_failed_check:
        reasons.append(Reason.CHECK_FAILED)
    if head.has_failed_self_test:
        reasons.append(Reason.HEAD_FAULT)
    if head.check is not None or state.is_paused:
        reasons.append(Reason.PAUSED)
    if not head.output.is_proven:
        reasons.append(Reason.ALARM_PATH_UNPROVEN)
    for reason, value_ns, limit_ns in (
        (Reason.LOOP_OVERRUN, state.lateness_ns, LATENESS_NS_MAX),
        (Reason.RECORD_BACKLOG, state.backlog_ns, BACKLOG_NS_MAX),
    ):
        if value_ns > limit_ns:
            reasons.append(reason)
            head.measured[reason] = Measured(value=value_ns / SECOND, limit=limit_ns / SECOND)
    standing = np.full(len(times_ns), mask_of(reasons), dtype=np.int64)
    numbers = np.full(len(times_ns), NO_BLOCK, dtype=np.int64)
    if head.block is not None:
        is_inside = times_ns >= head.block.opened_ns
        numbers[is_inside] = head.block.number
        standing[~is_inside] |= Reason.NOT_CHECKED.bit
        age_h = (times_ns - head.block.opened_ns) / (3600 * SECOND)
        standing |= head.rules.judge_each(Metric.CHECK_AGE, age_h, times_ns, is_inside)
    return numbers, standing


def _density(head: HeadState, reasons: IntArray, times_ns: IntArray, block_numbers: IntArray) -> IntArray:
    """`signal_density` where most of the last seconds was in signal: int64 (n,). A check's own items are none."""
    # A stuck channel may stay above its threshold for ever: it is a fault, and its neighbours see what they see.
    is_in_signal: BoolArray = (reasons & _SIGNAL_OR_FAULT == Reason.SIGNAL_PRESENT.bit).any(axis=1)
    share = head.density.take(is_in_signal if head.check is None else np.zeros_like(is_in_signal))
    return head.rules.judge_each(Metric.SIGNAL_SHARE, share, times_ns, block_numbers != NO_BLOCK)


def _gaps(state: State, head: HeadState, block: SampleBlock, times_ns: IntArray) -> IntArray:
    """`sample_gap` for each sample that does not follow its predecessor directly: int64 (n,)."""
    previous = block.sequence[0] - 1 if head.last_sequence is None else head.last_sequence
    steps = np.diff(np.concatenate([[previous], block.sequence]))
    head.last_sequence = int(block.sequence[-1])
    is_gap = (steps != 1) & (steps != 1 - 2**32)  # the wire's counter has 32 bits
    if is_gap.any():
        state.refuse(head.head.link, "gaps in the sample sequence", int(is_gap.sum()))
    return np.where(is_gap, Reason.SAMPLE_GAP.bit, 0)


def _strongest(shown: FloatArray | None, signal: FloatArray) -> FloatArray:
    """Largest signal of each channel since the last snapshot, float64 (channels,); NaN where there was none."""
    largest = np.fmax.reduce(signal, axis=0)
    strongest: FloatArray = largest if shown is None or len(shown) != len(largest) else np.fmax(shown, largest)
    return strongest


def _note_noise(state: State, head: HeadState, detector: Detector) -> None:
    """Keep the worst channel's noise beside the largest that its calibration allows."""
    worst = float(np.max(detector.sigma))
    limit = None
    if head.calibration is not None:
        margins = [c.reference_response_min - c.site_threshold for c in head.calibration.channels]
        limit = min(margins) / state.site.profile.k_noise
    head.measured[Reason.NOISE_HIGH] = Measured(value=None if math.isnan(worst) else worst, limit=limit)


def _take_edge(
    state: State,
    head: HeadState,
    edge: SignalEdge,
    block: SampleBlock,
    times_ns: IntArray | None,
    now_ns: MonoNs,
    out: Outbox,
) -> None:
    if edge.is_begin:
        _raise_alarm(state, head, edge, block, times_ns, now_ns, out)
    else:
        _end_alarm(state, head, edge, now_ns, out)


def _raise_alarm(
    state: State,
    head: HeadState,
    edge: SignalEdge,
    block: SampleBlock,
    times_ns: IntArray | None,
    now_ns: MonoNs,
    out: Outbox,
) -> None:
    set_output(state, head, True, now_ns, out)
    number = len(state.alarms) + 1
    alarm = Alarm(
        number=number,
        head=head.head.id,
        is_in_check=head.check is not None,
        peak_index=edge.peak_index,
        peak_channel=edge.channel,
    )
    state.alarms[number] = head.alarm = alarm
    state.alarms_unmarked += not alarm.is_in_check
    head.unsettled.append(alarm)
    if head.check is not None and head.check.part is CheckPart.BACKGROUND:
        head.check.background_alarms += 1
    out.events.append(
        AlarmRaised(
            mono_ns=now_ns,
            utc_ns=state.utc_ns(now_ns),
            alarm=number,
            head=head.head.id,
            channels=tuple(head.channels[channel] for channel in edge.channels),
            sequence=int(block.sequence[edge.row]),
            sample_ns=None if times_ns is None else MonoNs(int(times_ns[edge.row])),
            value=edge.value,
            threshold=edge.threshold,
            check=None if head.check is None else head.check.number,
        )
    )


def cut_signal(state: State, head: HeadState, now_ns: MonoNs, out: Outbox) -> None:
    """No further sample will come from this head as it is: end the signal that is present, keep its alarm."""
    edge = None if head.detector is None else head.detector.cut()
    if edge is not None:
        _end_alarm(state, head, edge, now_ns, out)


def _end_alarm(state: State, head: HeadState, edge: SignalEdge, now_ns: MonoNs, out: Outbox) -> None:
    """The signal has ended; the alarm object stays."""
    alarm = head.alarm
    assert alarm is not None, "a signal ended that never began"
    alarm.is_sounding = False
    alarm.peak_index, alarm.peak_channel = edge.peak_index, edge.channel
    head.alarm = None
    set_output(state, head, False, now_ns, out)
    out.events.append(
        AlarmEnded(
            mono_ns=now_ns,
            utc_ns=state.utc_ns(now_ns),
            alarm=alarm.number,
            head=head.head.id,
            channels=tuple(head.channels[channel] for channel in edge.channels),
            peak=edge.value,
            peak_channel=head.channels[edge.channel],
            peak_index=edge.peak_index,
            samples=edge.samples,
        )
    )
