"""One HTTP answer, however it is framed and in whatever pieces it comes; what is in doubt is refused."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.http_answer import Answer, AnswerReader, GarbledAnswer

LIMIT = 64 * 1024
BODY = b'{"echoCode": "0000"}'
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n" + BODY
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\n" + BODY[:5] + b"\r\nF;name=value\r\n" + BODY[5:] + b"\r\n0\r\nTrailer: x\r\n\r\n"
)
WHOLE = [
    (PLAIN, 200, True),
    (PLAIN.replace(b"\r\n", b"\n"), 200, True),
    (PLAIN.replace(b"200 OK", b"500"), 500, True),
    (PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"), 200, False),
    (PLAIN.replace(b"Content-Type", b"Connection: keep-alive\r\nX").replace(b"HTTP/1.1", b"HTTP/1.0"), 200, True),
    (PLAIN.replace(b"Content-Type", b"Connection: Upgrade, Close\r\nX"), 200, False),
    (PLAIN.replace(b"Content-Type", b"Folded: a\r\n b\r\nX"), 200, True),
    (PLAIN.replace(b"\r\n\r\n", b"\r\nContent-Length: 20\r\n\r\n"), 200, True),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + PLAIN, 200, True),
    (CHUNKED, 200, True),
    (CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 7\r\n\r\n", 1), 200, False),
]


def read(pieces, *, limit=LIMIT):
    """The answer, the connection's fate, and how many pieces were left."""
    reader = AnswerReader(limit=limit)
    for place, piece in enumerate(pieces):
        answer = reader.feed(piece)
        if answer is not None:
            return answer, reader.keeps_alive, len(pieces) - place - 1
    return None, reader.keeps_alive, 0


@pytest.mark.parametrize(("text", "status", "keeps_alive"), WHOLE)
def test_an_answer_is_the_same_whole_and_byte_by_byte(text, status, keeps_alive):
    expected = (Answer(status, BODY, ""), keeps_alive, 0)
    assert read([text]) == expected
    assert read([text[place : place + 1] for place in range(len(text))]) == expected


@given(st.sampled_from(WHOLE), st.lists(st.integers(0, 300), max_size=6))
def test_an_answer_is_the_same_however_it_is_cut(case, cuts):
    text, status, keeps_alive = case
    places = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    pieces = [text[begin:end] for begin, end in pairwise(places)]
    answer, alive, _ = read(pieces)
    assert (answer, alive) == (Answer(status, BODY, ""), keeps_alive)


@given(st.binary(max_size=400))
def test_whatever_comes_is_an_answer_a_wait_or_refused(noise):
    for text in (noise, b"HTTP/1.1 200 OK\r\n" + noise, CHUNKED[:60] + noise):
        try:
            answer, _, _ = read([text])
        except ValueError:
            continue
        assert answer is None or len(answer.body) <= len(text)


def test_statuses_without_a_body_have_none():
    for status in (b"204", b"304"):
        assert read([b"HTTP/1.1 " + status + b" x\r\nContent-Length: 5\r\n\r\n"]) == (
            Answer(int(status), b"", ""),
            True,
            0,
        )


def test_the_encoding_is_told():
    text = PLAIN.replace(b"Content-Type", b"Content-Encoding: GZIP\r\nX")
    assert read([text])[0] == Answer(200, BODY, "gzip")


def test_what_follows_an_answer_ends_the_connection():
    assert read([PLAIN + b"HTTP/1.1 200 OK"]) == (Answer(200, BODY, ""), False, 0)


def test_without_a_length_the_answer_goes_on_until_the_connection_ends():
    reader = AnswerReader(limit=LIMIT)
    assert reader.feed(b"HTTP/1.1 200 OK\r\n\r\n" + BODY[:7]) is None
    assert reader.feed(BODY[7:]) is None
    assert (reader.end(), reader.keeps_alive) == (Answer(200, BODY, ""), False)


@pytest.mark.parametrize("text", [b"", b"HTTP/1.1 200 OK\r\n", PLAIN[:-1], CHUNKED[:-2]])
def test_an_end_that_comes_too_early_is_no_answer(text):
    reader = AnswerReader(limit=LIMIT)
    assert reader.feed(text) is None
    with pytest.raises(ConnectionResetError):
        reader.end()


@pytest.mark.parametrize(
    "text",
    [
        b"<html>\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 20_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 5_000,
    ],
)
def test_what_is_in_doubt_is_refused(text):
    with pytest.raises(GarbledAnswer):
        read([text])


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 65_537,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8000\r\n" + b"x" * 0x8000 + b"\r\n8001\r\n",
    ],
)
def test_an_answer_that_is_too_large_is_refused_as_soon_as_that_is_known(text):
    with pytest.raises(ValueError, match="answer larger than 64 KiB"):
        read([text])
