"""Why the launcher does not go on, in words for the person at the terminal."""


class LauncherError(Exception):
    """Something failed after a start had begun."""

    status = 1


class StartRefused(LauncherError):
    """Nothing was started: the configuration or the machine does not allow it."""

    status = 2


class StopRequested(Exception):
    """Ctrl-C or SIGTERM arrived while waiting for something."""
