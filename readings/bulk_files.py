"""Files of an import: their lines with their numbers, packed or not, and the file of what was refused."""

import csv
import gzip
import io
import json
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, TextIO

from protocol.errors import ProtocolError, Refused
from readings.bulk_lines import REJECT_COLUMNS, CsvReader, HeaderInvalid, JsonReader, Line, Parties
from readings.bulk_quick import Chunk

# Readings on the usual way, each of which is an object, in a transaction.
FEW: Final = 5_000
# What cannot be decoded is kept as it is, refused, and written to the rejects byte by byte.
_DECODING: Final[dict[str, Any]] = {"encoding": "utf-8-sig", "errors": "surrogateescape", "newline": ""}
_ENCODING: Final[dict[str, Any]] = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}


class Record(NamedTuple):
    """One record: the number of its first line, its text as it is in the file, and what it says or why it does not.

    Both are None for one that was taken on the short way.
    """

    number: int
    raw: str
    line: Line | None
    error: ProtocolError | None


class Opened(NamedTuple):
    """A file that is being read: `position` tells how many bytes of it (packed) have been, `size` how many there are,
    None where nobody knows."""

    file: IO[bytes]
    position: Callable[[], int]
    size: int | None


@contextmanager
def opened(name: str) -> Iterator[Opened]:
    """A file, unpacked when its name ends with .gz; - is standard input. Raises OSError."""
    if name == "-":
        yield Opened(sys.stdin.buffer, lambda: 0, None)
        return
    with Path(name).open("rb") as raw:
        size = Path(name).stat().st_size
        if not name.endswith(".gz"):
            yield Opened(raw, raw.tell, size)
            return
        with gzip.open(raw) as file:
            yield Opened(file, raw.tell, size)  # type: ignore[arg-type]


class Source:
    """The records of an import, whichever form it has: JSON lines begin with {, all else is CSV with a header.

    Raises HeaderInvalid. `rejects_head` is what a file of its rejects begins with.
    """

    def __init__(self, file: IO[bytes], parties: Parties) -> None:
        self.parties = parties
        self.file = file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)  # type: ignore[type-var]
        self.is_json = self.file.peek(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
        self.rejects_head = ""

    def batches(self, size: int) -> Iterator[list[Record] | Chunk]:
        """In turn: a Chunk of `size` lines where each is a record of its own, else at most FEW readings at a time."""
        if self.is_json:
            yield from _batched(self._json(), min(size, FEW))
            return
        text = io.TextIOWrapper(self.file, **_DECODING)
        try:
            yield from self._csv(_Lines(text), size)
        finally:
            # The file is its opener's to close.
            text.detach()

    def _json(self) -> Iterator[Record]:
        read = JsonReader(self.parties)
        for number, raw in enumerate(self.file, 1):
            if raw.strip():
                yield _record(read, number, raw.strip(), raw.decode(errors="surrogateescape"))

    def _csv(self, lines: "_Lines", size: int) -> Iterator[list[Record] | Chunk]:
        header = self._header(csv.reader(lines, strict=True))
        self.rejects_head = f"{','.join(REJECT_COLUMNS)},{lines.taken()}"
        read = CsvReader(header, self.parties)
        while ahead := lines.ahead(size):
            # A quoted cell that goes on in the next line leaves its own with an odd number of quotes.
            if any(line.count('"') % 2 for line in ahead):
                yield from _batched(islice(_rows(lines, read), min(size, FEW)), size)
            else:
                yield Chunk(lines.number + 1, lines.skip(ahead), header, read)

    def _header(self, rows: Iterator[list[str]]) -> Sequence[str]:
        try:
            return next(rows)
        except StopIteration:
            raise HeaderInvalid("the file is empty") from None
        except csv.Error as error:
            raise HeaderInvalid(str(error)) from None


class _Lines:
    """The lines of a text, counted, and kept until somebody takes them: a record may have several."""

    def __init__(self, text: TextIO) -> None:
        self.text = text
        self.number = 0
        self.kept: list[str] = []
        self.coming: deque[str] = deque()

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self.coming.popleft() if self.coming else next(self.text)
        self.number += 1
        self.kept.append(line)
        return line

    def taken(self) -> str:
        kept, self.kept = self.kept, []
        return kept[0] if len(kept) == 1 else "".join(kept)

    def ahead(self, size: int) -> list[str]:
        """The next lines, which are still to come."""
        self.coming.extend(islice(self.text, max(size - len(self.coming), 0)))
        return list(islice(self.coming, size))

    def skip(self, ahead: list[str]) -> list[str]:
        """They are somebody else's."""
        for _ in ahead:
            self.coming.popleft()
        self.number += len(ahead)
        return ahead


def _rows(lines: _Lines, read: CsvReader) -> Iterator[Record]:
    rows = csv.reader(lines, strict=True)
    while True:
        number = lines.number + 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Record(number, lines.taken(), None, Refused(f"不是有效的 CSV：{error}"))
            rows = csv.reader(lines, strict=True)
            continue
        raw = lines.taken()
        if cells:
            yield _record(read, number, cells, raw)


def _batched(records: Iterator[Record], size: int) -> Iterator[list[Record]]:
    """Lists of records with about so many readings, or as many refused ones."""
    batch: list[Record] = []
    held = 0
    for record in records:
        batch.append(record)
        held += 1 + (len(record.line.report.backfill) if record.line else 0)
        if held >= size:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _record(read: Callable[[int, Any], Line], number: int, record: Any, raw: str) -> Record:
    try:
        return Record(number, raw, read(number, record), None)
    except ProtocolError as error:
        return Record(number, raw, None, error)


class Rejects:
    """The file of what was refused, in the form in which it came, each with its line and the reason before it.

    It is made with the first of them, and can be mended and imported in its turn.
    """

    def __init__(self, path: Path, source: Source) -> None:
        self.path, self.source = path, source
        self.file: TextIO | None = None

    def write(self, record: Record, reason: str) -> None:
        """Raises OSError."""
        if self.file is None:
            self.file = self.path.open("w", **_ENCODING)
            self.file.write(self.source.rejects_head)
        self.file.write(self._json(record, reason) if self.source.is_json else _csv(record, reason))

    def _json(self, record: Record, reason: str) -> str:
        try:
            body = json.loads(record.raw)
        except ValueError:
            body = None
        told = {"rejectLine": str(record.number), "rejectReason": reason}
        whole = {**told, **body} if isinstance(body, dict) else {**told, "text": record.raw.rstrip("\r\n")}
        return json.dumps(whole) + "\n"

    def flush(self) -> None:
        if self.file is not None:
            self.file.flush()

    def close(self) -> None:
        if self.file is not None:
            self.file.close()


def _csv(record: Record, reason: str) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([record.number, reason])
    return f"{line.getvalue()},{record.raw.rstrip(chr(10)).rstrip(chr(13))}\n"
