"""Carries flows out: one way awaiting, one way blocking."""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from kaskad_sdk._flow import Flow, Pause, Step, unconnected
from kaskad_sdk._steps import NoAnswer, Request, Response
from kaskad_sdk._transport import AsyncTransport, Cancel, Transport

T = TypeVar("T")
Outcome = Response | NoAnswer | None

CLOSED = "the client is closed"


async def run_async(
    flow: Flow[T], transport: AsyncTransport, closed: Callable[[], bool], log: logging.Logger
) -> T:
    """The flow's result; a cancelled flow is over."""
    outcome: Outcome = None
    try:
        while True:
            step = _next(flow, outcome)
            if closed():
                raise unconnected(NoAnswer(CLOSED, sent=False))
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
                outcome = None
                continue
            try:
                outcome = await transport.exchange(step)
            except NoAnswer as lost:
                outcome = lost
            _note(log, step, outcome)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        flow.close()


def run(flow: Flow[T], transport: Transport, cancel: Cancel, log: logging.Logger) -> T:
    """The flow's result; ``cancel`` ends it with an error."""
    outcome: Outcome = None
    try:
        while True:
            step = _next(flow, outcome)
            if cancel.asked.is_set():
                raise unconnected(NoAnswer(CLOSED, sent=False))
            if isinstance(step, Pause):
                cancel.asked.wait(step.seconds)
                outcome = None
                continue
            try:
                outcome = transport.exchange(step, cancel)
            except NoAnswer as lost:
                if cancel.asked.is_set():
                    raise unconnected(lost, step) from lost  # not the flow's to judge
                outcome = lost
            _note(log, step, outcome)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        flow.close()


def _next(flow: Flow[T], outcome: Outcome) -> Step:
    return flow.throw(outcome) if isinstance(outcome, NoAnswer) else flow.send(outcome)


def _note(log: logging.Logger, request: Request, outcome: Response | NoAnswer) -> None:
    """Without the query: it names the person's number."""
    if log.isEnabledFor(logging.DEBUG):
        became = outcome if isinstance(outcome, NoAnswer) else outcome.status
        log.debug("%s %s: %s", request.method, request.url.partition("?")[0], became)
