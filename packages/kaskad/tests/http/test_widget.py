"""The widget's files: where they are, for how long they may be kept, and how a page holds them."""

import gzip
import hashlib
import re
from base64 import b64encode
from html import unescape
from typing import Any
from urllib.parse import urljoin

import pytest

from kaskad.http.widget.built import Built
from kaskad.http.widget.embed import Embedding
from packages.kaskad.tests.builders import TOKEN
from packages.kaskad.tests.http.client import Answer
from packages.kaskad.tests.http.conftest import OpenHouse
from packages.kaskad.tests.http.house import SMS, House

DROP_IN, ELEMENT, LOCALE = "otp-widget.umd.js", "kaskad-otp.js", "locales/ru.js"
LATER = "countries.js"
CONTENTS = {
    DROP_IN: b"/* drop-in */",
    f"{DROP_IN}.gz": gzip.compress(b"/* drop-in */", mtime=0),
    f"{DROP_IN}.br": b"as brotli",
    ELEMENT: b'import("./locales/ru.js")',
    LOCALE: b"export default {}",
    LATER: b"export const countryPicker = 0",
    "custom-elements.json": b"{}",
    "kaskad-otp.d.ts": b"not for browsers",
}
BUILT = Built(CONTENTS)
SERVED = [DROP_IN, ELEMENT, LOCALE, "custom-elements.json"]
HASHED = f"/widget/{BUILT.hash}"
BOTH = [f"/{DROP_IN}", f"{HASHED}/{DROP_IN}"]


@pytest.fixture
async def house(open_house: OpenHouse) -> House:
    return await open_house(widget=BUILT)


async def get(house: House, path: str, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await house.api.get(path, absolute=True, token=None, headers=named)


# --- addresses ------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERVED)
async def test_a_file_has_a_stable_and_a_hashed_address(house: House, name: str) -> None:
    stable, hashed = await get(house, f"/{name}"), await get(house, f"{HASHED}/{name}")
    assert (stable.status, stable.body) == (hashed.status, hashed.body) == (200, CONTENTS[name])
    kind = "application/json" if name.endswith("json") else "text/javascript"
    assert (
        stable.header("content-type") == hashed.header("content-type") == f"{kind}; charset=utf-8"
    )
    assert stable.header("cache-control") == "public, max-age=300"
    assert hashed.header("cache-control") == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", BOTH)
async def test_every_site_may_load_them_and_nobody_guesses_their_type(
    house: House, path: str
) -> None:
    answer = await get(house, path, origin="https://shop.example", x_forwarded_for="203.0.113.7")
    assert answer.status == 200
    assert answer.header("access-control-allow-origin") == "*"
    assert answer.header("cross-origin-resource-policy") == "cross-origin"
    assert answer.header("x-content-type-options") == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        f"/widget/{'0' * 16}/{DROP_IN}",
        f"{HASHED}/nothing.js",
        f"{HASHED}/",
        f"{HASHED}/kaskad-otp.d.ts",
        f"{HASHED}/{DROP_IN}.gz",
        f"{HASHED}/../{DROP_IN}",
        f"/widget/{DROP_IN}",
        f"/{DROP_IN}.br",
        "/widget/",
    ],
)
async def test_nothing_else_is_there(house: House, path: str) -> None:
    answer = await get(house, path)
    assert (answer.status, answer.outcome) == (404, "NotFoundException")
    assert answer.header("cache-control") == "no-store"


@pytest.mark.parametrize(
    "name, leads_to",
    [(LOCALE, "../../../locales/ru.js"), (LATER, "../../countries.js")],
)
async def test_what_an_older_page_still_has_to_load_is_found(
    house: House, name: str, leads_to: str
) -> None:
    answer = await get(house, f"/widget/{'0' * 16}/{name}", origin="https://shop.example")
    assert (answer.status, answer.header("location")) == (307, leads_to)
    assert answer.header("cache-control") == "no-store"
    assert answer.header("access-control-allow-origin") == "*"
    assert urljoin(f"/widget/{'0' * 16}/{name}", leads_to) == f"/{name}"


@pytest.mark.parametrize("name", [DROP_IN, ELEMENT, "custom-elements.json"])
async def test_what_a_page_holds_to_its_hash_is_never_another(house: House, name: str) -> None:
    assert (await get(house, f"/widget/{'0' * 16}/{name}")).status == 404


async def test_without_a_build_everything_else_is_served(open_house: OpenHouse) -> None:
    house = await open_house()
    for path in BOTH:
        assert (await get(house, path)).outcome == "NotFoundException"
    assert (await get(house, "/healthz")).status == 200


def test_any_change_is_another_hash() -> None:
    for name in SERVED:
        assert Built(CONTENTS | {name: b"{} "}).hash != BUILT.hash
    renamed = {("x.js" if name == LOCALE else name): body for name, body in CONTENTS.items()}
    assert Built(renamed).hash != BUILT.hash
    assert Built(dict(reversed(CONTENTS.items()))).hash == BUILT.hash


# --- caches ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", BOTH)
async def test_what_is_known_is_not_sent_again(house: House, path: str) -> None:
    first = await get(house, path)
    etag = first.header("etag") or ""
    for known in (etag, f'"other", {etag}', etag.removeprefix("W/"), "*"):
        again = await get(house, path, if_none_match=known)
        assert (again.status, again.body) == (304, b"")
        for name in ("etag", "cache-control", "vary", "access-control-allow-origin"):
            assert again.header(name) == first.header(name)
    for other in ('"other"', 'W/"other"', ""):
        assert (await get(house, path, if_none_match=other)).status == 200
    assert (await get(house, f"/{ELEMENT}", if_none_match=etag)).status == 200


@pytest.mark.parametrize(
    "accepts, coding",
    [
        ("gzip, deflate, br", "br"),
        ("br;q=0.5, gzip", "br"),
        ("gzip, br;q=0", "gzip"),
        ("gzip;q=0, br; q=0.000", None),
        ("GZIP", "gzip"),
        ("x-gzip, zstd", None),
        ("identity", None),
        ("", None),
    ],
)
async def test_a_file_comes_in_the_encoding_that_is_understood(
    house: House, accepts: str, coding: str | None
) -> None:
    answer = await get(house, f"/{DROP_IN}", accept_encoding=accepts)
    suffix = {"br": ".br", "gzip": ".gz", None: ""}[coding]
    assert (answer.header("content-encoding"), answer.body) == (coding, CONTENTS[DROP_IN + suffix])
    assert answer.header("vary") == "accept-encoding"
    plain = await get(house, f"/{ELEMENT}", accept_encoding=accepts)
    assert (plain.header("content-encoding"), plain.body) == (None, CONTENTS[ELEMENT])


# --- snippets -------------------------------------------------------------------------

BASE = "https://otp.example.com"


def snippets(**look: str) -> dict[str, str]:
    return {s.name: s.text for s in Embedding(built=BUILT, base=BASE).snippets(SMS, look)}


def attributes(text: str) -> dict[str, str]:
    return {k: unescape(v) for k, v in re.findall(r'\s([\w-]+)="([^"]*)"', text)}


@pytest.mark.parametrize("name, file", [("script", DROP_IN), ("element", ELEMENT)])
async def test_a_snippet_names_a_file_and_its_true_hash(house: House, name: str, file: str) -> None:
    found = attributes(snippets()[name])
    answer = await get(house, found["src"].removeprefix(BASE))
    assert answer.body == CONTENTS[file]
    digest = b64encode(hashlib.sha384(answer.body).digest()).decode()
    assert (found["integrity"], found["crossorigin"]) == (f"sha384-{digest}", "anonymous")
    assert "immutable" in (answer.header("cache-control") or "")


async def test_the_module_has_a_stable_address(house: House) -> None:
    [address] = re.findall(r'import "([^"]+)"', snippets()["module"])
    assert (await get(house, address.removeprefix(BASE))).body == CONTENTS[ELEMENT]


def test_a_snippet_says_which_widget_and_how_it_looks() -> None:
    texts = snippets(locale="en", theme="dark")
    for name in ("element", "module"):
        found = attributes(texts[name].partition("<kaskad-otp")[2])
        assert found["widget-id"] == SMS
        assert (found["locale"], found["theme"]) == ("en", "dark")
        assert "api-url" not in found
    for value in (SMS, "en", "dark"):
        assert f'"{value}"' in texts["script"]


def test_a_service_below_a_path_says_where_its_calls_are() -> None:
    embedding = Embedding(built=BUILT, base=f"{BASE}/otp")
    script, element, module = (s.text for s in embedding.snippets(SMS, {}))
    assert f'apiUrl: "{BASE}/otp/sdk"' in script
    for text in (element, module):
        assert attributes(text.partition("<kaskad-otp")[2])["api-url"] == f"{BASE}/otp/sdk"


def test_nothing_escapes_from_its_place() -> None:
    evil = '"></script><script>alert(1)'
    for text in snippets(locale=evil).values():
        assert "alert(1)" in text
        assert evil not in text
        assert text.count("<script") == text.count("</script>")


async def test_the_demo_shows_them_for_a_widget(open_house: OpenHouse) -> None:
    demo = await open_house(handset=True, demo_token=TOKEN, widget=BUILT)
    found = (await get(demo, f"/demo/embed.json?widget={SMS}&theme=dark&other=x")).json
    embedding = Embedding(built=BUILT, base="http://127.0.0.1:8480")
    assert found == {s.name: s.text for s in embedding.snippets(SMS, {"theme": "dark"})}
    element: Any = (await get(demo, "/demo/config.json")).json["element"]
    assert (await get(demo, element)).body == CONTENTS[ELEMENT]
    assert (await get(demo, "/demo/embed.json?widget=none")).outcome == "NotFoundException"
    assert (await get(demo, f"/demo/embed.json?widget={SMS}", forwarded="for=x")).status == 403


async def test_the_demo_says_that_nothing_is_built(open_house: OpenHouse) -> None:
    demo = await open_house(handset=True, demo_token=TOKEN)
    assert (await get(demo, "/demo/config.json")).json["element"] is None
    assert (await get(demo, f"/demo/embed.json?widget={SMS}")).outcome == "NotFoundException"
