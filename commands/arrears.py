"""Closing the valves of meters in arrears after a settlement (billing model 3, R11)."""

from datetime import datetime

from django.utils import timezone

from commands.kinds import VALVE_CODES
from commands.models import WAITING, Command, CommandKind, CommandState, Origin
from commands.queue import ask_valve
from meters.accounts import lock_account
from meters.finding import MeterUnknown
from meters.models import Account, Meter, ValveState
from protocol.transactions import atomically

# Of the meters in arrears, those that are not closed for it already (queued, sent or done), and for whose valve nobody
# has asked anything today: one try a day, and what a CIS or staff have decided today stands.
_WITHOUT_CLOSING = """
    SELECT a.meter_id FROM meters_account a
    WHERE a.in_arrears AND a.closes_on IS NULL
        AND NOT EXISTS (
            SELECT 1 FROM commands_command
            WHERE meter_id = a.meter_id AND kind = %(valve)s AND queued_at >= %(today)s)
        AND NOT EXISTS (
            SELECT 1 FROM (
                SELECT origin, payload ->> 'valveSet' AS wish FROM commands_command
                WHERE meter_id = a.meter_id AND kind = %(valve)s AND state = ANY(%(standing)s)
                ORDER BY id DESC LIMIT 1) last
            WHERE last.origin = %(arrears)s AND last.wish = %(closed)s)
    ORDER BY a.meter_id
"""


def close_in_arrears(*, now: datetime) -> int:
    """Make a close command for every meter in arrears that has none; returns how many were made."""
    parameters = {
        "valve": CommandKind.VALVE.value,
        "arrears": Origin.ARREARS.value,
        "closed": VALVE_CODES[ValveState.CLOSED],
        "standing": [state.value for state in (*WAITING, CommandState.SUCCEEDED)],
        "today": timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0),
    }
    due = Account.objects.raw(_WITHOUT_CLOSING, parameters)
    return sum(_close(account.pk, now=now) for account in due.iterator())


@atomically
def _close(meter_id: int, *, now: datetime) -> bool:
    """Close one, unless it has been paid for or has ended while others were closed."""
    try:
        account = lock_account(Meter(pk=meter_id))
    except MeterUnknown:
        return False
    if not account.in_arrears:
        return False
    return ask_valve(account.meter, ValveState.CLOSED, origin=Origin.ARREARS, ordinary=True, now=now) is not None


def expected_valve(meter: Meter) -> ValveState | None:
    """What the last successful valve command left behind; None when there was none or another is under way."""
    last = Command.objects.filter(meter=meter, kind=CommandKind.VALVE).order_by("-pk").first()
    if last is None or last.state != CommandState.SUCCEEDED:
        return None
    return ValveState.OPEN if last.payload["valveSet"] == "0" else ValveState.CLOSED
