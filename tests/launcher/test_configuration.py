import pytest

from launcher.configuration import Configuration
from launcher.errors import StartRefused


def read(project, dotenv, **environment):
    (project / ".env").write_text(dotenv, encoding="utf-8")
    return Configuration.read(project, environment)


def test_dotenv_is_honoured(tmp_path):
    found = read(tmp_path, "DATABASE_URL=postgres://a@b/c\nWEB_PORT='8123'\n# CIS_PORT=1\nexport HEADEND_PORT=8124\n")
    assert found.get("DATABASE_URL") == "postgres://a@b/c"
    assert (found.web_port, found.cis_port, found.headend_port) == (8123, 8101, 8124)


def test_the_real_environment_wins_over_dotenv(tmp_path):
    assert read(tmp_path, "WEB_PORT=8123\n", WEB_PORT="9000").web_port == 9000


def test_an_empty_value_counts_as_not_set(tmp_path):
    found = read(tmp_path, "DATABASE_URL=\nWEB_PORT=\n")
    assert found.get("DATABASE_URL") == ""
    assert found.web_port == 8000


def test_no_dotenv_is_needed(tmp_path):
    assert Configuration.read(tmp_path, {}).web_url == "http://127.0.0.1:8000"


@pytest.mark.parametrize("text", ["eight", "0", "65536", "-1", "80.5", "８０"])
def test_a_port_that_is_none_is_refused(text):
    with pytest.raises(StartRefused) as refusal:
        _ = Configuration({"WEB_PORT": text}).web_port
    assert str(refusal.value) == f"WEB_PORT={text} is not a whole number from 1 to 65535."
    assert refusal.value.status == 2


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("192.0.2.7", "http://192.0.2.7:8000"),
    ],
)
def test_the_web_url_is_one_that_can_be_called(host, url):
    assert Configuration({"WEB_HOST": host}).web_url == url
