"""``make bench``: the service and a yardstick in one run, printed as a ratio.

A flow is a whole verification: a send, its message handed over to the
simulator, and the check of its code, with unique numbers and everything durable.
Two requests of a bare ASGI endpoint on the same server count as one flow.
docs/explanation/speed.md says how to read what is printed.
"""

import argparse
import os
from collections.abc import Awaitable, Callable

import uvloop

from bench.flows import Flows, Result, bare_requests, together
from bench.parts import profile
from bench.servers import LOAD_CORE, SERVER_CORE, bare, kaskad

PACES = (1000, 2500)
ROUNDS = 5
Scenario = Callable[[argparse.Namespace], Awaitable[None]]


async def ratio(options: argparse.Namespace) -> None:
    """How many flows, how long each request, and how that compares to bare requests.

    Both servers stand, and are measured in turn: a machine has better and worse
    seconds, and both get some of either.
    """
    connections, seconds = options.connections, options.seconds / ROUNDS
    with bare() as bare_target, kaskad() as target:
        load = Flows(target)
        await bare_requests(bare_target, connections, seconds)
        await load.run(connections, seconds)
        rounds = []
        for _ in range(ROUNDS):
            one = await bare_requests(bare_target, connections, seconds)
            rounds.append((one, await load.run(connections, seconds)))
    yardstick = together(one for one, _ in rounds)
    flows = together(other for _, other in rounds)
    bare_flows = yardstick.rate / 2
    print(f"yardstick        {yardstick.rate:10,.0f} requests/s = {bare_flows:,.0f} flows/s")
    print(f"  CPU            {yardstick.cpu_us:10.1f} us a request")
    print(f"flows            {flows.rate:10,.0f} flows/s ({flows.early} checks came too early)")
    print(f"  CPU            {flows.cpu_us:10.1f} us a flow")
    _times(flows)
    print(f"  memory         {flows.memory_bytes / 2**20:10.1f} MiB")
    each = sorted(2 * one.cpu_us / other.cpu_us for one, other in rounds)
    between = f"{each[0]:.3f} to {each[-1]:.3f} in {ROUNDS} rounds"
    print(f"ratio by CPU     {2 * yardstick.cpu_us / flows.cpu_us:10.3f} ({between})")
    print(f"ratio by rate    {flows.rate / bare_flows:10.3f}")


async def pace(options: argparse.Namespace) -> None:
    """How long requests take when flows begin at a given pace."""
    with kaskad() as target:
        await Flows(target).run(options.connections, 1)
        for number, a_second in enumerate(PACES, 1):
            flows = Flows(target, start=100_000_000 * number)
            result = await flows.paced(options.connections, options.seconds, a_second)
            print(f"at {a_second:5,} flows/s  {result.rate:8,.0f} flows/s were done")
            _times(result)


async def parts(_: argparse.Namespace) -> None:
    """What a flow costs by part, but for the network."""
    os.sched_setaffinity(0, {SERVER_CORE})
    found = await profile()
    os.sched_setaffinity(0, {LOAD_CORE})
    whole = sum(part.cost_us for part in found[1:])
    print("parts, in us of CPU a flow, without network and HTTP parser")
    for part in found:
        share = "" if part is found[0] else f"{100 * part.cost_us / whole:5.0f} %"
        print(f"  {part.name:<26}{part.cost_us:8.1f}{share}")


async def live(options: argparse.Namespace) -> None:
    """What a flow costs while ever more sessions are alive."""
    with kaskad() as target:
        alive, filler = 0, Flows(target, start=500_000_000)
        for step, wanted in enumerate(_powers(options.live)):
            await filler.fill(options.connections, wanted - alive)
            alive = wanted
            flows = Flows(target, start=10_000_000 * step)
            result = await flows.run(options.connections, options.seconds)
            size = result.memory_bytes / 2**20
            print(f"{wanted:9,} live     {result.cpu_us:8.1f} us a flow {size:10,.0f} MiB")
            _times(result)


def _powers(most: int) -> list[int]:
    sizes = [1000]
    while sizes[-1] * 10 <= most:
        sizes.append(sizes[-1] * 10)
    return sizes


def _times(result: Result) -> None:
    for kind in ("send", "check"):
        p50, p99 = result.percentile(kind, 0.5), result.percentile(kind, 0.99)
        print(f"  {kind:<14} {p50:10.2f} ms p50 {p99:8.2f} ms p99")


SCENARIOS: dict[str, Scenario] = {"ratio": ratio, "pace": pace, "parts": parts, "live": live}
USUAL = ("ratio", "pace", "parts")


async def run(options: argparse.Namespace) -> None:
    for number, name in enumerate(options.scenarios or USUAL):
        print("\n" * bool(number) + f"--- {name}")
        await SCENARIOS[name](options)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "scenarios", nargs="*", choices=[*SCENARIOS, []], help=f"default: {' '.join(USUAL)}"
    )
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--live", type=int, default=1_000_000, help="sessions, for live")
    options = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    uvloop.run(run(options))


if __name__ == "__main__":
    main()
