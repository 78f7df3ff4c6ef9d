"""Recording what came of many tries at once (R15): attempts, verdicts, and the answers for those who asked.

Messages whose answers nobody reads are recorded together, so are those whose reader takes many; each other message has
a transaction of its own with its reader. If a group fails, its members are recorded one by one: a reader that breaks on
one answer costs the others nothing, and its own message counts as not delivered and is tried again.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.utils.module_loading import import_string

from protocol.models import DeliveryState, OutboundMessage
from protocol.outbox import Answered, BatchAnswerReader, Ended, answer_reader
from protocol.sending import Outcome
from protocol.transactions import atomically
from protocol.verdicts import Verdict, is_dead, judge

logger = logging.getLogger(__name__)

# Rows travel as one JSON text, which both sides read much faster than arrays of texts.
# A sender whose lease ran out may report late: what another has finished stays finished. The range spares the planner
# all partitions but one or two.
_RECORD = """
    WITH done AS MATERIALIZED (
        SELECT * FROM json_to_recordset(%(rows)s::json) AS done(id bigint, created_at timestamptz, state text,
            tries int, started_at timestamptz, duration_ms int, http_status smallint, echo_code text, answer text,
            error text)
    ), attempted AS (
        INSERT INTO protocol_outboundattempt
            (message_id, message_created_at, attempted_at, duration_ms, http_status, echo_code, answer, error)
        SELECT id, created_at, started_at, duration_ms, http_status,
            left(echo_code, 16), left(answer, 1000), left(error, 200)
        FROM done
    )
    UPDATE protocol_outboundmessage m
    SET state = done.state, tries = done.tries, answer = done.answer, claimed_at = done.started_at,
        finished_at = CASE WHEN done.state <> 'pending' THEN %(now)s::timestamptz END,
        stuck_at = CASE WHEN done.state IN ('rejected', 'dead') THEN %(now)s::timestamptz END
    FROM done
    WHERE m.id = done.id AND m.created_at = done.created_at AND m.state = 'pending'
      AND m.created_at BETWEEN %(first)s AND %(last)s
    RETURNING m.id
"""
# In the order of the model's fields.
_READ_FIELDS = ("id", "peer_id", "code", "lane", "body", "state", "once_only", "tries", "answer", "created_at")


class Result(NamedTuple):
    """An outcome, what it means, and the state its message gets by it."""

    outcome: Outcome
    verdict: Verdict
    state: DeliveryState

    @property
    def tries(self) -> int:
        return self.outcome.mail.tries + 1


def result_of(outcome: Outcome) -> Result:
    verdict = judge(outcome)
    state = verdict.state
    if state == DeliveryState.PENDING and is_dead(tries=outcome.mail.tries + 1):
        state = DeliveryState.DEAD
    return Result(outcome, verdict, state)


def record(results: Sequence[Result], *, now: datetime) -> list[Result]:
    """Record each of these; returns them as they were recorded, with other states where a reader failed."""
    recorded: list[Result] = []
    for group in _groups(results):
        recorded += _record_group(group, now=now)
    return recorded


def _groups(results: Iterable[Result]) -> list[list[Result]]:
    """In order of time within each message: two tries of one message never share a statement."""
    unread, by_reader, alone = [], defaultdict(list), []
    # Asked once: looking at Django's settings costs more than all the rest here.
    read, read_together = settings.OUTBOX_ANSWER_READERS, settings.OUTBOX_BATCH_ANSWER_READERS
    for result in results:
        code = result.outcome.mail.code
        if result.state == DeliveryState.PENDING or not read.get(code):
            unread.append(result)
        elif code in read_together:
            by_reader[code].append(result)
        else:
            alone.append([result])
    return [group for group in (unread, *by_reader.values(), *alone) if group]


def _record_group(group: list[Result], *, now: datetime) -> list[Result]:
    try:
        _write(group, now=now)
    except (OperationalError, InterfaceError):
        if not connection.is_usable():
            raise
        return _one_by_one(group, now=now)
    except Exception:
        if len(group) == 1:
            return [_reader_failed(group[0], now=now)]
        return _one_by_one(group, now=now)
    return group


def _one_by_one(group: list[Result], *, now: datetime) -> list[Result]:
    recorded = []
    for result in group:
        try:
            _write([result], now=now, together=False)
            recorded.append(result)
        except InterfaceError:
            raise
        except Exception:
            recorded.append(_reader_failed(result, now=now))
    return recorded


def _reader_failed(result: Result, *, now: datetime) -> Result:
    """Its answer could not be read here: the peer will be asked again, and may answer better."""
    mail = result.outcome.mail
    logger.exception("outbound message %s: its answer could not be taken", mail.id)
    outcome = result.outcome._replace(error="AnswerNotTaken")
    state = DeliveryState.DEAD if is_dead(tries=mail.tries + 1) else DeliveryState.PENDING
    failed = Result(outcome, result.verdict._replace(state=DeliveryState.PENDING), state)
    try:
        _write([failed], now=now, read=False)
    except DatabaseError:
        logger.exception("outbound message %s: its result could not be recorded", mail.id)
    return failed


@atomically
def _write(group: Sequence[Result], *, now: datetime, read: bool = True, together: bool = True) -> None:
    moved = _write_rows(group, now=now)
    if not read:
        return
    finished = [result for result in group if result.outcome.mail.id in moved]
    _read_answers([result for result in finished if result.state != DeliveryState.PENDING], together, now=now)


def _write_rows(group: Sequence[Result], *, now: datetime) -> set[int]:
    rows = [_row(result, result.outcome) for result in group]
    moments = [result.outcome.mail.created_at for result in group]
    values: dict[str, Any] = {
        "now": now,
        "rows": orjson.dumps(rows).decode(),
        "first": min(moments),
        "last": max(moments),
    }
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, values)
        return {pk for (pk,) in cursor.fetchall()}


def _row(result: Result, outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.mail.id,
        "created_at": outcome.mail.created_at,
        "state": result.state.value,
        "tries": result.tries,
        "started_at": outcome.started_at,
        "duration_ms": outcome.duration_ms,
        "http_status": outcome.http_status,
        "echo_code": result.verdict.echo_code,
        "answer": outcome.text[:4000],
        "error": outcome.error,
    }


def _message(result: Result) -> OutboundMessage:
    """As it has just been written; what a reader hardly needs is loaded when it asks for it."""
    claimed, mail = result.outcome.claimed, result.outcome.mail
    values = (mail.id, claimed.peer_id, mail.code, claimed.lane, mail.body, result.state.value, mail.once_only)
    return OutboundMessage.from_db(
        connection.alias, _READ_FIELDS, (*values, result.tries, result.outcome.text[:4000], mail.created_at)
    )


def _ended(result: Result) -> Ended:
    mail = result.outcome.mail
    return Ended(pk=mail.id, lane=result.outcome.claimed.lane, state=result.state, created_at=mail.created_at)


def _read_answers(finished: list[Result], together: bool, *, now: datetime) -> None:
    if not finished or (reader := answer_reader(finished[0].outcome.mail.code)) is None:
        return
    many = settings.OUTBOX_BATCH_ANSWER_READERS.get(finished[0].outcome.mail.code)
    if many and together and len(finished) > 1:
        read_many: BatchAnswerReader = import_string(many)
        read_many(answers=[Answered(_ended(result), result.verdict.answer) for result in finished], now=now)
        return
    for result in finished:
        reader(message=_message(result), answer=result.verdict.answer, now=now)
