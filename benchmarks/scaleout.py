"""More senders on more hosts against a CIS that takes 200 ms; then one host is cut off in the middle.

Hosts are network namespaces on a bridge of this machine (root needed), so they share its cores: the figures show how
the work is divided, not what real hosts would reach.
"""

from collections import Counter
from collections.abc import Sequence

from benchmarks import backlog, machine
from benchmarks.cutting import cut_one_host
from benchmarks.frame import Contender, Goal, Role, Run, Sample, Section
from benchmarks.hosts.cluster import cluster, why_no_broker
from benchmarks.hosts.network import network, why_not
from benchmarks.hosts.scene import DELAY_SECONDS, METERS, Scene, out_of_order, scene

SENDERS = ("a", "b", "c", "d")
# A sender alone could fill the two cores that all hosts share here; bounded, what is measured is how the work divides.
REQUESTS_AT_ONCE = 64
HOSTS = [*SENDERS, "cis", "control"]


def measure(run: Run) -> None:
    if reason := why_not() or why_no_broker():
        run.leave_out("scale-out over hosts", why=reason)
        return
    with network(HOSTS) as hosts, cluster() as (made, url):
        run.machine |= machine.server(url)
        with scene(made, hosts, url) as stage:
            throughput(run, stage)
            run.observe("One host of three cut off", cut_one_host(stage, waiting=run.size, say=run.say))


def throughput(run: Run, stage: Scene) -> None:
    def contender(count: int) -> Contender:
        return Contender(
            name=f"{count} sender{'s' * (count > 1)}",
            role=Role.PROJECT,
            before=lambda: stage.forget(),
            work=lambda: rate_of(stage, SENDERS[:count], messages=run.size),
            check=lambda: check_all_arrived(stage, messages=run.size),
        )

    run.compare(
        f"Messages per second to a CIS that answers after {DELAY_SECONDS * 1000:.0f} ms,"
        f" {REQUESTS_AT_ONCE} requests at once per sender",
        [contender(1), contender(2), contender(4)],
        unit="per second",
        goals=[
            Goal(of="2 senders", against="1 sender", at_least=1.8),
            Goal(of="4 senders", against="1 sender", at_least=3),
        ],
    )


def rate_of(stage: Scene, names: Sequence[str], *, messages: int) -> Sample:
    """Messages per second between the first tenth and the last: starting and running dry do not count."""
    with stage.senders(names, OUTBOX_CONCURRENCY=str(REQUESTS_AT_ONCE)):
        backlog.enqueue(messages=messages, meters=METERS)
        stage.made.wait_until(lambda: stage.pending() == 0, seconds=300, what="an empty outbox")
    times = sorted(arrival[4] for arrival in stage.ask_cis("/arrivals"))
    first, last = times[len(times) // 10], times[len(times) * 9 // 10]
    return Sample((len(times) * 9 // 10 - len(times) // 10) / (last - first))


def check_all_arrived(stage: Scene, *, messages: int) -> None:
    """Every message once, and those of one meter in their order."""
    arrivals = stage.ask_cis("/arrivals")
    serials = Counter(serial for serial, *_ in arrivals)
    if len(serials) != messages or max(serials.values()) > 1:
        raise RuntimeError(
            f"{len(serials)} of {messages} messages arrived, the most often {max(serials.values())} times"
        )
    if disordered := out_of_order(arrivals):
        raise RuntimeError(f"out of order: meters {disordered[:5]}")


SECTION = Section(
    letter="H",
    name="scaleout",
    title="Scale-out: senders on several hosts, one cut off",
    counted="messages",
    full=8_000,
    quick=2_000,
    measure=measure,
    own_server=True,
)
