"""Commands that run once and end by themselves, such as migrations. Each writes a log of its own."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from launcher import spawning
from launcher.configuration import PROJECT
from launcher.ending import Target, end
from launcher.errors import LauncherError
from launcher.state import StateDirectory
from launcher.stopping import StopRequest
from launcher.watch import Guard

SETTINGS_COMPLAINT = "django.core.exceptions.ImproperlyConfigured: "


class Step:
    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        state: StateDirectory,
        guard: Guard,
    ) -> None:
        self.name = name
        self._guard = guard
        self._log = state.log(name)
        self._process: subprocess.Popen[bytes] = spawning.spawn(
            [sys.executable, "manage.py", *arguments],
            log=self._log,
            directory=PROJECT,
            environment=environment,
        )
        guard.watch(Target(self._process.pid))

    def finished(self) -> bool:
        if self._process.poll() is None:
            return False
        self._guard.release(self._process.pid)
        return True

    def succeeded(self) -> bool:
        return self._process.returncode == 0

    def output(self) -> str:
        return spawning.tail(self._log)

    def cancel(self) -> None:
        if not self.finished():
            end(Target(self._process.pid))
            self._process.wait()

    def wait(self, stop: StopRequest) -> None:
        """Until it ends; a failure quotes what it said."""
        try:
            while not self.finished():
                stop.raise_if_requested()
                time.sleep(0.02)
        finally:
            self.cancel()
        if not self.succeeded():
            raise LauncherError(self._complaint())

    def _complaint(self) -> str:
        """A setting that is missing or wrong says so itself, in one line; everything else needs the log."""
        output = self.output()
        _, marker, reason = output.rpartition(SETTINGS_COMPLAINT)
        if marker and "\n" not in reason:
            return reason
        how = spawning.how_it_ended(self._process.returncode)
        return f"`manage.py {self.name}` failed ({how}); the end of {self._log}:\n{output}"
