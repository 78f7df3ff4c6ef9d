import asyncio
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from simulator.client import Account, open_platform
from simulator.fleet import fleet
from simulator.headend import HeadEnd
from simulator.headend_plan import HeadEndPlan, HeadEndStatus
from simulator.options import account_of, add_common_options, fraction, pause, per_second, seconds, whole
from simulator.orders import OrderDesk
from simulator.serving import run_until, serve_status, served, stop_on_signals

SECRET_NAME = "HEADEND_APP_SECRET"  # noqa: S105  (the name of a variable)
_MISHAPS = (
    ("sleep", "meters that sleep, and execute commands only at their next report"),
    ("refuse", "commands that are refused"),
    ("fail", "commands that fail when they are executed (excuteState 2)"),
    ("lose", "commands that are executed but get no answer (half of these) or a late result (the others)"),
)


class Command(BaseCommand):
    help = (
        "Simulates a manufacturer's head-end with virtual gas meters: reports (2001) what each meter missed during the "
        "past days, then its register over and over until it is stopped. Nothing is lost: a report that fails is sent "
        "again with the same serial. Takes the platform's commands and other orders (1001 to 1009), executes each "
        "command once and reports its result (2002). "
        f"The appSecret is read from the environment variable {SECRET_NAME}. "
        "GET /status on the listening address answers the counters, GET /executions what each meter did."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        add_common_options(parser, listen="127.0.0.1:8102", secret_name=SECRET_NAME)
        _add_pace_options(parser)
        _add_disturbance_options(parser)
        _add_command_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        account = account_of(options["app_code"], secret_name=SECRET_NAME)
        # The fleet of a large plan takes seconds to make: before the loop, where signals end the process at once.
        plan = _plan(options)
        asyncio.run(self._serve(account, plan, options))

    async def _serve(self, account: Account, plan: HeadEndPlan, options: dict[str, Any]) -> None:
        stop = stop_on_signals()
        async with open_platform(url=options["platform"], account=account, clock=timezone.now) as platform:
            headend = HeadEnd(plan=plan, platform=platform, clock=timezone.now)
            app = _order_desk(account, headend).application()
            serve_status(app, headend.snapshot)
            async with served(app, listen=options["listen"]) as address:
                self._say(f"Head-end simulator: listening on http://{address}, platform {options['platform']}")
                await run_until(stop, headend.run())
        self._say(_summary(headend.snapshot()))

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _add_pace_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--interval",
        default=10.0,
        type=seconds,
        metavar="SECONDS",
        help="time between two live reports of one meter, the meters spread evenly over it (default %(default)s)",
    )
    parser.add_argument(
        "--rate",
        type=per_second,
        metavar="MSGS_PER_SECOND",
        help="live reports per second of all meters together, instead of --interval; above one per meter and second "
        "a meter repeats itself under new serials",
    )
    parser.add_argument(
        "--count",
        type=whole(low=0, high=1_000_000_000),
        metavar="N",
        help="exit after N live reports are settled; the backfill is not counted, 0 means only that (default: no end)",
    )
    parser.add_argument(
        "--concurrency",
        default=8,
        type=whole(low=1, high=1_000),
        metavar="N",
        help="messages under way at once (default %(default)s)",
    )


def _add_disturbance_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--duplicate-rate",
        default=0.0,
        type=fraction,
        metavar="0..1",
        help="share of live reports and of results (2002) that are sent twice, with the same serial "
        "(default %(default)s)",
    )
    parser.add_argument(
        "--gap-rate",
        default=0.0,
        type=fraction,
        metavar="0..1",
        help="share of live reports that a meter leaves out (default %(default)s)",
    )
    parser.add_argument(
        "--alarm-rate",
        default=0.0,
        type=fraction,
        metavar="0..1",
        help="share of live reports that an alarm (2003) comes with (default %(default)s)",
    )


def _add_command_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--execute-delay",
        default=2.0,
        type=pause,
        metavar="SECONDS",
        help="time between a command and its execution (default %(default)s)",
    )
    for name, what in _MISHAPS:
        parser.add_argument(
            f"--{name}-rate", default=0.0, type=fraction, metavar="0..1", help=f"share of {what} (default %(default)s)"
        )


def _order_desk(account: Account, headend: HeadEnd) -> OrderDesk:
    return OrderDesk(
        account=account, plan=headend.plan, clock=headend.clock, status=headend.status, meters=headend.meters
    )


def _plan(options: dict[str, Any]) -> HeadEndPlan:
    return HeadEndPlan(
        company=options["company"],
        factor=options["factor"],
        meters=fleet(seed=options["seed"], factor=options["factor"], meters=options["meters"]),
        days=options["days"],
        seed=options["seed"],
        rate=options["rate"] or options["meters"] / options["interval"],
        count=options["count"],
        duplicate_rate=options["duplicate_rate"],
        gap_rate=options["gap_rate"],
        alarm_rate=options["alarm_rate"],
        execute_delay=options["execute_delay"],
        **{f"{name}_rate": options[f"{name}_rate"] for name, _ in _MISHAPS},
        concurrency=options["concurrency"],
    )


def _summary(status: HeadEndStatus) -> str:
    return (
        f"Head-end simulator: {status.meters} meters, {status.sent} reports sent, {status.accepted} accepted, "
        f"{status.refused} refused, {status.retried} retried, backfilled: {'yes' if status.backfilled else 'no'}; "
        f"{status.commands} commands, {status.executed} executed, {status.repeated} repeated, "
        f"{status.results} results, {status.alarms} alarms"
    )
