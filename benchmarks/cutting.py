"""One host of three is cut off in the middle: nothing may be lost, the order stays, the others carry on."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import cycle
from typing import Any

import orjson
from django.utils import timezone

from benchmarks import backlog
from benchmarks.hosts import cluster as parts
from benchmarks.hosts.scene import METERS, Scene, out_of_order
from simulator.client import Account, new_serial

NAMES = ("a", "b", "c")
WEB = ("a", "b")
CUT = "b"
REPORTED_METERS = 400
REPORTS_PER_METER = 4
BEFORE_SECONDS, CUT_SECONDS = 5.0, 40.0
WINDOW_SECONDS = 5.0


@dataclass
class Reports:
    """A head-end that reports through several web hosts; what one does not answer goes to the next, unchanged."""

    urls: list[str]
    accepted: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    repeated: int = 0

    def run(self) -> None:
        asyncio.run(self._all())

    async def _all(self) -> None:
        account = Account(backlog.HEADEND, backlog.SECRET)
        async with parts.platforms(self.urls, account) as platforms:
            meters = iter(range(1, REPORTED_METERS + 1))
            await asyncio.gather(*(self._some(meters, cycle(platforms)) for _ in range(4)))

    async def _some(self, meters: Any, platforms: Any) -> None:
        """One meter after another, the reports of each in order: the next once this one is answered."""
        for meter in meters:
            for turn in range(1, REPORTS_PER_METER + 1):
                await self._report(meter, turn, platforms)
                await asyncio.sleep(0.1)

    async def _report(self, meter: int, turn: int, platforms: Any) -> None:
        serial_no = new_serial()
        body = orjson.dumps(_message(meter, turn, serial_no))
        for tries, platform in enumerate(platforms):
            answer = await platform.post("2001", body)
            if not answer.worth_retrying or tries > 30:
                break
            self.repeated += 1
        if answer.accepted:
            self.accepted.add(serial_no)
        else:
            self.refused.append(f"{meter}: {answer.problem}")


def cut_one_host(stage: Scene, *, waiting: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Readings come in through two web hosts, and three senders work on what is `waiting`, when host b goes dark."""
    stage.forget()
    with ExitStack() as stack:
        for name in WEB:
            stack.enter_context(stage.made.running(f"web-{name}", parts.web(stage.hosts[name])))
        stack.enter_context(stage.senders(NAMES))
        for name in WEB:
            url = web_url(stage, name)
            stage.made.wait_until(partial(parts.is_up, url), seconds=60, what=f"web {name}")
        backlog.enqueue(messages=waiting, meters=METERS)
        reports = Reports([web_url(stage, name) for name in WEB])
        begin, dark, again, done = _play(stage, reports, say)
    return verdict(stage, reports, waiting=waiting, moments=(begin, dark, again, done))


def _play(stage: Scene, reports: Reports, say: Callable[[str], None]) -> tuple[float, float, float, float]:
    reporting = threading.Thread(target=reports.run)
    stage.made.wait_until(lambda: stage.ask_cis("/count") > 0, seconds=60, what="the first message")
    begin = time.time()
    reporting.start()
    time.sleep(BEFORE_SECONDS)
    say(f"  host {CUT} is cut off")
    stage.hosts[CUT].cut_off()
    dark = time.time()
    time.sleep(CUT_SECONDS)
    say(f"  host {CUT} is back; {stage.pending()} messages wait")
    stage.hosts[CUT].connect()
    again = time.time()
    reporting.join()
    stage.made.wait_until(lambda: stage.pending() == 0, seconds=180, what="an empty outbox after the cut")
    return begin, dark, again, time.time()


def web_url(stage: Scene, name: str) -> str:
    return f"http://{stage.hosts[name].address}:{parts.WEB_PORT}"


def verdict(
    stage: Scene, reports: Reports, *, waiting: int, moments: tuple[float, float, float, float]
) -> dict[str, Any]:
    """Raises when something was lost, disordered or repeated without need; else the facts."""
    begin, dark, again, done = moments
    arrivals = stage.ask_cis("/arrivals")
    owed = {row[0] for row in stage.connection.execute("SELECT serial_no FROM protocol_outboundmessage")}
    undelivered = _number(stage, "SELECT count(*) FROM protocol_outboundmessage WHERE state <> 'delivered'")
    times = Counter(arrival[0] for arrival in arrivals)
    again_sent = [serial for serial, count in times.items() if count > 1]
    repeated = repeated_by_others(arrivals, again_sent, cut_address=stage.hosts[CUT].address)
    troubles = {
        "reports not accepted": len(reports.refused),
        "reports accepted but not owed to the CIS": len(reports.accepted) + waiting - len(owed),
        "owed but never arrived": len(owed - set(times)),
        "arrived but not owed": len(set(times) - owed),
        "not recorded as delivered": undelivered,
        "meters out of order": len(out_of_order(arrivals)),
        "sent again though the cut host never had them": len(repeated),
    }
    if any(troubles.values()):
        raise RuntimeError(f"the cut did harm: {troubles}; {reports.refused[:3]}")
    others = [arrival[4] for arrival in arrivals if arrival[3] != stage.hosts[CUT].address]
    return {
        "messages owed to the CIS": len(owed),
        "of them readings reported meanwhile through two web hosts": len(reports.accepted),
        "reports repeated by the head-end at the other web host": reports.repeated,
        "lost": 0,
        "out of order": 0,
        "sent twice, with the same serial, all of them in the cut host's hands": len(again_sent),
        "per second by the two other hosts, in the 5 s before": _rate(others, dark - WINDOW_SECONDS),
        "per second by the two other hosts, in the 5 s after": _rate(others, dark + 1),
        "seconds from the cut until all was delivered": round(done - dark, 1),
        "seconds from the cut until the last first arrival": round(_last_first(arrivals) - dark, 1),
        "seconds that the host was dark": round(again - dark, 1),
        "seconds before the cut": round(dark - begin, 1),
    }


def _number(stage: Scene, query: str) -> int:
    row = stage.connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def repeated_by_others(arrivals: Sequence[Any], serials: Sequence[str], *, cut_address: str) -> list[str]:
    """Serials that came more than once although none of their arrivals was from the cut host."""
    callers: dict[str, set[str]] = {serial: set() for serial in serials}
    for serial, _, _, caller, _ in arrivals:
        if serial in callers:
            callers[serial].add(caller)
    return [serial for serial, seen in callers.items() if cut_address not in seen]


def _rate(times: Sequence[float], begin: float) -> int:
    return round(sum(begin <= moment < begin + WINDOW_SECONDS for moment in times) / WINDOW_SECONDS)


def _last_first(arrivals: Sequence[Any]) -> float:
    firsts: dict[str, float] = {}
    for serial, _, _, _, moment in arrivals:
        firsts.setdefault(serial, moment)
    return max(firsts.values())


def _message(meter: int, turn: int, serial_no: str) -> dict[str, str]:
    """The readNum counts on from what the backlog tells of the same meter."""
    moment = timezone.localtime(timezone.now()) - timedelta(minutes=REPORTS_PER_METER - turn)
    return {
        **backlog.body(meter, 1_000 + turn),
        "serialNo": serial_no,
        "readDate": moment.strftime("%Y%m%d"),
        "readTime": moment.strftime("%H%M%S"),
        "semaphore": "80%",
        "sdateTime": moment.strftime("%Y-%m-%d"),
    }
