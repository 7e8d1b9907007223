"""The lock files agree with each other and name no machine and no package registry."""

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("build", "dev", "runtime")


def text_of(lock: str) -> str:
    return (ROOT / "requirements" / f"{lock}.txt").read_text()


def pins_of(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text_of(lock), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address_and_no_path(lock: str) -> None:
    assert re.findall(r"https?:|file:|^--(?!hash)|\s/\w", text_of(lock), re.MULTILINE) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes(lock: str) -> None:
    entries = re.split(r"^(?=[a-z])", text_of(lock), flags=re.MULTILINE)[1:]
    assert entries
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", ["build", "runtime"])
def test_the_dev_lock_contains_the_others(lock: str) -> None:
    assert pins_of(lock).items() <= pins_of("dev").items()


def test_everything_the_packages_depend_on_is_locked() -> None:
    ours = [tomllib.loads(file.read_text())["project"] for file in ROOT.glob("packages/*/*.toml")]
    needed = [line for project in ours for line in project["dependencies"]]
    names = {re.split(r"[^a-z0-9-]", line)[0] for line in needed}
    names -= {project["name"] for project in ours}
    wanted = {
        re.split(r"[^a-z0-9-]", line)[0]
        for line in (ROOT / "requirements/runtime.in").read_text().splitlines()
        if not line.startswith("#")
    }
    assert names == wanted
    assert names <= pins_of("runtime").keys()


def test_the_lock_of_npm_names_no_address_and_has_hashes() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())
    pinned = [entry for name, entry in lock["packages"].items() if "node_modules" in name]
    ours = [entry for entry in pinned if entry.get("link")]
    workspaces = {
        path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("web/*/package.json")
    }
    assert {entry["resolved"] for entry in ours} == workspaces
    pinned = [entry for entry in pinned if entry not in ours]
    assert pinned
    assert [entry for entry in pinned if "resolved" in entry or "integrity" not in entry] == []
    assert "://" not in (ROOT / ".npmrc").read_text()
