"""Settings that Prefect reads when it is imported. Call before importing it."""

import os

_DEFAULTS = {
    # A cold start of the embedded server takes longer than Prefect's 20 s on a busy machine.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "DO_NOT_TRACK": "1",
    # The run's log in the UI tells everything; the terminal shows a progress bar, a summary and one line of error.
    "PREFECT_LOGGING_LEVEL": "INFO",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
}


def quiet_and_local() -> None:
    """No telemetry, patient start, a quiet terminal; what the user has set stays."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
