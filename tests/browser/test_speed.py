"""How quick it feels, measured in the browser on the demo's own page.

The figures are printed; the long form holds them to what is promised, on a machine of its own.
In the suite a few runs show that nothing has become slow by an order of magnitude.
"""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.acceptance.crowd import allowed
from tests.browser.stage import widget_id
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.untraced]

WANTED_S = 0.15
RUNS = [4, pytest.param(40, marks=pytest.mark.soak)]

# From the person's press to the frame in which the form shows the step.
WATCH = """([part, step]) => {
  const form = document.querySelector("kaskad-otp");
  const card = form.shadowRoot.querySelector("[part~=card]");
  const seen = () => card.dataset.step === step ||
    (step === "code" && card.dataset.step === "waiting" &&
      form.shadowRoot.querySelector("[part~=code-input]")?.checkVisibility());
  let began = 0;
  addEventListener("click", (event) => {
    if (event.composedPath().some((each) => each.matches?.(part))) began = event.timeStamp;
  }, { capture: true });
  window.took = new Promise((done) => {
    const look = () => {
      if (!began || !seen()) return;
      watcher.disconnect();
      requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
    };
    const watcher = new MutationObserver(look);
    watcher.observe(card, { attributes: true, childList: true, subtree: true });
  });
}"""


def p95(samples: list[float]) -> float:
    return sorted(samples)[max(0, round(len(samples) * 0.95) - 1)]


def hold(what: str, samples: list[float]) -> None:
    median = sorted(samples)[len(samples) // 2]
    print(f"{what}: median {median:.0f} ms, p95 {p95(samples):.0f} ms, {len(samples)} runs")
    # One of a few may be held up by whatever else the machine does.
    worst = p95(samples) if len(samples) >= 20 else median
    assert worst <= 1000 * allowed(WANTED_S)


def measured(visitor: Visitor, part: str, step: str, act: Callable[[], None]) -> float:
    visitor.page.evaluate(WATCH, [part, step])
    act()
    took: float = visitor.page.evaluate("window.took")
    return took


def open_demo(visitor: Visitor, widget: str) -> str:
    """The demo's page with a widget chosen; a number that is typed in already."""
    # While anything is intercepted, every call of the page takes a way through this process.
    visitor.page.unroute_all()
    visitor.page.goto(visitor.stage.url + "/")
    visitor.page.locator(f"#widgets input[value='{widget_id(widget)}']").check(force=True)
    visitor.at("phone")
    number = visitor.stage.number()
    visitor.part("phone-input").fill(number)
    return number


@pytest.mark.parametrize("runs", RUNS)
def test_the_code_field_is_drawn_soon_after_the_send(visitor: Visitor, runs: int) -> None:
    samples = []
    for _ in range(runs):
        open_demo(visitor, "sms")
        press = visitor.part("submit").click
        samples.append(measured(visitor, "[part~=submit]", "code", press))
        visitor.part("change").click()
        visitor.at("phone")
    hold("send -> code field", samples)


@pytest.mark.parametrize("runs", RUNS)
def test_a_confirmed_push_shows_soon(visitor: Visitor, runs: int) -> None:
    samples = []
    for _ in range(runs):
        open_demo(visitor, "sim_push")
        visitor.part("submit").click()
        visitor.at("codeless")
        confirm = visitor.page.locator("kaskad-phone [data-action=confirm]").last
        expect(confirm).to_be_visible()
        samples.append(measured(visitor, "[data-action=confirm]", "verified", confirm.click))
        # Before the back end has asked, a page that is loaded again shows the verdict again.
        expect(visitor.page.get_by_test_id("backend-result").locator("li")).to_have_count(1)
    hold("Confirm -> verified", samples)
