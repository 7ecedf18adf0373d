"""How the sandbox logs: as uvicorn does, or an object of JSON a line where LOG_FORMAT=json."""

import copy
import json
import logging
import os
from datetime import UTC, datetime
from typing import Any

from uvicorn.config import LOGGING_CONFIG


class JsonFormatter(logging.Formatter):
    """Formats a line with the names that the logs of the other processes have."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_config() -> dict[str, Any]:
    """Return uvicorn's configuration of logging, with this format if it is wanted."""
    config = copy.deepcopy(LOGGING_CONFIG)
    if os.environ.get("LOG_FORMAT", "") == "json":
        config["formatters"]["default"] = {"()": JsonFormatter}
    return config
