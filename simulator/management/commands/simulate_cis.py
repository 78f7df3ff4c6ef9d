import asyncio
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from simulator.callbacks import Behaviour, CallbackDesk, CisStatus
from simulator.cis import Cis, CisPlan
from simulator.client import Account, open_platform
from simulator.dispatch import Dispatch, DispatchPlan
from simulator.fleet import fleet
from simulator.options import account_of, add_common_options, fraction, per_minute, seconds, whole
from simulator.registration import DEFAULT_PRICE_CODE
from simulator.serving import run_until, serve_status, served, stop_on_signals

SECRET_NAME = "CIS_APP_SECRET"  # noqa: S105  (the name of a variable)


class Command(BaseCommand):
    help = (
        "Simulates a gas company's CIS: creates a three-tier price (1007), registers virtual meters (1001), takes the "
        "callbacks 2001, 2002 and 2003 and queries 1013, 1014 and 1015 until it is stopped; orders valve commands and "
        "recharges (1004) and cancels some (1005) when told to. "
        f"The appSecret is read from the environment variable {SECRET_NAME}. "
        "GET /status on the listening address answers the counters, GET /messages the last 200 callbacks, "
        "GET /results every excuteState (2002) by sendSerialNo."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        add_common_options(parser, listen="127.0.0.1:8101", secret_name=SECRET_NAME)
        _add_business_options(parser)
        _add_order_options(parser)
        _add_behaviour_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        account = account_of(options["app_code"], secret_name=SECRET_NAME)
        # The fleet of a large plan takes seconds to make: before the loop, where signals end the process at once.
        plan = _plan(options)
        asyncio.run(self._once(account, plan, options) if options["once"] else self._serve(account, plan, options))

    async def _once(self, account: Account, plan: CisPlan, options: dict[str, Any]) -> None:
        async with open_platform(url=options["platform"], account=account, clock=timezone.now) as platform:
            cis = Cis(plan=plan, platform=platform, clock=timezone.now, status=CisStatus())
            await cis.run_once(patience=options["wait"])
        self.stdout.write(orjson.dumps(cis.snapshot()).decode())
        if cis.failed:
            raise CommandError(cis.status.last_error or "not every meter is registered")

    async def _serve(self, account: Account, plan: CisPlan, options: dict[str, Any]) -> None:
        stop, status = stop_on_signals(), CisStatus()
        behaviour = Behaviour(
            delay_seconds=options["answer_delay"] / 1000, fail_rate=options["fail_rate"], seed=options["seed"]
        )
        app = CallbackDesk(account=account, clock=timezone.now, status=status, behaviour=behaviour).application()
        async with open_platform(url=options["platform"], account=account, clock=timezone.now) as platform:
            cis = Cis(plan=plan, platform=platform, clock=timezone.now, status=status)
            serve_status(app, cis.snapshot)
            async with served(app, listen=options["listen"]) as address:
                self._say(f"CIS simulator: listening on http://{address}, platform {options['platform']}")
                await run_until(stop, _work(cis, Dispatch(plan=_dispatch_plan(options), cis=cis)))
        self._say(_summary(cis.snapshot()))

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _add_business_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--price-code", default=DEFAULT_PRICE_CODE, help="priceCode that is created and used (default %(default)s)"
    )
    parser.add_argument(
        "--billing-model",
        default="3",
        choices=("1", "2", "3"),
        help="who settles: 1 meter, 2 CIS, 3 platform (default %(default)s)",
    )
    parser.add_argument(
        "--pay-model", default="2", choices=("1", "2"), help="1 prepaid, 2 postpaid (default %(default)s)"
    )
    parser.add_argument(
        "--interval",
        default=15.0,
        type=seconds,
        metavar="SECONDS",
        help="time between two rounds of queries (default %(default)s)",
    )


def _add_order_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--command-rate",
        default=0.0,
        type=per_minute,
        metavar="PER_MINUTE",
        help="valve commands a minute, each meter in turn: close, and open the next time (default %(default)s)",
    )
    parser.add_argument(
        "--recharge-rate",
        default=0.0,
        type=per_minute,
        metavar="PER_MINUTE",
        help="recharges a minute, each meter in turn (default %(default)s)",
    )
    parser.add_argument(
        "--cancel-rate",
        default=0.0,
        type=fraction,
        metavar="0..1",
        help="share of both that are cancelled within seconds (default %(default)s)",
    )


def _add_behaviour_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--answer-delay",
        default=0,
        type=whole(low=0, high=600_000),
        metavar="MS",
        help="milliseconds before each answer to a callback (default %(default)s)",
    )
    parser.add_argument(
        "--fail-rate",
        default=0.0,
        type=fraction,
        metavar="0..1",
        help="share of callbacks answered with HTTP 500; half of them were taken nevertheless (default %(default)s)",
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="register, query everything once, print the status as JSON and exit (1 when anything failed); no serving",
    )
    parser.add_argument(
        "--wait",
        default=60.0,
        type=seconds,
        metavar="SECONDS",
        help="with --once: how long to wait for a platform that is not up yet (default %(default)s)",
    )


def _plan(options: dict[str, Any]) -> CisPlan:
    return CisPlan(
        company=options["company"],
        factor=options["factor"],
        meters=fleet(seed=options["seed"], factor=options["factor"], meters=options["meters"]),
        days=options["days"],
        interval=options["interval"],
        price_code=options["price_code"],
        billing_model=options["billing_model"],
        pay_model=options["pay_model"],
    )


def _dispatch_plan(options: dict[str, Any]) -> DispatchPlan:
    return DispatchPlan(
        seed=options["seed"],
        command_rate=options["command_rate"],
        recharge_rate=options["recharge_rate"],
        cancel_rate=options["cancel_rate"],
    )


async def _work(cis: Cis, dispatch: Dispatch) -> None:
    await asyncio.gather(cis.run(), dispatch.run())


def _summary(status: CisStatus) -> str:
    return (
        f"CIS simulator: {status.registered} meters registered, {status.callbacks} callbacks, "
        f"{status.duplicates} duplicates, {status.bad_signatures} bad signatures, {status.queries} queries, "
        f"{status.readings_rows} readings, {status.usage_rows} usage rows, {status.errors} errors; "
        f"{status.commands} commands, {status.recharges} recharges, {status.cancellations} cancellations, "
        f"{status.results} results, {status.alarms} alarms"
    )
