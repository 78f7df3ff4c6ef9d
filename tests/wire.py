"""A peer that signs its messages, for tests of the wire."""

import itertools
import json
from dataclasses import dataclass
from typing import Any

from django.test import Client
from django.utils import timezone

from protocol.paths import message_path
from protocol.signature import signed_headers

_serials = itertools.count(1)


def next_serial() -> str:
    return f"serial{next(_serials):026d}"


@dataclass
class Caller:
    """Posts messages in-process as one peer; a message without a serial gets a fresh one."""

    app_code: str
    app_secret: str

    def headers(self) -> dict[str, str]:
        headers = signed_headers(app_code=self.app_code, app_secret=self.app_secret, now=timezone.now())
        return {name: value for name, value in headers.items() if name != "Content-Type"}

    def post(self, code: str, body: Any, *, path: str | None = None, headers: dict[str, str] | None = None) -> Any:
        """The raw response to `body`, a dict or bytes."""
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        return Client(raise_request_exception=False).post(
            path or message_path(code),
            data=data,
            content_type="application/json;charset=utf-8",
            headers=self.headers() if headers is None else headers,
        )

    def send(self, code: str, **fields: Any) -> dict[str, Any]:
        """The answer to a message with these fields."""
        response = self.post(code, {"serialNo": next_serial(), **fields})
        assert response.status_code == 200
        content = b"".join(response.streaming_content) if response.streaming else response.content
        return json.loads(content)
