"""The application, for ``INSTALLED_APPS``."""

from django.apps import AppConfig
from django.core.checks import register

from kaskad_sdk.contrib.django.checks import check_settings


class KaskadConfig(AppConfig):
    """Has no models; its settings are checked."""

    name = "kaskad_sdk.contrib.django"
    label = "kaskad"
    verbose_name = "kaskad"

    def ready(self) -> None:
        """Let ``manage.py check`` look at the settings."""
        register(check_settings)
