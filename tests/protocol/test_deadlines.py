"""Time-outs of what is sent: whole tries, silence in the middle of an answer, and many tasks with a deadline each."""

import asyncio
import socketserver
import threading
from contextlib import contextmanager

import pytest
from django.utils import timezone

from protocol.deadlines import Deadlines
from protocol.delivery import deliver_due
from protocol.models import DeliveryState, OutboundAttempt, OutboundMessage
from protocol.outbox import enqueue

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


@contextmanager
def answering(*, forever):
    """A server that begins an answer, and then falls silent, or (`forever`) sends one byte after another."""
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(65536)
            self.request.sendall(HEAD)
            try:
                while not over.wait(0.02):
                    if forever:
                        self.request.sendall(b"x")
            except OSError:
                pass

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("forever", "limits"),
    [
        (False, {"OUTBOX_READ_TIMEOUT_SECONDS": 0.2}),
        (True, {"OUTBOX_READ_TIMEOUT_SECONDS": 10.0, "OUTBOX_TOTAL_TIMEOUT_SECONDS": 0.4}),
    ],
    ids=["silence", "in all"],
)
def test_an_answer_that_does_not_end_is_given_up(world, settings, forever, limits):
    for name, value in limits.items():
        setattr(settings, name, value)
    with answering(forever=forever) as url:
        world.cis_peer.url = url
        world.cis_peer.save()
        now = timezone.now()
        enqueue(peer=world.cis_peer, company_id=world.company.pk, code="2003", lane=1, body={}, now=now)
        assert deliver_due() == 1
    attempt = OutboundAttempt.objects.get()
    assert (attempt.error, attempt.http_status, attempt.answer) == ("TimeoutError", None, "")
    assert OutboundMessage.objects.get().state == DeliveryState.PENDING


async def waiting(deadlines, *, seconds):
    """How a task ended that waits for something that never comes."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    deadlines.set(task, loop.time() + seconds)
    try:
        await loop.create_future()
    except asyncio.CancelledError:
        if not deadlines.is_over(task):
            raise
        return "over"
    finally:
        deadlines.clear(task)


def test_each_task_is_ended_at_its_own_deadline():
    async def run():
        deadlines = Deadlines()
        later = asyncio.create_task(waiting(deadlines, seconds=60))
        soon = [asyncio.create_task(waiting(deadlines, seconds=0.01)) for _ in range(3)]
        assert await asyncio.gather(*soon) == ["over"] * 3
        assert [task.cancelling() for task in soon] == [0] * 3
        assert not later.done()
        later.cancel()
        with pytest.raises(asyncio.CancelledError):
            await later

    asyncio.run(run())


def test_what_others_cancel_as_well_stays_cancelled():
    async def run():
        deadlines = Deadlines()
        task = asyncio.create_task(waiting(deadlines, seconds=0))
        while not task.cancelling():
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_what_ended_in_time_is_left_alone():
    async def run():
        deadlines = Deadlines()
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        deadlines.set(task, loop.time())
        deadlines.clear(task)
        assert await waiting(deadlines, seconds=0.01) == "over"
        assert task.cancelling() == 0

    asyncio.run(run())
