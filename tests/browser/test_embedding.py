"""The widget in pages as customers write them: the drop-in script, several forms, plain posts."""

import re
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import expect

from tests.browser.pages import LOAD_DROP_IN, LOAD_ELEMENT, document, element, script
from tests.browser.stage import Stage, widget_id
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.untraced]

CONFIG = f'window.OTP_WIDGETS = [{{ widgetId: "{widget_id("sms")}", autofocus: true }}];'
CONTAINER = '<div id="otp-widget"></div>'
LISTEN = """
document.getElementById("otp-widget").addEventListener("code:check", (event) => {
  const { requestId, recipient, status } = event.detail[0];
  window.checked = { requestId, recipient, status, isArray: Array.isArray(event.detail) };
});
"""


def reference_page(stage: Stage, kind: str) -> str:
    """As the examples in public have it: all of another site, and no policy."""
    return f"""<!DOCTYPE html>
<html lang="ru">
<head>
  <meta charset="utf-8">
  <title>Вход</title>
  <script>
    window.OTP_WIDGETS = [
      {{
        widgetId: '{widget_id("sms")}',
        containerId: 'otp-widget',
        locale: 'ru',
        autofocus: true,
      }},
    ];
  </script>
  <script {kind} src="{stage.url}/otp-widget.umd.js"></script>
</head>
<body>
  <div id="otp-widget"></div>
  <script>
    const container = document.getElementById('otp-widget');
    container.addEventListener('code:check', (event) => {{
      const {{ requestId, recipient, status }} = event.detail[0];
      window.checked = {{ requestId, recipient, status, isArray: Array.isArray(event.detail) }};
    }});
  </script>
</body>
</html>"""


def verify(visitor: Visitor) -> str:
    """Go through the only form of a page; the number."""
    number = visitor.stage.number()
    visitor.at("phone")
    visitor.ask(number)
    visitor.at("code")
    visitor.code.press_sequentially(visitor.stage.code(number))
    visitor.is_verified(number)
    return number


def is_checked(visitor: Visitor, number: str) -> None:
    assert visitor.page.evaluate("window.checked") == {
        "requestId": visitor.stage.received(number)[-1]["requestId"],
        "recipient": number,
        "status": "success",
        "isArray": True,
    }


@pytest.mark.parametrize("kind", ["", 'type="module"', "async", "defer"])
def test_the_drop_in_script_as_the_examples_have_it(visitor: Visitor, kind: str) -> None:
    visitor.open(reference_page(visitor.stage, kind), elsewhere=True)
    visitor.at("phone")
    expect(visitor.part("phone-input")).to_be_focused()
    is_checked(visitor, verify(visitor))
    filled = visitor.page.locator("#otp-widget input[type=hidden]")
    assert filled.count() == 2
    assert all(field.input_value() for field in filled.all())


@pytest.mark.parametrize(
    "head, body",
    [
        (LOAD_DROP_IN, CONTAINER + script(LISTEN) + script(CONFIG)),
        ("", CONTAINER + script(LISTEN) + LOAD_DROP_IN + script(CONFIG)),
        (script(CONFIG), CONTAINER + script(LISTEN) + LOAD_DROP_IN),
        (
            LOAD_DROP_IN + script(CONFIG),
            script(
                'addEventListener("load", () => {'
                'document.body.insertAdjacentHTML("beforeend", `<div id="otp-widget"></div>`);'
                f"{LISTEN} }})"
            ),
        ),
        (
            script("window.OTP_WIDGETS = [];"),
            CONTAINER
            + LOAD_DROP_IN
            + script(LISTEN + f'OTP_WIDGETS.push({{ widgetId: "{widget_id("sms")}" }});'),
        ),
    ],
    ids=["config-last", "script-then-config", "config-first", "late-container", "pushed"],
)
def test_script_and_config_and_container_come_in_any_order(
    visitor: Visitor, head: str, body: str
) -> None:
    visitor.open(document(body, head=head))
    is_checked(visitor, verify(visitor))
    expect(visitor.form).to_have_count(1)


def test_two_widgets_on_a_page_know_nothing_of_each_other(visitor: Visitor) -> None:
    listed = ", ".join(
        f'{{ widgetId: "{widget_id(name)}", containerId: "{name}" }}'
        for name in ("sms", "flashcall")
    )
    boxes = (
        '<form id="one"><div id="sms"></div></form><form id="two"><div id="flashcall"></div></form>'
    )
    visitor.open(document(boxes, head=script(f"window.OTP_WIDGETS = [{listed}]") + LOAD_DROP_IN))
    numbers = {}
    for name in ("sms", "flashcall"):
        form = visitor.page.locator(f"#{name} kaskad-otp")
        numbers[name] = visitor.stage.number()
        visitor.part("phone-input", form).fill(numbers[name])
        visitor.part("submit", form).click()
    for name in ("flashcall", "sms"):
        form = visitor.page.locator(f"#{name} kaskad-otp")
        field = visitor.part("code-input", form)
        field.press_sequentially(visitor.stage.code(numbers[name]))
        expect(visitor.part("card", form)).to_have_attribute("data-step", "verified")
        filled = visitor.page.locator(f"#{name} input[name=recipient]")
        expect(filled).to_have_value(numbers[name])
    checked = [detail[0]["recipient"] for name, detail in visitor.heard if name == "code:check"]
    assert checked == [numbers["flashcall"], numbers["sms"]]


@pytest.mark.parametrize("drop_in", [False, True], ids=["elements", "script"])
def test_two_forms_of_one_widget_are_found_again_after_a_reload(
    visitor: Visitor, *, drop_in: bool
) -> None:
    body, head = f"{element('sms')}{element('sms')}", LOAD_ELEMENT
    if drop_in:
        listed = ", ".join(
            f'{{ widgetId: "{widget_id("sms")}", containerId: "{name}" }}' for name in "ab"
        )
        body = '<div id="a"></div><div id="b"></div>'
        head = script(f"window.OTP_WIDGETS = [{listed}]") + LOAD_DROP_IN
    visitor.open(document(body, head=head))
    numbers = [visitor.stage.number(), visitor.stage.number()]
    for form, number in zip(visitor.form.all(), numbers, strict=True):
        visitor.part("phone-input", form).fill(number)
        visitor.part("submit", form).click()
        expect(visitor.part("card", form)).to_have_attribute("data-step", "code")
    visitor.page.reload()
    expect(visitor.form).to_have_count(2)
    for form, number in zip(visitor.form.all(), numbers, strict=True):
        expect(visitor.part("number", form)).to_have_text(re.compile(f"{number[-2:]}$"))
        visitor.part("code-input", form).press_sequentially(visitor.stage.code(number))
        expect(visitor.part("card", form)).to_have_attribute("data-step", "verified")


def test_an_entry_without_a_widget_takes_no_container(visitor: Visitor) -> None:
    entries = f'[{{ theme: "dark" }}, null, {{ widgetId: "{widget_id("sms")}" }}]'
    visitor.open(document(CONTAINER, head=script(f"window.OTP_WIDGETS = {entries}") + LOAD_DROP_IN))
    verify(visitor)
    assert len(visitor.troubles) == 2
    assert all("OTP_WIDGETS: widgetId is missing" in each for each in visitor.troubles)
    visitor.troubles.clear()


def test_a_second_entry_for_a_container_is_refused_aloud(visitor: Visitor) -> None:
    twice = f'[{{ widgetId: "{widget_id("sms")}" }}, {{ widgetId: "{widget_id("voice")}" }}]'
    visitor.open(document(CONTAINER, head=script(f"window.OTP_WIDGETS = {twice}") + LOAD_DROP_IN))
    visitor.at("phone")
    expect(visitor.form).to_have_count(1)
    assert "#otp-widget has a widget already" in visitor.troubles.pop()


@pytest.mark.parametrize("given", ["", 'containerId: "otp-wigdet", '], ids=["default", "misspelt"])
def test_a_container_that_does_not_come_is_asked_for_aloud(visitor: Visitor, given: str) -> None:
    entry = f'{{ {given}widgetId: "{widget_id("sms")}" }}'
    name = "otp-wigdet" if given else "otp-widget"
    visitor.page.clock.install()
    visitor.open(document("", head=script(f"window.OTP_WIDGETS = [{entry}]") + LOAD_DROP_IN))
    visitor.page.wait_for_load_state()
    assert visitor.troubles == []
    with visitor.page.expect_console_message() as said:
        visitor.page.clock.run_for(3_000)
    assert said.value.type == "error"
    assert f'OTP_WIDGETS: no element of the page has id="{name}"' in said.value.text
    visitor.page.clock.run_for(60_000)
    visitor.page.evaluate(
        "(id) => document.body.append(Object.assign(document.createElement('div'), { id }))", name
    )
    visitor.at("phone")
    assert len(visitor.troubles) == 1
    visitor.troubles.clear()


def test_a_page_from_before_an_upgrade_loads_the_rest_of_it(visitor: Visitor) -> None:
    old = f"/widget/{'0' * 16}/kaskad-otp.js"
    current = visitor.page.request.get(f"{visitor.stage.url}/kaskad-otp.js").body()
    visitor.page.route(
        f"**{old}", lambda route: route.fulfill(body=current, content_type="text/javascript")
    )
    head = LOAD_ELEMENT.replace("/kaskad-otp.js", old)
    visitor.open(document(element("sms", locale="ru"), head=head))
    visitor.at("phone")
    expect(visitor.part("heading")).to_have_text("Подтвердите номер")
    expect(visitor.part("country-button")).to_be_visible()
    verify(visitor)


def posted(visitor: Visitor) -> dict[str, list[str]]:
    with visitor.page.expect_request(lambda request: request.method == "POST") as sent:
        visitor.page.get_by_role("button", name="Order").click()
    return parse_qs(sent.value.post_data or "")


HIDDEN = '<input type="hidden" name="requestId"><input type="hidden" name="recipient">'
ORDER = '<input name="item" value="7" aria-label="Item"><button>Order</button>'


@pytest.mark.parametrize(
    "field, head",
    [
        (HIDDEN + element("sms", required=True), LOAD_ELEMENT),
        (element("sms", required=True), LOAD_ELEMENT),
        (CONTAINER, LOAD_DROP_IN + script(CONFIG)),
        (HIDDEN + CONTAINER, LOAD_DROP_IN + script(CONFIG)),
    ],
    ids=["element-and-inputs", "element", "script", "script-and-inputs"],
)
def test_a_plain_form_posts_the_verdict(visitor: Visitor, field: str, head: str) -> None:
    form = f'<form method="post" action="/shop-order">{field}{ORDER}</form>'
    visitor.open(document(form, head=head))
    number = verify(visitor)
    request_id = visitor.stage.received(number)[-1]["requestId"]
    assert posted(visitor) == {"requestId": [request_id], "recipient": [number], "item": ["7"]}


def test_a_form_that_needs_the_verdict_is_not_sent_without_it(visitor: Visitor) -> None:
    form = f'<form method="post" action="/shop-order">{element("sms", required=True)}{ORDER}</form>'
    visitor.open(document(form, head=LOAD_ELEMENT))
    visitor.at("phone")
    order = visitor.page.get_by_role("button", name="Order")
    order.click()
    assert visitor.form.evaluate("(form) => form.matches(':invalid')")
    assert "POST /shop-order" not in visitor.calls
    verify(visitor)
    assert visitor.form.evaluate("(form) => form.matches(':valid')")
    posted(visitor)


def test_the_form_around_is_not_sent_by_the_widgets_own_buttons(visitor: Visitor) -> None:
    form = f'<form method="post" action="/shop-order">{element("sms")}{ORDER}</form>'
    visitor.open(document(form, head=LOAD_ELEMENT))
    visitor.at("phone")
    visitor.part("phone-input").press("Enter")
    expect(visitor.error).not_to_be_empty()
    verify(visitor)
    assert "POST /shop-order" not in visitor.calls


def test_what_is_forbidden_would_be_noticed(visitor: Visitor) -> None:
    visitor.open(document('<script>window.x = 1</script><img src="http://other.example/" alt="">'))
    visitor.page.wait_for_function("document.readyState === 'complete'")
    visitor.page.evaluate("fetch('/nowhere').catch(() => {})")
    assert any("policy violated: script-src" in each for each in visitor.troubles)
    assert any("policy violated: img-src" in each for each in visitor.troubles)
    visitor.troubles.clear()
