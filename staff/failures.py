"""Why a try of an outbound message failed, in the reader's language; what is kept is the name of the error."""

from typing import Any, Final

from django.utils.translation import gettext_lazy as _

# By the beginning of the text: the name of an error of the HTTP client or of the system, or a code of our own.
_WORDS: Final[list[tuple[tuple[str, ...], Any]]] = [
    (("AnswerNotTaken", "the answer could not be taken"), _("the answer could not be taken here; see the log")),
    (("ValueError: answer larger", "ContentTypeError"), _("the answer is too large, or no answer at all")),
    (("ClientConnectorCertificateError", "ClientConnectorSSLError", "ClientSSLError"), _("no safe connection")),
    (("ClientConnectorDNSError", "gaierror"), _("the name of the host is not known")),
    (("ConnectionTimeoutError", "ClientConnector", "ConnectionRefusedError"), _("the host cannot be reached")),
    (("TimeoutError", "SocketTimeoutError", "ServerTimeoutError"), _("no answer in time")),
    (("InvalidU", "NonHttpUrl"), _("the URL is not one")),
    (("ServerDisconnected", "ClientOSError", "ConnectionResetError", "ClientPayload"), _("the connection broke off")),
]


def failure_words(error: str) -> str:
    """ "" stays so; an error that is not known is told as it is."""
    for beginnings, words in _WORDS:
        if error.startswith(beginnings):
            return str(words)
    return error
