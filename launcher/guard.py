"""The guard: a tiny process that cleans up when the launcher is killed before it can.

It reads orders, one JSON object a line, from a pipe that only the launcher holds open. End of file means
that the launcher is gone; what is still watched then is ended, last started first, and temporary directories are
removed.
"""

import json
import signal
import sys
from pathlib import Path
from typing import Any

from launcher import directories
from launcher.ending import Target, end


class Ward:
    """What has to be gone in the end."""

    def __init__(self) -> None:
        self.targets: dict[int, Target] = {}
        self.scratch: list[Path] = []

    def obey(self, order: dict[str, Any]) -> None:
        match order:
            case {"watch": {"pid": int(pid), "signals": list(signals), "tree": bool(tree)}}:
                self.targets[pid] = Target(pid, tuple((number, seconds) for number, seconds in signals), tree)
            case {"release": int(pid)}:
                self.targets.pop(pid, None)
            case {"discard": str(path)}:
                self.scratch.append(Path(path))

    def clean(self) -> None:
        for target in reversed(self.targets.values()):
            end(target)
        for path in self.scratch:
            directories.discard(path)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ward = Ward()
    for line in sys.stdin:
        ward.obey(json.loads(line))
    ward.clean()


if __name__ == "__main__":
    main()
