"""Providers: one module for each, and the registry that knows them all."""

from collections.abc import Mapping

from kaskad.drivers.registry import DRIVERS, problems

__all__ = ["DRIVERS", "check_settings"]


def check_settings(driver: str, settings: Mapping[str, object]) -> list[str]:
    """What is wrong with an account's settings, each as ``key: what is expected``."""
    return problems(driver, settings)
