"""The demonstration: its secrets, its login, and the settlement that ends its first minute."""

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from launcher.configuration import Configuration
from launcher.state import StateDirectory
from launcher.steps import Step

COMPANY = "10001001"
FACTOR = "0030"
METERS = 20
DAYS = 7
LOGIN = "demo"

Report = Mapping[str, Any] | None


def make_typeable_password() -> str:
    """Three groups of four letters that can be read aloud: about 37 bits."""
    syllables = [secrets.choice("bdfghjklmnprstvz") + secrets.choice("aeiou") for _ in range(6)]
    return "-".join("".join(syllables[start : start + 2]) for start in (0, 2, 4))


def environment(configuration: Configuration, state: StateDirectory) -> dict[str, str]:
    """What load_demo and both simulators are told; the secrets are made once and kept."""
    cis_secret = state.secret("demo-cis-secret", secrets.token_hex)
    headend_secret = state.secret("demo-headend-secret", secrets.token_hex)
    return {
        "DEMO_CIS_APP_CODE": "demo-cis",
        "DEMO_CIS_APP_SECRET": cis_secret,
        "CIS_APP_SECRET": cis_secret,
        "DEMO_HEADEND_APP_CODE": "demo-headend",
        "DEMO_HEADEND_APP_SECRET": headend_secret,
        "HEADEND_APP_SECRET": headend_secret,
        "DEMO_CIS_URL": f"http://127.0.0.1:{configuration.cis_port}",
        "DEMO_HEADEND_URL": f"http://127.0.0.1:{configuration.headend_port}",
        "DEMO_PLATFORM_URL": configuration.web_url,
        "DEMO_PASSWORD": state.secret("demo-password", make_typeable_password),
    }


class FirstSettlement:
    """Settles once, when the past days' readings are in: daily usage shows without waiting for a night."""

    def __init__(self, begin: Callable[[], Step], say: Callable[[str], None]) -> None:
        self._begin = begin
        self._say = say
        self._step: Step | None = None
        self.done = False

    def cancel(self) -> None:
        if self._step is not None:
            self._step.cancel()

    def attend(self, cis: Report, headend: Report) -> None:
        if self.done:
            return
        if self._step is None:
            if _ready(cis, headend):
                self._step = self._begin()
        elif self._step.finished():
            self.done = True
            self._say(_told(self._step))


def _ready(cis: Report, headend: Report) -> bool:
    return bool(cis and headend and headend.get("backfilled") and cis.get("registered") == METERS)


def _told(step: Step) -> str:
    said = step.output().strip()
    return f"settlement: {said or 'done'}" if step.succeeded() else f"settlement failed:\n{said}"
