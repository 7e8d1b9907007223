"""What ``manage.py check`` says of the setting ``KASKAD``."""

from collections.abc import Sequence

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error

from kaskad_sdk.contrib.django.conf import NAME, problems


def check_settings(
    app_configs: Sequence[AppConfig] | None = None, **_: object
) -> list[CheckMessage]:
    """One error for each thing that is wrong."""
    found = problems(getattr(settings, NAME, None))
    return [Error(problem.message, hint=problem.hint, id=problem.id) for problem in found]
