"""Reading one HTTP/1.x answer from the pieces that come, bounded, with no socket in sight.

Lenient in form, as clients must be with servers of all ages (a line may end without its CR, a header may be folded),
strict where it says how long the answer is: what is in doubt there ends the connection.
"""

import re
from dataclasses import dataclass

MAX_HEAD_BYTES = 16 * 1024
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/1\.([01]) +([1-5][0-9]{2})(?: .*)?")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?")
_WITHOUT_BODY = (204, 304)


class GarbledAnswer(ValueError):
    """What came is no HTTP answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`encoding` is how the body is compressed, "" for not at all."""

    status: int
    body: bytes
    encoding: str


class AnswerReader:
    """One answer of at most `limit` bytes: `feed` what comes until it returns the answer.

    Raises GarbledAnswer, or ValueError for an answer that is too large.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()
        # How much must be there before it is worth looking again: a server may send byte by byte.
        self._needed = 0
        self._status = 0
        self._headers: dict[bytes, bytes] = {}
        self._body = b""
        self._length: int | None = None
        self._is_chunked = False
        # Whether the connection may serve once more, when the answer is complete.
        self.keeps_alive = False

    def feed(self, data: bytes) -> Answer | None:
        self._rest += data
        if len(self._rest) < self._needed or (not self._status and not self._read_head()):
            return None
        if self._is_chunked:
            return self._answer() if self._read_chunks() else None
        if self._length is None:
            self._check_size(len(self._rest))
            return None
        self._needed = self._length
        return self._answer() if len(self._rest) >= self._length else None

    def end(self) -> Answer:
        """The connection is closed: right for an answer that tells no length, too early for any other."""
        if not self._status or self._is_chunked or self._length is not None:
            raise ConnectionResetError("the connection broke off")
        self._length = len(self._rest)
        return self._answer()

    def _answer(self) -> Answer:
        if self._length is not None:
            self._body = bytes(self._rest[: self._length])
            del self._rest[: self._length]
        # Whatever follows was not asked for.
        self.keeps_alive = self.keeps_alive and not self._rest
        return Answer(self._status, self._body, self._headers.get(b"content-encoding", b"").decode("latin-1").lower())

    def _read_head(self) -> bool:
        """True once the head is read; what follows it is the rest."""
        while not self._status:
            found = _END_OF_HEAD.search(self._rest)
            if (found.start() if found else len(self._rest)) > MAX_HEAD_BYTES:
                raise GarbledAnswer("the head of the answer has no end")
            if found is None:
                return False
            first, *lines = bytes(self._rest[: found.start()]).split(b"\n")
            del self._rest[: found.end()]
            status = _STATUS.fullmatch(first.strip(b"\r"))
            if status is None:
                raise GarbledAnswer("no HTTP answer")
            # 100 and its like only announce the answer.
            if not status[2].startswith(b"1"):
                self._status, self._headers = int(status[2]), _headers(lines)
                self._frame(version=status[1])
        return True

    def _frame(self, *, version: bytes) -> None:
        """Where the answer ends."""
        coding, length = self._headers.get(b"transfer-encoding"), self._headers.get(b"content-length")
        options = {option.strip() for option in self._headers.get(b"connection", b"").lower().split(b",")}
        self.keeps_alive = b"close" not in options if version == b"1" else b"keep-alive" in options
        if self._status in _WITHOUT_BODY:
            self._length = 0
        elif coding is not None:
            if coding.lower() != b"chunked":
                raise GarbledAnswer("unknown Transfer-Encoding")
            self._is_chunked = True
            self.keeps_alive = self.keeps_alive and length is None
        elif length is not None:
            if not length.isdigit():
                raise GarbledAnswer("Content-Length is no number")
            self._length = int(length)
            self._check_size(self._length)
        else:
            self.keeps_alive = False

    def _read_chunks(self) -> bool:
        """True once the last chunk and its trailer have come; whole chunks go from the rest to the body."""
        while (end := self._rest.find(b"\n")) >= 0:
            told = _CHUNK.fullmatch(self._rest[:end].rstrip(b"\r"))
            if told is None:
                break
            size, start = int(told[1], 16), end + 1
            self._check_size(len(self._body) + size)
            if size == 0:
                return self._read_trailer(start)
            self._needed = start + size + 2
            if len(self._rest) < self._needed:
                return False
            self._body += self._rest[start : start + size]
            if self._rest[start + size : self._needed] != b"\r\n":
                break
            del self._rest[: self._needed]
            self._needed = 0
        if end < 0 and len(self._rest) <= MAX_HEAD_BYTES:
            return False
        raise GarbledAnswer("a chunk that is none")

    def _read_trailer(self, start: int) -> bool:
        while (end := self._rest.find(b"\n", start)) >= 0:
            if not self._rest[start:end].strip(b"\r"):
                del self._rest[: end + 1]
                return True
            start = end + 1
        if len(self._rest) > MAX_HEAD_BYTES:
            raise GarbledAnswer("the answer has no end")
        return False

    def _check_size(self, size: int) -> None:
        if size > self._limit:
            raise ValueError(f"answer larger than {self._limit // 1024} KiB")


def _headers(lines: list[bytes]) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            continue
        name, colon, value = line.partition(b":")
        if not colon:
            raise GarbledAnswer("a header without a value")
        name, value = name.strip().lower(), value.strip()
        if name == b"content-length" and headers.get(name, value) != value:
            raise GarbledAnswer("two lengths")
        headers[name] = value
    return headers
