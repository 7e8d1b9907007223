"""Nothing that a service writes has a live code in it, and no phone number but in its sessions."""

import contextlib
import socket
import sqlite3
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from kaskad.system import SystemClock
from packages.kaskad.tests.searching import Search
from tests.acceptance.harness import BASE, KASKAD, WIDGET, Kaskad

pytestmark = [pytest.mark.acceptance, pytest.mark.untraced]

# Nine digits: too long to turn up by chance, too short to be masked as a phone number.
CONFIG = """
[server]
port = {port}
secret_key = "env:KASKAD_SECRET_KEY"
database_url = "sqlite:///data/kaskad.db"
long_poll_timeout = 1
log_level = "debug"

[[providers]]
id = "handset"
driver = "simulator"
delay = {delay}

[[providers]]
id = "refuses"
driver = "simulator"
outcome = "reject"

[[providers]]
id = "loses"
driver = "simulator"
outcome = "undelivered"

[[channels]]
id = "first"
type = "voice"
label = "Voice"
provider = "refuses"
code = {{ length = 9 }}
templates = [{{ locale = "ru", text = "{{{{ code }}}}" }}]

[[channels]]
id = "second"
type = "whatsapp"
label = "WhatsApp"
provider = "loses"
code = {{ length = 9 }}
templates = [{{ locale = "ru", text = "{{{{ code }}}}" }}]

[[channels]]
id = "sms"
type = "sms"
label = "SMS"
provider = "handset"
code = {{ length = 9 }}
templates = [{{ locale = "ru", text = "{{{{ code }}}}" }}]

[[widgets]]
id = "{widget}"
name = "Secrecy"
channels = ["first", "second", "sms"]
test_recipients = [{{ number = "+79990000001", code = "846103275", until = UNTIL }}]
{limits}

[[tokens]]
name = "acceptance"
token = "env:KASKAD_TEST_TOKEN"
"""
TEST_NUMBER, TEST_CODE = "+79990000001", "846103275"
NUMBERS = [f"+7912345{n:04}" for n in range(6001, 6013)]
LIVE_SESSIONS = {
    "kaskad-sessions.db": "live sessions, as docs/explanation/security.md says",
    "kaskad-sessions.db-wal": "the same",
    "kaskad-sessions.db-shm": "the same",
}


def use(kaskad: Kaskad) -> list[str]:
    """Whatever callers do, right and wrong; the codes that are live at the end."""
    begun = {}
    for n, number in enumerate(NUMBERS):
        body = {"widgetId": WIDGET, "recipient": number, "userIp": f"192.0.2.{n}"}
        answer = kaskad.post("/", body, **{"Idempotency-Key": f"key-{n}"})
        begun[answer.json()["requestId"]] = number
    kaskad.post("/", {"widgetId": WIDGET, "recipient": TEST_NUMBER})
    codes = {}
    for n, (request_id, number) in enumerate(begun.items()):
        codes[request_id] = code = kaskad.code(request_id)
        path, query = f"{BASE}/{request_id}", f"recipient={number}"
        kaskad.sent(request_id)
        kaskad.get(f"{path}/status?{query}")
        kaskad.get(f"{BASE}/longPolling/{request_id}/channel?since=0")
        kaskad.get(f"{path}/status?recipient=8 {number[2:]}&{query}")
        kaskad.get(f"{BASE}/{number}/{code}")
        kaskad.get(f"/{code}/{number}?{query}&code={code}")
        kaskad.post(f"/{request_id}/checkCode", {"code": code[::-1]})
        kaskad.post(f"/{request_id}/checkCode", {"code": [code]})
        kaskad.post(f"/{request_id}/resend", {"next": number})
        if n % 3 == 0:
            kaskad.post(f"/{request_id}/checkCode", {"code": code}, **{"X-Request-Id": code})
        if n % 6 == 0:
            kaskad.post(f"/{request_id}/checkStatusAndComplete?{query}")
        kaskad.get(f"/handset/messages?recipient={number}")
    _stammer(kaskad, next(iter(codes.values())))
    return list(codes.values())


def _stammer(kaskad: Kaskad, code: str) -> None:
    """What is not HTTP, with something in it that is nobody's business."""
    with socket.create_connection(("127.0.0.1", kaskad.port)) as connection:
        connection.sendall(
            f"GET /{code} {NUMBERS[0]} HTTP/9.9\r\n{code}: {NUMBERS[0]}\r\n\r\n".encode()
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_no_log_figure_or_file_has_a_live_code_or_a_number(tmp_path: Path) -> None:
    config = CONFIG.replace("UNTIL", f"{SystemClock().now() + timedelta(days=1):%Y-%m-%d}")
    with Kaskad(tmp_path, config=config) as kaskad:
        codes = use(kaskad)
        search = Search(codes=[*codes, TEST_CODE], numbers=[*NUMBERS, TEST_NUMBER])
        found = search.of("/metrics", kaskad.get("/metrics").content)
        found += search.of("/openapi.json", kaskad.get("/openapi.json").content)
        found += search.of_folder(tmp_path / "data", but=LIVE_SESSIONS)

        # No code stands in the sessions either, and their numbers nowhere but there.
        no_code = Search(codes=[*codes, TEST_CODE], numbers=[])
        found += no_code.of_folder(tmp_path / "data")
        assert Search(codes=[], numbers=NUMBERS).of_folder(tmp_path / "data")
        shown = subprocess.run(
            [KASKAD, "session", kaskad.messages()[-1]["requestId"], "--config", kaskad.config],
            env=kaskad.env, capture_output=True, check=True,
        )  # fmt: skip
        assert b"sms" in shown.stdout
        found += search.of("kaskad session", shown.stdout + shown.stderr)
    log = (tmp_path / "stderr.log").read_bytes()
    assert b"listening" in log
    found += search.of("the log", log)
    found += search.of("beside sessions", what_is_kept_beside_sessions(tmp_path / "data"))
    assert found == []


def what_is_kept_beside_sessions(folder: Path) -> bytes:
    """Counted limits, remembered answers: every record of the sessions file but the sessions."""
    with contextlib.closing(sqlite3.connect(folder / "kaskad-sessions.db")) as file:
        records = [data for (data,) in file.execute("SELECT data FROM records")]
    others = [data for data in records if b"timeline" not in data]
    assert len(records) - len(others) == len(NUMBERS) + 1
    assert len(others) > len(NUMBERS)
    return b"\n".join(others)
