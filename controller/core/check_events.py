"""
Ledger events of what credit stands on: heads, specifications, checks, blocks, verdicts and revocations.
"""

import msgspec

from controller.core.decisions import Aim
from controller.core.event import Event
from controller.core.inputs import Calibration
from firmware_bridge.records import MonoNs


class HeadIdentified(Event, frozen=True, kw_only=True, tag="head_identified"):
    """A head's dictionary arrived or changed; a change ends the open block."""

    head: str
    dictionary_id: int
    model: str
    firmware: str
    serial: str
    channels: tuple[str, ...]


class SpecSet(Event, frozen=True, kw_only=True, tag="spec_set"):
    """A calibration was accepted: the search specification that credit is earned under. `spec` is its hash."""

    spec: str
    profile: str
    calibration: Calibration

    @property
    def aim(self) -> Aim:
        """What ground is searched for under it."""
        return Aim(item=self.calibration.item, depth_m=self.calibration.depth_m, profile=self.profile)


class CheckBegun(Event, frozen=True, kw_only=True, tag="check_begun"):
    """A function check began; `retest_of`: the failed check that it repeats, nothing having been touched since."""

    head: str
    check: int
    person: str
    retest_of: int | None = None


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """One measured value of a check with the limits in force."""

    part: str
    channel: str | None
    value: float | None
    low: float | None
    high: float | None
    passed: bool


class CheckEnded(Event, frozen=True, kw_only=True, tag="check_ended"):
    """A function check ended with every value that was measured, kept whether it passed or not."""

    head: str
    check: int
    person: str
    passed: bool
    results: tuple[CheckResult, ...]


class ChangeReported(Event, frozen=True, kw_only=True, tag="change_reported"):
    """A person says that something happened to a head, which ends what its check has proved (`inputs.HeadChange`)."""

    head: str
    person: str
    change: str


class GroundSuspended(Event, frozen=True, kw_only=True, tag="ground_suspended"):
    """
    An item was missed: everything that this head has searched under this specification is suspended, in this session
    and in every earlier one, back to the last independent proof. `blocks`: those of this session, voided by it.
    """

    head: str
    spec: str
    blocks: tuple[int, ...]
    person: str
    note: str


class BlockOpened(Event, frozen=True, kw_only=True, tag="block_opened"):
    """Credit may be earned from here on, provisionally, under this specification."""

    head: str
    block: int
    spec: str
    check: int


class BlockEnded(Event, frozen=True, kw_only=True, tag="block_ended"):
    """No more credit goes into this block; it waits for its verdict."""

    head: str
    block: int
    why: str


class Verdict(Event, frozen=True, kw_only=True, tag="verdict"):
    """
    What a block is worth; of several the highest number wins.

    state : `passed` or `voided`      due : why its ground must be searched again (`cells.DueCause`); None where passed
    """

    block: int
    number: int
    state: str
    cause: str
    due: str | None = None


class Revoked(Event, frozen=True, kw_only=True, tag="revoked"):
    """
    What samples of [from_ns, to_ns) earned in a block is withdrawn; the tiles that it had a part in stand before this.

    cells_lost : those that other samples bear are credited again within the next seconds
    """

    block: int
    from_ns: MonoNs
    to_ns: MonoNs
    reason: str
    cells_lost: int


class SelfTested(Event, frozen=True, kw_only=True, tag="self_tested"):
    """
    A head's own test, asked for by a person.

    passed    : per channel, None where it was not tested; empty without an answer
    is_passed : of all; None where channels were not tested and none failed
    """

    head: str
    person: str
    passed: tuple[bool | None, ...]
    is_passed: bool | None


class RuleVerdict(Event, frozen=True, kw_only=True, tag="rule_verdict"):
    """
    A rule of the profile is now kept, or broken, by a head's samples, and was not before; the first is told, too.

    value    : the worst of the last second, in the metric's unit; None where it was unknown, which breaks a rule
    window_s : for how long before a sample the limit must have been kept      action : `withhold` or `advise`
    """

    head: str
    rule: str
    metric: str
    value: float | None
    limit: float
    window_s: float
    severity: str
    action: str
    is_kept: bool


class RuleTotals(msgspec.Struct, frozen=True, kw_only=True):
    """One rule over the samples of blocks: how many broke it, and the worst value; None: unknown, or no sample."""

    rule: str
    metric: str
    worst: float | None
    limit: float
    samples: int
    broken: int


class BlocksJudged(Event, frozen=True, kw_only=True, tag="blocks_judged"):
    """What every rule found in the samples of the blocks that were just judged, or left open at the session's end."""

    head: str
    blocks: tuple[int, ...]
    rules: tuple[RuleTotals, ...]
