"""Where each message code lives (R2). config/urls.py serves these paths, the outbox posts to them."""

_VERSIONS = {"1001": "v1/", "1015": "v1/", "1013": "v2/", "1014": "v2/"}


def message_path(code: str) -> str:
    """The path of a message code, with its leading slash: 1013 -> /api/v2/collect/meter/1013."""
    return f"/api/{_VERSIONS.get(code, '')}collect/meter/{code}"
