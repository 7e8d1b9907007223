"""The configuration: one TOML file, the environment and the command line.

What is wrong comes as one :class:`ConfigError` with a line for each problem.
"""

from kaskad.config.declared import Declared, DeclaredToken
from kaskad.config.lapsed import lapsed, lapsed_recipients
from kaskad.config.load import (
    DEFAULT_FILE,
    declared_tenant,
    load_config,
    load_declared,
    load_server,
    provider_place,
)
from kaskad.config.problems import ConfigError, OperatorError
from kaskad.config.server import ServerSettings, database_path, mistyped

__all__ = [
    "DEFAULT_FILE",
    "ConfigError",
    "Declared",
    "DeclaredToken",
    "OperatorError",
    "ServerSettings",
    "database_path",
    "declared_tenant",
    "lapsed",
    "lapsed_recipients",
    "load_config",
    "load_declared",
    "load_server",
    "mistyped",
    "provider_place",
]
