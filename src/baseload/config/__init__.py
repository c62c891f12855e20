"""baseload.yaml: what it may say (`schema`), and reading it with errors that say where (`load`)."""

from baseload.config.load import InvalidConfig, load, parse
from baseload.config.published import json_schema
from baseload.config.schema import Config
from baseload.config.warn import warnings

__all__ = ["Config", "InvalidConfig", "json_schema", "load", "parse", "warnings"]
