"""The API as its own description promises it, to callers that make requests out of that alone."""

from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import Flaky
from schemathesis.generation.stateful import APIStateMachine

from tests.acceptance.harness import BASE, CONFIG, WIDGET, Kaskad

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300), pytest.mark.untraced]

QUICK = CONFIG.replace("long_poll_timeout = 5", "long_poll_timeout = 1").replace(
    "{limits}",
    'allowed_origins = ["https://shop.example"]\nlimits = {{ per_ip_per_minute = 100 }}',
)
SEEDS = range(4)
SOAKING = range(100, 120)
STEPS = 10
AT_A_TIME = 10
# What a schema cannot say is no promise of it: whether a number exists, whether the attempts last.
UNSUITABLE = ("positive_data_acceptance", "use_after_free", "ensure_resource_availability")
# Every call here carries the token; what happens without it is tested call by call elsewhere.
TESTED_ELSEWHERE = ("ignored_auth",)

REFUSALS = [400, 401, 403, 404, 405, 409, 413, 429]

Case = schemathesis.Case[Any]


class Run:
    """One server, and what was asked of it."""

    def __init__(self, kaskad: Kaskad) -> None:
        self.kaskad = kaskad
        self.cases: Counter[tuple[str, int]] = Counter()
        self.broken: list[BaseException] = []
        self.sessions: list[tuple[str, str]] = []
        checks: dict[str, dict[str, object]] = {
            name: {"enabled": False} for name in (*UNSUITABLE, *TESTED_ELSEWHERE)
        }
        checks["negative_data_rejection"] = {"expected-statuses": REFUSALS}
        config = {"headers": kaskad.headers, "max-stream-events": 1, "checks": checks}
        self.schema = schemathesis.openapi.from_url(
            kaskad.url + "/openapi.json", config=schemathesis.Config.from_dict(config)
        )

    @property
    def count(self) -> int:
        return sum(self.cases.values())

    def machine(self) -> type[APIStateMachine]:
        run = self

        class Machine(self.schema.as_state_machine()):  # type: ignore[misc]  # made at run time
            def before_call(self, case: Case) -> None:
                run.steer(case)

            def validate_response(self, *given: Any, **more: Any) -> None:
                try:
                    super().validate_response(*given, **more)
                except BaseException as broken:
                    run.broken.append(broken)
                    raise

            def get_call_kwargs(self, case: Case) -> dict[str, Any]:
                return {"timeout": 10}

            def after_call(self, response: schemathesis.Response, case: Case) -> None:
                super().after_call(response, case)
                path = case.operation.path.removeprefix(BASE)
                run.cases[f"{case.method} {path}", response.status_code] += 1
                if path in {"/", "/sdk/"} and response.status_code == 201:
                    sent = response.json()
                    run.sessions.append((sent["requestId"], sent["recipient"]))

        return Machine

    def steer(self, case: Case) -> None:
        """Make most well-formed calls name what exists: else all goes wrong early."""
        if case.meta is None or not case.meta.generation.mode.is_positive:
            return
        self.steer_to_a_session(case)
        match case.operation.definition.raw["operationId"]:
            case "send" | "pageSend" if self.count % 4:
                case.body = {"widgetId": WIDGET, "recipient": f"+7900{1_000_000 + self.count}"}
            case "getWidget" | "pageGetWidget" if self.count % 2:
                case.path_parameters = {"widgetId": WIDGET}
            case "checkCode" | "pageCheckCode" if self.count % 3 == 0:
                case.body = {"code": self.code(case.path_parameters["requestId"])}

    def steer_to_a_session(self, case: Case) -> None:
        known = dict(self.sessions[-3:])
        wanted = case.path_parameters.get("requestId")
        if wanted is None or wanted in dict(self.sessions) or not known or self.count % 4 == 0:
            return
        request_id, number = list(known.items())[self.count % len(known)]
        case.path_parameters = {"requestId": request_id}
        if "recipient" in case.query:
            case.query = {**case.query, "recipient": number}

    def code(self, request_id: str) -> str:
        found = [m["code"] for m in self.kaskad.messages() if m["requestId"] == request_id]
        return str(found[-1]) if found else "000000"

    def until(self, cases: int, seed: int) -> None:
        """Ask so many things, in sequences along the links."""
        phases = [Phase.generate]
        how = settings(
            max_examples=AT_A_TIME,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        )
        machine = self.machine()
        while self.count < cases:
            hypothesis.seed(seed * 10_000 + self.count)(machine)
            try:
                machine.run(settings=how)
            except Flaky:  # a server that remembers does not answer twice the same
                if self.broken:
                    raise self.broken[0] from None


def explore(folder: Path, cases: int, seed: int) -> None:
    with Kaskad(folder, config=QUICK) as kaskad:
        run = Run(kaskad)
        run.until(cases, seed)
        for call, count in sorted(run.cases.items()):
            print(*call, count)
        print("cases:", run.count)
        assert not any(status >= 500 for _, status in run.cases)
        assert {status for _, status in run.cases} >= {200, 201, 400, 404}
        assert '"unforeseen"' not in kaskad.log()


@pytest.mark.parametrize("seed", SEEDS)
def test_no_sequence_of_calls_breaks_a_promise(tmp_path: Path, seed: int) -> None:
    explore(tmp_path, 260, seed)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", SOAKING)
def test_no_long_sequence_of_calls_breaks_a_promise(tmp_path: Path, seed: int) -> None:
    explore(tmp_path, 5_000, seed)
