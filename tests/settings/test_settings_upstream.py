"""The tables that describe apps."""

from pathlib import Path

import pytest

from tests.configurations import CLIENT_AUTH, SERVER, UPSTREAM, loaded, mistakes

HTTPS = '[upstream]\nurl = "https://a"\n'


@pytest.mark.parametrize(
    ("upstream", "sentence"),
    [
        (UPSTREAM + 'urls = ["http://a"]\n', "holds both url and urls; keep one of them"),
        ("[upstream]\n", "names no endpoint; write url ="),
        ("[upstream]\nurls = []\n", "names no endpoint; write url ="),
        ('[upstream]\nurls = ["static:a", "http://b"]\n', "lists static: among several urls"),
        ('[upstream]\nurls = ["h2c://a", "http://b"]\n', "mixes h2c:// or h2:// with other URLs"),
        ('[upstream]\nurls = ["h2c://a", "h2://b"]\n', "mixes h2c:// or h2:// with other URLs"),
        ('[upstream]\nurl = "static:a"\nlenient = true\n', "has lenient, which means nothing for a static: upstream"),
        ('[upstream]\nurl = "static:a"\nrequest_buffering = true\n', "has request_buffering, which means nothing for"),
        ('[upstream]\nurl = "static:a"\nupgrades = ["tcp"]\n', "has upgrades, which means nothing for a static:"),
        ('[upstream]\nurl = "h2c://a"\nlenient = true\n', "has lenient, which only means something for HTTP/1.1"),
        ('[upstream]\nurl = "h2c://a"\nupgrades = ["tcp"]\n', "has upgrades, but over HTTP/2 an app cannot switch"),
        ('[upstream]\nurl = "h2c://a"\nca = "a"\n', "has ca, which only means something for"),
        (HTTPS + 'certificate = "a"\n', "needs certificate and key together"),
        (HTTPS + 'key = "a"\n', "needs certificate and key together"),
        (UPSTREAM + 'ca = "a"\n', "has ca, which only means something for an https:// or h2:// upstream"),
        (UPSTREAM + 'certificate = "a"\nkey = "b"\n', "has certificate, which only means something for an https://"),
        (
            UPSTREAM + 'server_name = "a"\n',
            "has server_name, which only means something for an https:// or h2:// upstream",
        ),
        (
            UPSTREAM + "unsafe_skip_verify = true\n",
            "has unsafe_skip_verify, which only means something for an https://",
        ),
        (UPSTREAM + 'fallback = "index.html"\n', "has fallback, which only means something for a static: upstream"),
        (UPSTREAM + 'cache_control = "no-store"\n', "has cache_control, which only means something for a static:"),
    ],
)
def test_an_upstream_that_contradicts_itself(tmp_path: Path, upstream: str, sentence: str) -> None:
    """A key that can have no effect is a misunderstanding, so it is not passed over."""
    (found,) = mistakes(tmp_path, SERVER + CLIENT_AUTH + upstream)
    assert found.startswith(f"line 6: upstream: {sentence}")


@pytest.mark.parametrize("name", ["ca", "server_name"])
def test_https_keys_belong_to_https_upstreams(tmp_path: Path, name: str) -> None:
    """Beside an https:// URL they are taken."""
    assert loaded(tmp_path, SERVER + CLIENT_AUTH + HTTPS + f'{name} = "a"\n')


@pytest.mark.parametrize("name", ["/index.html", "../index.html", "a/../b", ".env", "a//b", "a/", "a b"])
def test_a_fallback_is_a_file_below_the_folder(tmp_path: Path, name: str) -> None:
    """As it could be asked for."""
    (found,) = mistakes(tmp_path, SERVER + CLIENT_AUTH + f'[upstream]\nurl = "static:a"\nfallback = "{name}"\n')
    assert "upstream.fallback: should be a file in the folder" in found
