"""What a simulated head-end is told to do, and what it counts."""

from dataclasses import dataclass

from simulator.draws import happens
from simulator.fleet import VirtualMeter

LATE_RESULT_FACTOR = 10


@dataclass
class HeadEndStatus:
    """The counters of GET /status. At rest, sent = accepted + refused, and these count 2001 only; `retried` counts
    further tries.

    `commands` are the 1004 taken, `executed` what meters did, `repeated` the messages that came again, `results` and
    `alarms` the 2002 and 2003 that the platform took.
    """

    sent: int = 0
    accepted: int = 0
    refused: int = 0
    retried: int = 0
    backfilled: bool = False
    meters: int = 0
    last_error: str = ""
    commands: int = 0
    executed: int = 0
    repeated: int = 0
    results: int = 0
    alarms: int = 0


@dataclass(frozen=True, kw_only=True)
class HeadEndPlan:
    """What this head-end does. `rate` is live reports a second, `count` how many of them (None: no end)."""

    company: str
    factor: str
    meters: list[VirtualMeter]
    days: int
    seed: int
    rate: float
    count: int | None = None
    duplicate_rate: float = 0.0
    gap_rate: float = 0.0
    alarm_rate: float = 0.0
    execute_delay: float = 2.0
    sleep_rate: float = 0.0
    refuse_rate: float = 0.0
    fail_rate: float = 0.0
    lose_rate: float = 0.0
    concurrency: int = 8
    first_pause: float = 0.5

    def loses_answer_to(self, serial_no: str) -> bool:
        return happens("lose", self.seed, serial_no, rate=self.lose_rate / 2)

    def result_delay(self, serial_no: str) -> float:
        """Of what gets lost, one half is the answer to the 1004; the other half is a 2002 that comes late."""
        late = happens("lose", self.seed, serial_no, rate=self.lose_rate) and not self.loses_answer_to(serial_no)
        return self.execute_delay * LATE_RESULT_FACTOR if late else 0.0
