"""Server certificates by host name: which one a visitor is shown, and who is asked for a certificate."""

import ssl
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest
from cryptography import x509

from gatekeeper.acme.tls_alpn import challenge_certificate
from gatekeeper.errors import BindingError, ConfigurationError
from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.verdict import NO_PEER
from gatekeeper.tls.build import build_context
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.context import ServerContext, new_ssl_context
from gatekeeper.tls.files import Ordered, ServerFiles, TrustFiles
from gatekeeper.tls.server_names import NamedCertificate, ServerNames
from tests.certificates import DAY, NOW, Holder, make, make_authority, make_client, named
from tests.tls.building import built
from tests.tls.scene import VERSIONS, Scene, Visitor, resumed

both = pytest.mark.parametrize("version", VERSIONS)


def server(*names: str) -> Holder:
    """A server certificate for these names."""
    return make(named("a server"), extensions=[(x509.SubjectAlternativeName([*map(x509.DNSName, names)]), False)])


def files(folder: Path, index: int, holder: Holder, *, ask: bool = True) -> ServerFiles:
    return ServerFiles(f"server.certificates[{index}]", *holder.write(folder, f"named-{index}"), ask=ask)


def shown(
    context: ServerContext, name: str | None, version: ssl.TLSVersion = VERSIONS[1], alpn: Sequence[str] = ()
) -> x509.Certificate:
    """The certificate that a visitor gets who asks for this host."""
    visitor = Visitor(version=version, server_name=name, alpn=alpn)
    visitor.shake_hands(TLSConnection(context))
    der = visitor.tls.getpeercert(True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


@both
def test_a_visitor_is_shown_the_certificate_of_its_host(scene: Scene, version: ssl.TLSVersion) -> None:
    """An exact name comes before a wildcard, in any order of the file; whoever names no host gets the default."""
    wild, exact = server("*.example.org", "example.org"), server("a.example.org")
    for order in ((wild, exact), (exact, wild)):
        context = scene.gate(certificates=[files(scene.folder, at, one) for at, one in enumerate(order)])
        assert shown(context, "a.example.org", version) == exact.certificate
        assert shown(context, "B.EXAMPLE.ORG", version) == wild.certificate
        assert shown(context, "example.org", version) == wild.certificate
        assert shown(context, "c.b.example.org", version) == scene.server.certificate
        assert shown(context, "gate.example.com", version) == scene.server.certificate
        assert shown(context, None, version) == scene.server.certificate


def test_an_exact_name_of_the_default_certificate_comes_before_a_wildcard(scene: Scene) -> None:
    """gate.example.com stands in the default certificate."""
    context = scene.gate(certificates=[files(scene.folder, 0, server("*.example.com"))])
    assert shown(context, "gate.example.com") == scene.server.certificate


@both
def test_visitors_of_an_unasked_name_are_not_asked(scene: Scene, version: ssl.TLSVersion) -> None:
    """They send no certificate, though they have one; on another name of the same gate they are asked and known."""
    public = server("public.example.org")
    context = scene.gate(certificates=[files(scene.folder, 0, public, ask=False)])
    alice = make_client("alice", scene.authority)
    for name, leaf in (("public.example.org", None), ("gate.example.com", alice.der)):
        connection = TLSConnection(context)
        Visitor(alice, version, server_name=name).shake_hands(connection)
        assert connection.established
        assert connection.peer.leaf == leaf
        assert connection.peer.errors == ()


def test_visitors_of_the_default_certificate_are_always_asked(scene: Scene) -> None:
    """Even if the first certificate says otherwise: it is shown to everybody who names no known host."""
    (scene.folder / "authority.crt").write_bytes(scene.authority.certificate_pem)
    certificates = (files(scene.folder, 0, server("a.example.org"), ask=False), files(scene.folder, 1, scene.server))
    context = build_context(certificates, TrustFiles([scene.folder / "authority.crt"]), now=time.time())
    alice, connection = make_client("alice", scene.authority), TLSConnection(context)
    Visitor(alice, server_name="elsewhere.example").shake_hands(connection)
    assert connection.peer.leaf == alice.der


@both
def test_a_visitor_of_a_further_certificate_is_verified(scene: Scene, version: ssl.TLSVersion) -> None:
    """By the same authorities: a good certificate leads to one, a foreign one is seen, none is none."""
    context = scene.gate(certificates=[files(scene.folder, 0, server("b.example.org"))])
    alice, mallory = make_client("alice", scene.authority), make_client("mallory", make_authority("Home CA"))
    peers = []
    for holder in (alice, mallory, None):
        connection = TLSConnection(context)
        Visitor(holder, version, server_name="b.example.org").shake_hands(connection)
        peers.append(connection.peer)
    assert (peers[0].verified, peers[0].errors) == ((scene.authority.der,), ())
    assert peers[1].errors
    assert peers[2] == NO_PEER


def test_a_session_is_resumed_on_a_further_certificate(scene: Scene) -> None:
    """The visitor is known by its own certificate again."""
    more = files(scene.folder, 0, server("b.example.org"))
    context = scene.gate(session_resumption=True, certificates=[more])
    alice = Visitor(make_client("alice", scene.authority), server_name="b.example.org")
    first = TLSConnection(context)
    alice.shake_hands(first)
    first.keep_session()
    alice.hear(first.send(b"hello"))
    alice.connect(alice.tls.session)
    again = TLSConnection(context)
    alice.shake_hands(again)
    assert resumed(again)
    assert again.peer == first.peer


def test_the_authorities_are_announced_on_further_certificates(scene: Scene) -> None:
    """So that a browser offers the same certificates as elsewhere (RFC 5246, 7.4.4)."""
    connection = TLSConnection(scene.gate(certificates=[files(scene.folder, 0, server("b.example.org"))]))
    said = Visitor(version=VERSIONS[0], server_name="b.example.org").shake_hands(connection)
    assert scene.authority.certificate.subject.public_bytes() in said


def mistakes(scene: Scene, *holders: Holder) -> list[tuple[str, str]]:
    with pytest.raises(ConfigurationError) as caught:
        scene.gate(certificates=[files(scene.folder, at, holder) for at, holder in enumerate(holders)])
    return [(one.key, one.message.replace(f"{scene.folder}/", "")) for one in caught.value.mistakes]


def test_a_name_in_two_certificates_is_a_mistake(scene: Scene) -> None:
    """Of the further ones, and of the default: the order in the file is no way to choose."""
    assert mistakes(scene, server("a.example.org", "b.example.org"), server("B.example.org")) == [
        (
            "server.certificates[1].certificate",
            "carries b.example.org, as server.certificates[0].certificate does; one of the two has to go",
        )
    ]
    assert mistakes(scene, server("gate.example.com")) == [
        (
            "server.certificates[0].certificate",
            "carries gate.example.com, as server.certificate does; one of the two has to go",
        )
    ]


def test_a_further_certificate_without_a_name_is_a_mistake(scene: Scene) -> None:
    """Nobody could ask for it."""
    key = "server.certificates[0].certificate"
    sentence = "named-0.crt carries no host name (subjectAltName), so no visitor would get it"
    assert mistakes(scene, make(named("old.example.org"))) == [(key, sentence)]


def test_what_is_wrong_with_a_further_certificate_is_told_by_its_key(scene: Scene) -> None:
    """As for the default, with the index of the table."""
    one, other = server("a.example.org"), server("b.example.org")
    certificate, _ = one.write(scene.folder, "one")
    _, key = other.write(scene.folder, "other")
    with pytest.raises(ConfigurationError) as caught:
        scene.gate(certificates=[ServerFiles("server.certificates[0]", certificate, key)])
    assert [mistake.key for mistake in caught.value.mistakes] == ["server.certificates[0].key"]


def test_a_further_certificate_that_ends_soon_is_warned_of(scene: Scene) -> None:
    """As the default is."""
    old = make(
        named("old"),
        starts=NOW - 80 * DAY,
        ends=NOW + DAY,
        extensions=[(x509.SubjectAlternativeName([x509.DNSName("old.example.org")]), False)],
    )
    (warning,) = scene.gate(certificates=[files(scene.folder, 0, old)]).warnings
    assert warning.startswith("the server's certificate CN=old")


def test_without_openssls_functions_everybody_is_asked(scene: Scene) -> None:
    """Which is no harm, and said; the certificate is the host's all the same."""

    def no_binding() -> NoReturn:
        raise BindingError("for a test")

    public = server("public.example.org")
    context = scene.gate(binding=no_binding, certificates=[files(scene.folder, 0, public, ask=False)])
    assert "every visitor is asked for a certificate, also where ask is false" in context.warnings
    assert shown(context, "public.example.org") == public.certificate


def names_of(*holders: Holder) -> ServerNames:
    context = new_ssl_context()
    return ServerNames(tuple(NamedCertificate("", context, read_certificate(one.der)) for one in holders))


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("a.example.org", 1),
        ("a.example.org.", 1),
        ("A.Example.Org", 1),
        ("b.example.org", 2),
        (".example.org", 0),
        ("*.example.org", 2),
        ("example.org", 0),
        ("x.y.example.org", 0),
        ("org", 0),
        ("", 0),
        (None, 0),
    ],
)
def test_the_certificate_for_a_name(name: str | None, index: int) -> None:
    """A wildcard stands for one label, and not for an empty one (RFC 9525, 6.3)."""
    names = names_of(server("gate.example.com"), server("a.example.org"), server("*.example.org"))
    assert names.all.index(names.find(name)) == index


def answers(scene: Scene, *names: str) -> Callable[[str], Path | None]:
    """The answers to tls-alpn-01 challenges for these names."""
    files = {name: scene.folder / f"challenge-{name}.pem" for name in names}
    for name, path in files.items():
        path.write_bytes(challenge_certificate(name, bytes(32)))
    return files.get


@both
@pytest.mark.parametrize("hello", ["acme-tls/1", "h2 http/1.1", "http/1.1 acme-tls/1", "acme-tls/1 http/1.1", "acme"])
def test_a_challenge_is_answered_to_who_offers_its_protocol_alone(
    scene: Scene, version: ssl.TLSVersion, hello: str
) -> None:
    """RFC 8737, 3; every other visitor meets the usual certificate, and is asked for its own, while it lasts."""
    context = scene.gate(challenges=answers(scene, "gate.example.com"))
    alice = make_client("alice", scene.authority)
    visitor = Visitor(alice, version, server_name="gate.example.com", alpn=hello.split())
    connection = TLSConnection(context)
    visitor.shake_hands(connection)
    certificate = x509.load_der_x509_certificate(visitor.tls.getpeercert(True) or b"")
    if hello == "acme-tls/1":
        assert certificate.subject == named("gatekeeper")
        assert (connection.alpn, visitor.tls.selected_alpn_protocol()) == ("acme-tls/1", "acme-tls/1")
        assert connection.peer == NO_PEER
    else:
        assert certificate == scene.server.certificate
        assert connection.alpn in ("http/1.1", None)
        assert connection.peer.leaf == alice.der


def test_a_challenge_is_for_one_name(scene: Scene) -> None:
    """For another one, and when it is over, there is nothing special to see; a damaged file is as good as none."""
    challenges = answers(scene, "gate.example.com")
    context = scene.gate(challenges=challenges)
    for name in ("b.example.org", None):
        assert shown(context, name, alpn=["acme-tls/1"]) == scene.server.certificate
    path = challenges("gate.example.com")
    assert path is not None
    path.write_bytes(b"damaged")
    assert shown(context, "gate.example.com", alpn=["acme-tls/1"]) == scene.server.certificate
    path.unlink()
    assert shown(context, "gate.example.com", alpn=["acme-tls/1"]) == scene.server.certificate


def test_challenges_need_openssls_functions(scene: Scene) -> None:
    """Without them nobody knows what a client offers; that is said, and not found out by failing orders."""

    def no_binding() -> NoReturn:
        raise BindingError("it is not there")

    with pytest.raises(ConfigurationError) as caught:
        scene.gate(binding=no_binding, challenges=answers(scene))
    (mistake,) = caught.value.mistakes
    assert (mistake.key, mistake.message) == ("acme.challenge", "cannot be tls-alpn-01, because it is not there")


def test_a_placeholder_stands_in_until_there_is_a_certificate(scene: Scene, tmp_path: Path) -> None:
    """A self-signed one for the same names, with a warning; a file that is there counts, right or wrong."""
    file = tmp_path / "certificate.pem"
    arguments: dict[str, Any] = {
        "certificate": file,
        "key": file,
        "ca": [scene.folder / "authority.crt"],
        "now": 0.0,
    }
    names = ("gate.example.com", "192.0.2.1")
    (scene.folder / "authority.crt").write_bytes(scene.authority.certificate_pem)
    context = built(**arguments, ordered=Ordered(names, b""))
    assert shown(context, None).subject == named("gatekeeper")
    assert "there is no " in context.warnings[0]
    real = server("gate.example.com")
    content = real.key_pem() + real.certificate_pem
    assert shown(built(**arguments, ordered=Ordered(names, content)), None) == real.certificate
    for wrong in (b"damaged", real.certificate_pem, server("gate.example.com").key_pem() + real.certificate_pem):
        with pytest.raises(ConfigurationError) as caught:
            built(**arguments, ordered=Ordered(names, wrong))
        assert [mistake.key for mistake in caught.value.mistakes] == ["acme.folder"]


def ordered(folder: Path, index: int, holder: Holder | None, *names: str, ask: bool = True) -> ServerFiles:
    """A certificate that the gate orders for these names, and what it has of it so far."""
    content = holder.key_pem() + holder.certificate_pem if holder is not None else b""
    path = folder / f"certificate-{index}.pem"
    return ServerFiles(f"server.certificates[{index}]", path, path, ask=ask, ordered=Ordered(names, content))


def test_the_names_of_an_ordered_certificate_are_those_of_its_order(scene: Scene) -> None:
    """Before it has come, and where the one that is there was ordered for others: a name that has moved is not carried
    twice, and visitors who are never asked are not asked meanwhile.
    """
    old = server("a.example.org", "b.example.org")
    first = ordered(scene.folder, 0, old, "a.example.org")
    second = ordered(scene.folder, 1, None, "B.example.org", "192.0.2.1", ask=False)
    context = scene.gate(certificates=[first, second])
    assert [one.names for one in context.names.all[1:]] == [("a.example.org",), ("b.example.org",)]
    assert shown(context, "a.example.org") == old.certificate
    assert shown(context, "b.example.org").subject == named("gatekeeper")
    assert [context.names.asks(name) for name in ("a.example.org", "b.example.org")] == [True, False]


def test_orders_that_nobody_could_get_are_mistakes(scene: Scene) -> None:
    """A name in two of them, and one without any: no client asks for an address by name (RFC 6066, 3)."""
    orders = [("a.example.org",), ("b.example.org", "a.example.org"), ("192.0.2.1", "2001:db8::1")]
    with pytest.raises(ConfigurationError) as caught:
        scene.gate(certificates=[ordered(scene.folder, at, None, *names) for at, names in enumerate(orders)])
    assert [(one.key, one.message) for one in caught.value.mistakes] == [
        ("server.certificates[2].domains", "is for no host name (subjectAltName), so no visitor would get it"),
        (
            "server.certificates[1].domains",
            "carries a.example.org, as server.certificates[0].domains does; one of the two has to go",
        ),
    ]
