"""baseload.yaml: what it may say (`schema`), and reading it with errors that say where (`load`)."""

from baseload.config.load import InvalidConfig, load, outline, parse
from baseload.config.published import json_schema
from baseload.config.schema import DEFAULT_TENANT, Config, Outline
from baseload.config.warn import warnings

__all__ = [
    "DEFAULT_TENANT",
    "Config",
    "InvalidConfig",
    "Outline",
    "json_schema",
    "load",
    "outline",
    "parse",
    "warnings",
]
