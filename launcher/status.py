"""How the running system is doing, asked over HTTP."""

import http.client
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

WEB_TIMEOUT = 3.0
# The launcher's loop must stay quick to notice a Ctrl-C.
REPORT_TIMEOUT = 0.5
# A host name that production does not allow (400) or a redirect to https proves as well that it answers.
ALIVE = frozenset({200, 301, 302, 307, 308, 400})


def get(url: str, path: str, timeout: float) -> tuple[int, bytes] | None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def web_alive(url: str) -> bool:
    answer = get(url, "/healthz", WEB_TIMEOUT)
    return answer is not None and answer[0] in ALIVE


def report(url: str) -> dict[str, Any] | None:
    """A simulator's counters, or None while it does not answer."""
    answer = get(url, "/status", REPORT_TIMEOUT)
    if answer is None or answer[0] != 200:
        return None
    try:
        content = json.loads(answer[1])
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def reports(url: str) -> bool:
    return report(url) is not None


def demo_line(cis: Mapping[str, Any] | None, headend: Mapping[str, Any] | None) -> list[str]:
    cis, headend = cis or {}, headend or {}
    parts = [
        f"meters {cis.get('registered', '-')}",
        f"readings {headend.get('accepted', '-')} accepted",
        f"callbacks {cis.get('callbacks', '-')} delivered",
        f"daily usage rows {cis.get('usage_rows', '-')}",
        f"commands {cis.get('results', '-')} done",
        f"alarms {cis.get('alarms', '-')}",
    ]
    if headend.get("refused"):
        parts.append(f"{headend['refused']} refused")
    if cis.get("bad_signatures"):
        parts.append(f"{cis['bad_signatures']} bad signatures")
    return parts


def line(parts: Sequence[str], down: Sequence[str], uptime: float) -> str:
    minutes, seconds = divmod(int(uptime), 60)
    clock = f"up {minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"
    return " · ".join([*parts, *(f"{name} down" for name in down), clock])
