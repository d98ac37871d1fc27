"""What the tables of a configuration must not say together."""

import tomllib
from itertools import permutations
from pathlib import Path

import pytest

from gatekeeper.config.checks import contradictions
from gatekeeper.settings.certificate_order import CertificateOrder
from gatekeeper.settings.tables import Settings
from tests.configurations import CLIENT_AUTH, MINIMAL, SERVER, UPSTREAM, loaded, mistakes


def listening(*addresses: str, admin: str = "off") -> str:
    """The good configuration, on these addresses."""
    return f'{SERVER}listen = {list(addresses)}\n{CLIENT_AUTH}{UPSTREAM}[admin]\nlisten = "{admin}"\n'


COLLIDING = [
    ("0.0.0.0:8443", "0.0.0.0:8443"),
    ("0.0.0.0:8443", "127.0.0.1:8443"),
    ("[::]:8443", "[::1]:8443"),
    ("0.0.0.0:8443", "localhost:8443"),
    ("unix:/run/a", "unix:/run/a"),
]
APART = [
    ("0.0.0.0:8443", "[::]:8443"),
    ("127.0.0.1:8443", "127.0.0.1:8444"),
    ("127.0.0.1:8443", "127.0.0.2:8443"),
    ("127.0.0.1:0", "127.0.0.1:0"),
    ("unix:/run/a", "unix:/run/b"),
    ("unix:/run/a", "127.0.0.1:8443"),
]


@pytest.mark.parametrize("pair", COLLIDING)
def test_an_address_can_be_listened_on_once(tmp_path: Path, pair: tuple[str, str]) -> None:
    """All addresses of a family include each one; said before the port is found to be in use."""
    for first, second in permutations(pair):
        assert mistakes(tmp_path, listening(first, second)) == [
            f"line 4: server.listen: {first} and {second} overlap; the gate cannot listen on both"
        ]


@pytest.mark.parametrize("pair", APART)
def test_other_addresses_do_not_meet(tmp_path: Path, pair: tuple[str, str]) -> None:
    """IPv6 listeners are for IPv6 only; port 0 is a new one each time."""
    for first, second in permutations(pair):
        assert loaded(tmp_path, listening(first, second))
        assert loaded(tmp_path, listening(first, admin=second))


@pytest.mark.parametrize("pair", COLLIDING)
def test_the_admin_listener_is_not_where_visitors_come(tmp_path: Path, pair: tuple[str, str]) -> None:
    """It speaks plain HTTP and asks nobody who they are."""
    for first, second in permutations(pair):
        assert mistakes(tmp_path, listening(first, admin=second)) == [
            f"line 10: admin.listen: {second} is taken by server.listen ({first})"
        ]


def test_the_defaults_are_checked_too(tmp_path: Path) -> None:
    """A server on the admin listener's default address collides though no [admin] is written."""
    text = SERVER + 'listen = "0.0.0.0:9000"\n' + CLIENT_AUTH + UPSTREAM
    assert mistakes(tmp_path, text) == ["admin.listen: 127.0.0.1:9000 is taken by server.listen (0.0.0.0:9000)"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            SERVER + 'min_tls = "1.3"\nmax_tls = "1.2"\n' + CLIENT_AUTH + UPSTREAM,
            "line 5: server.max_tls: is older than server.min_tls (1.3), so nobody could connect",
        ),
        (
            SERVER + 'min_tls = "1.3"\nciphers = "HIGH"\n' + CLIENT_AUTH + UPSTREAM,
            "line 5: server.ciphers: has no effect while server.min_tls is 1.3; see server.ciphersuites",
        ),
        (
            SERVER + 'max_tls = "1.2"\nciphersuites = "TLS_AES_128_GCM_SHA256"\n' + CLIENT_AUTH + UPSTREAM,
            "line 5: server.ciphersuites: has no effect while server.max_tls is 1.2; see server.ciphers",
        ),
        (SERVER + 'group = "g"\n' + CLIENT_AUTH + UPSTREAM, "line 4: server.group: has no effect without server.user"),
        (
            SERVER + CLIENT_AUTH + 'crl_stale = "allow"\n' + UPSTREAM,
            "line 6: client_auth.crl_stale: has no effect without client_auth.crl",
        ),
        (
            SERVER + CLIENT_AUTH + 'ocsp_responder = "http://a"\n' + UPSTREAM,
            'line 6: client_auth.ocsp_responder: has no effect while client_auth.ocsp is "off"',
        ),
        (
            SERVER + CLIENT_AUTH + 'ocsp_on_failure = "allow"\n' + UPSTREAM,
            'line 6: client_auth.ocsp_on_failure: has no effect while client_auth.ocsp is "off"',
        ),
        (
            SERVER + CLIENT_AUTH,
            'upstream: is missing; write [upstream] and below it, for example: url = "http://127.0.0.1:8000"',
        ),
        (
            SERVER + CLIENT_AUTH + '[upstreams.api]\nurl = "http://a"\n',
            "upstream: is missing; without [[routes]] every visitor goes there",
        ),
        (
            MINIMAL + '[upstreams.default]\nurl = "http://a"\n',
            "line 8: upstreams.default: is written as [upstream]",
        ),
        (
            MINIMAL + '[upstreams.api]\nurl = "http://a"\n[[routes]]\nupstream = "apis"\n',
            'line 11: routes[0].upstream: there is no upstream named "apis"; did you mean "api"?',
        ),
        (
            SERVER + CLIENT_AUTH + '[upstreams.api]\nurl = "http://a"\n[[routes]]\nupstream = "api"\n[[routes]]\n',
            'line 10: routes[1].upstream: there is no upstream named "default"',
        ),
        (
            MINIMAL + '[[routes]]\npath = "/*"\n[[routes]]\npath = "/admin/*"\n',
            "line 10: routes[1]: is never reached: routes[0] comes before it and matches everything that it matches",
        ),
        (
            MINIMAL + '[identity]\nheaders = ["nginx", "xfcc", "nginx"]\n',
            'line 9: identity.headers[2]: "nginx" is already listed',
        ),
        (
            MINIMAL + '[identity]\ncustom = { "X-Real-IP" = "{cn}" }\n',
            "line 9: identity.custom.X-Real-IP: is a header that gatekeeper itself sets or removes; choose another",
        ),
        (
            MINIMAL + '[identity.custom]\n"x-ssl.client-verify" = "{cn}"\n',
            'line 9: identity.custom."x-ssl.client-verify": is a header that gatekeeper itself sets or removes; '
            "choose another",
        ),
        (
            MINIMAL + '[identity]\npass = ["X-Device"]\n',
            'line 9: identity.pass[0]: "X-Device" is not in the list of other proxies\' headers',
        ),
        (
            MINIMAL + '[identity]\npass = ["X-SSL-Client-*"]\n',
            'line 9: identity.pass[0]: "X-SSL-Client-*" is a header that gatekeeper itself sets or removes',
        ),
        (
            MINIMAL + '[identity]\nstrip = ["Remote-Email"]\npass = ["Remote-Email"]\n',
            'line 10: identity.pass[0]: "Remote-Email" stands in identity.strip too',
        ),
        (
            MINIMAL + '[identity]\nstrip = ["X-Corp", "X-Real-IP"]\n',
            'line 9: identity.strip[1]: "X-Real-IP" is a header that gatekeeper itself sets or removes, so it '
            "has no effect here",
        ),
        (
            MINIMAL + '[identity]\nstrip = ["X-Forwarded-*"]\n',
            'line 9: identity.strip[0]: "X-Forwarded-*" is a header that gatekeeper itself sets or removes, so it '
            "has no effect here",
        ),
        (
            MINIMAL + '[identity]\nstrip = ["Host"]\n',
            "line 9: identity.strip[0]: is set by gatekeeper itself",
        ),
        (
            MINIMAL + '[identity]\nstrip = ["X*"]\n',
            "line 9: identity.strip[0]: should be the name of a header, or the beginning of names and a star, such as "
            '"X-Corp-*"; got "X*"',
        ),
        *(
            (
                MINIMAL + f'[identity.custom]\nX-Device = "{{cn}}"\n{name} = "{{cn}}"\n',
                f"line 10: identity.custom.{name}: would replace a header of the request itself; choose another",
            )
            for name in ("Cookie", "Content-Type", "Range", "Sec-WebSocket-Protocol")
        ),
        (
            MINIMAL + '[identity.custom]\n"X-Device" = "{cn}"\n"x.device" = "{ou}"\n',
            'line 10: identity.custom."x.device": is "X-Device" to many apps, and is already listed',
        ),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    """A key without effect is a misunderstanding; a name that leads nowhere is a mistake."""
    assert sentence in mistakes(tmp_path, text)


def test_what_goes_together_is_not_complained_about() -> None:
    """Routes to every upstream, and revocation keys with what they need."""
    text = SERVER + 'user = "u"\ngroup = "g"\n' + CLIENT_AUTH + 'crl = "a"\ncrl_stale = "allow"\nocsp = "leaf"\n'
    text += 'ocsp_responder = "http://a"\nocsp_on_failure = "allow"\n[upstreams.api]\nurl = "http://a"\n'
    text += '[[routes]]\nupstream = "api"\n[identity.custom]\nAuthorization = "Bearer {cn}"\nRemote-Groups = "{ou}"\n'
    assert list(contradictions(dict(Settings.model_validate(tomllib.loads(text))))) == []


def test_a_host_has_its_own_authorities_once(tmp_path: Path) -> None:
    """Two tables for one host would leave open which counts."""
    tables = "".join(f'[[client_auth.hosts]]\nhosts = {hosts}\nca = "x.crt"\n' for hosts in ('["a", "b"]', '"b"'))
    found = mistakes(tmp_path, SERVER + CLIENT_AUTH + tables + UPSTREAM)
    assert found == ["line 10: client_auth.hosts[1].hosts: b stands in hosts[0] too"]


ACME = '[acme]\naccept_terms = true\nfolder = "acme"\n'


def test_the_gate_may_order_its_certificate(tmp_path: Path) -> None:
    """Then no file is named; without [acme], or with one half of a pair, both are missing as ever."""
    whole = '[server]\nredirect = "0.0.0.0:80"\n' + CLIENT_AUTH + UPSTREAM + ACME + 'domains = ["gate.example.com"]\n'
    settings = loaded(tmp_path, whole).settings
    assert (settings.server.certificate, settings.orders) == (None, (CertificateOrder(("gate.example.com",)),))
    half = whole.replace("[server]\n", '[server]\nkey = "a.key"\n')
    assert mistakes(tmp_path, half) == [
        'line 1: server.certificate: is missing; write for example: certificate = "fullchain.pem"'
    ]


def test_the_names_of_an_order_are_those_of_the_routes_where_it_has_none(tmp_path: Path) -> None:
    """Each once; where there are none either, nothing could be ordered."""
    start = '[server]\nredirect = "0.0.0.0:80"\n' + CLIENT_AUTH + UPSTREAM + ACME
    routes = '[[routes]]\nhosts = ["b", "a"]\npath = "/x"\n[[routes]]\nhosts = "a"\n'
    assert loaded(tmp_path, start + routes).settings.orders == (CertificateOrder(("b", "a")),)
    assert mistakes(tmp_path, start) == [
        "line 7: acme.domains: is missing, and no route has hosts that could be taken instead"
    ]


FURTHER = '[[server.certificates]]\ndomains = ["www", "m"]\nask = false\n'
"""Written below [server]: a certificate of its own, ordered too."""


def test_further_certificates_are_ordered_too(tmp_path: Path) -> None:
    """Each by the first of its names; the hosts of routes that are left make the first certificate."""
    start = '[server]\nredirect = "0.0.0.0:80"\n' + FURTHER + CLIENT_AUTH + UPSTREAM + ACME
    routes = '[[routes]]\nhosts = ["a", "www"]\npath = "/x"\n[[routes]]\nhosts = "m"\npublic = true\n'
    further = CertificateOrder(("www", "m"), "www")
    assert loaded(tmp_path, start + routes).settings.orders == (CertificateOrder(("a",)), further)
    assert mistakes(tmp_path, start + routes.replace('"a", ', "")) == [
        "line 10: acme.domains: is missing, and no route has hosts that could be taken instead"
    ]
    own = start.replace("[server]\n", '[server]\ncertificate = "a.crt"\nkey = "a.key"\n')
    assert loaded(tmp_path, own).settings.orders == (further,)


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ('domains = "a"', "[0].domains: needs [acme], which orders the certificate"),
        ("ask = false", "[0]: should have certificate and key, or domains for [acme] to order"),
        ('certificate = "a.crt"', "[0]: should have certificate and key, or domains for [acme] to order"),
        (
            'domains = "a"\nkey = "a.key"',
            "[0]: has domains, so [acme] orders it; leave out certificate, key and key_passphrase_file",
        ),
    ],
)
def test_a_further_certificate_has_one_source(tmp_path: Path, entry: str, sentence: str) -> None:
    """Two files, or an order."""
    text = SERVER + f"[[server.certificates]]\n{entry}\n" + CLIENT_AUTH + UPSTREAM
    (mistake,) = mistakes(tmp_path, text)
    assert mistake.endswith(f"server.certificates{sentence}")


def test_http_01_needs_the_port_that_it_is_asked_on(tmp_path: Path) -> None:
    """tls-alpn-01 does not."""
    whole = "[server]\n" + CLIENT_AUTH + UPSTREAM + ACME + 'domains = ["gate.example.com"]\n'
    assert mistakes(tmp_path, whole) == [
        'line 6: acme.challenge: needs port 80 for http-01: write redirect = "0.0.0.0:80" in [server]'
    ]
    assert loaded(tmp_path, whole + 'challenge = "tls-alpn-01"\n').settings.acme is not None


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("accept_terms = false", "has accept_terms = false; no directory issues certificates without it"),
        ('directory = "http://ca.example/dir"', "names a directory without https:// (RFC 8555, 6.1)"),
    ],
)
def test_what_no_directory_takes_is_said_at_once(tmp_path: Path, line: str, sentence: str) -> None:
    """Before anything is ordered."""
    acme = ACME if "accept" not in line else ACME.replace("accept_terms = true\n", "")
    text = MINIMAL + f'{acme}domains = "gate.example.com"\nchallenge = "tls-alpn-01"\n{line}\n'
    (mistake,) = mistakes(tmp_path, text)
    assert mistake.endswith(f"acme: {sentence}")


def test_listeners_for_plain_http_are_apart_from_the_others(tmp_path: Path) -> None:
    """The same address cannot be opened twice."""
    server = SERVER + 'listen = "0.0.0.0:8443"\nredirect = ["127.0.0.1:8443", "0.0.0.0:9000", "[::]:80"]\n'
    assert mistakes(tmp_path, server + CLIENT_AUTH + UPSTREAM) == [
        "admin.listen: 127.0.0.1:9000 is taken by server.redirect (0.0.0.0:9000)",
        "line 5: server.redirect: 127.0.0.1:8443 is taken by server.listen (0.0.0.0:8443)",
    ]
