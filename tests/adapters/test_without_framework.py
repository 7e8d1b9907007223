"""The SDK needs no framework: an adapter whose framework is missing says so in one line."""

import subprocess
import sys

import pytest

ADAPTERS = {
    "starlette": ("starlette", "Starlette"),
    "fastapi": ("fastapi", "FastAPI"),
    "django": ("django", "Django"),
    "flask": ("flask", "Flask"),
    "aiohttp": ("aiohttp", "aiohttp"),
    "litestar": ("litestar", "Litestar"),
}


@pytest.mark.parametrize(("adapter", "module", "name"), [(k, *v) for k, v in ADAPTERS.items()])
def test_an_adapter_names_the_framework_that_it_needs(adapter: str, module: str, name: str) -> None:
    program = f"import sys; sys.modules[{module!r}] = None; import kaskad_sdk.contrib.{adapter}"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    last = ended.stderr.strip().splitlines()[-1]
    assert last == f"ImportError: kaskad_sdk.contrib.{adapter} needs {name}"
    assert ended.returncode == 1


def test_the_sdk_itself_imports_no_framework() -> None:
    frameworks = {module for module, _ in ADAPTERS.values()}
    program = (
        "import sys, kaskad_sdk, kaskad_sdk.gateway, kaskad_sdk.captcha\n"
        f"print(sorted({frameworks!r} & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"
