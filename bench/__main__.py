"""``make bench``: the service and a yardstick in one run, printed as a ratio.

A flow is a whole verification: a send, its message handed over to the
simulator, and the check of its code, with unique numbers and everything durable.
Two requests of a bare ASGI endpoint on the same server count as one flow.
"""

import argparse
import os

import uvloop

from bench.flows import Flows, Result, bare_requests
from bench.servers import LOAD_CORE, bare, kaskad


async def measure(connections: int, seconds: float) -> tuple[Result, Result]:
    with bare() as target:
        await bare_requests(target, connections, seconds / 4)
        yardstick = await bare_requests(target, connections, seconds)
    with kaskad() as target:
        await Flows(target).run(connections, seconds / 4)
        flows = await Flows(target, start=100_000_000).run(connections, seconds)
    return yardstick, flows


def report(yardstick: Result, flows: Result) -> None:
    bare_flows = yardstick.rate / 2
    print(f"yardstick        {yardstick.rate:10,.0f} requests/s = {bare_flows:,.0f} flows/s")
    print(f"  CPU            {yardstick.cpu_us:10.1f} us a request")
    print(f"flows            {flows.rate:10,.0f} flows/s ({flows.early} checks came too early)")
    print(f"  CPU            {flows.cpu_us:10.1f} us a flow")
    for kind in ("send", "check"):
        p50, p99 = flows.percentile(kind, 0.5), flows.percentile(kind, 0.99)
        print(f"  {kind:<14} {p50:10.2f} ms p50 {p99:8.2f} ms p99")
    print(f"  memory         {flows.memory_bytes / 2**20:10.1f} MiB")
    print(f"ratio            {flows.rate / bare_flows:10.3f}")
    print(f"ratio by CPU     {2 * yardstick.cpu_us / flows.cpu_us:10.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    report(*uvloop.run(measure(options.connections, options.seconds)))


if __name__ == "__main__":
    main()
