"""``server.ciphers``, ``server.ciphersuites`` and ``server.groups``: what is taken, what is a mistake, what is weak."""

import re
import ssl
import subprocess
from contextlib import nullcontext, suppress
from typing import Any

import pytest

from gatekeeper.errors import BindingError, ConfigurationError, TLSError
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.files import ServerFiles
from gatekeeper.tls.openssl import OpenSSL, load_libssl
from gatekeeper.tls.proof import prove_service
from gatekeeper.tls.suites import Suites
from tests.certificates import make_client, make_server
from tests.gate_process import PATIENCE
from tests.tls.scene import VERSIONS, Scene, Visitor
from tests.tls.test_tls_s_client import Door as OtherDoor
from tests.tools import needs

TLS12, TLS13 = VERSIONS
ECDSA = "ECDHE-ECDSA-AES128-GCM-SHA256"
NO_GROUP = "NIST-7"


def suites(ciphers: str = "", ciphersuites: str = "", groups: str = "") -> Suites:
    return Suites.read([ciphers], [ciphersuites], [groups])


def mistakes(scene: Scene, given: Suites, **more: Any) -> list[tuple[str, str]]:
    with pytest.raises(ConfigurationError) as wrong:
        scene.gate(suites=given, **more)
    return [(mistake.key, mistake.message) for mistake in wrong.value.mistakes]


class Door(OtherDoor):
    """One that a visitor may leave without a handshake."""

    def run(self) -> None:
        with suppress(TLSError, OSError):
            super().run()


def asked_by_s_client(scene: Scene, given: Suites, *options: str) -> str:
    """What `openssl s_client` prints about its connection; "" if there is none."""
    needs("openssl")
    door = Door(scene.gate(suites=given))
    door.start()
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{door.port}", "-ign_eof", *options]
    ran = subprocess.run(command, input="hello\n", capture_output=True, text=True, timeout=PATIENCE)
    door.join(PATIENCE)
    return ran.stdout if "\nHELLO\n" in ran.stdout else ""


@pytest.mark.parametrize(
    ("given", "version", "suite"),
    [
        (suites(), "-tls1_2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        (suites(ciphers=ECDSA), "-tls1_2", ECDSA),
        (suites(ciphers=f"ECDHE-RSA-AES128-GCM-SHA256:{ECDSA}"), "-tls1_2", ECDSA),
        (suites(ciphers="ECDHE-ECDSA-AES128-SHA"), "-tls1_2", "ECDHE-ECDSA-AES128-SHA"),
        (suites(ciphersuites="TLS_AES_128_GCM_SHA256"), "-tls1_3", "TLS_AES_128_GCM_SHA256"),
        (suites(ciphersuites="TLS_CHACHA20_POLY1305_SHA256"), "-tls1_3", "TLS_CHACHA20_POLY1305_SHA256"),
    ],
)
def test_openssl_gets_a_suite_that_is_configured(scene: Scene, given: Suites, version: str, suite: str) -> None:
    """And no other, though it would like another better."""
    printed = asked_by_s_client(scene, given, version)
    assert re.search(rf"^New, [^,]*, Cipher is {suite}$", printed, re.MULTILINE), printed


@pytest.mark.parametrize(
    ("given", "options"),
    [
        (suites(ciphers=ECDSA), ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384")),
        (suites(ciphersuites="TLS_AES_128_GCM_SHA256"), ("-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384")),
        (suites(groups="P-384"), ("-tls1_3", "-groups", "X25519:P-256")),
        (suites(groups="P-384"), ("-tls1_2", "-groups", "P-256")),
    ],
)
def test_openssl_gets_nothing_with_others(scene: Scene, given: Suites, options: tuple[str, ...]) -> None:
    """Suites of both versions, and groups in both."""
    assert asked_by_s_client(scene, given, *options) == ""


@pytest.mark.parametrize("group", ["P-384", "P-521"])
def test_openssl_gets_a_group_that_is_configured(scene: Scene, group: str) -> None:
    """A client that has guessed another is told (RFC 8446, 4.1.4)."""
    printed = asked_by_s_client(scene, suites(groups=group), "-tls1_3", "-groups", f"X25519:{group}")
    assert re.search(rf"(Temp Key: ECDH, |TLS1\.3 group: )(secp|P-){group[2:]}", printed), printed


def test_the_other_certificates_have_the_same_suites(scene: Scene) -> None:
    """OpenSSL takes the suites of the context that the servername callback chose."""
    other = make_server("other.example.com", scene.authority).write(scene.folder, "other")
    gate = scene.gate(
        certificates=[ServerFiles("server.certificates[0]", *other)],
        suites=suites(ECDSA, "TLS_AES_128_GCM_SHA256"),
    )
    found = [{one["name"] for one in named.context.get_ciphers()} for named in gate.names.all]
    assert found == [{ECDSA, "TLS_AES_128_GCM_SHA256"}] * 2


@pytest.mark.parametrize(
    ("given", "key", "word"),
    [
        (suites(ciphers="FOO"), "server.ciphers", "FOO"),
        (suites(ciphers=f"{ECDSA}:ECDHE-ECDSA-AES128-GCM-SHA257"), "server.ciphers", "ECDHE-ECDSA-AES128-GCM-SHA257"),
        (suites(ciphers=f"{ECDSA},DES-CBC3-SHA"), "server.ciphers", "DES-CBC3-SHA"),
        (suites(ciphers=f"{ECDSA} !aNUL"), "server.ciphers", "!aNUL"),
        (suites(ciphers=f"{ECDSA}:-FOO"), "server.ciphers", "-FOO"),
        (suites(ciphers=f"{ECDSA}:ECDHE+FOO"), "server.ciphers", "ECDHE+FOO"),
        (suites(ciphers="RC4"), "server.ciphers", "RC4"),
        (suites(ciphers="TLS_AES_128_GCM_SHA256"), "server.ciphers", "TLS_AES_128_GCM_SHA256"),
        (suites(ciphersuites="TLS_AES_128_GCM_SHA257"), "server.ciphersuites", "TLS_AES_128_GCM_SHA257"),
        (
            suites(ciphersuites="TLS_AES_128_GCM_SHA256:TLS_AES_512_GCM_SHA512"),
            "server.ciphersuites",
            "TLS_AES_512_GCM_SHA512",
        ),
        (suites(ciphersuites=ECDSA), "server.ciphersuites", ECDSA),
        (suites(groups=NO_GROUP), "server.groups", NO_GROUP),
        (suites(groups=f"X25519:{NO_GROUP}"), "server.groups", NO_GROUP),
    ],
)
def test_an_unknown_name_is_a_mistake(scene: Scene, given: Suites, key: str, word: str) -> None:
    """OpenSSL would pass over it: a gate without what somebody relies on, and nobody would know."""
    ((found, sentence),) = mistakes(scene, given)
    assert found == key
    assert sentence.startswith(f"holds {word}, which OpenSSL ")
    assert sentence.endswith(" does not know")


def test_a_list_that_removes_all_is_a_mistake(scene: Scene) -> None:
    """Each of its words is known."""
    assert mistakes(scene, suites("HIGH:!HIGH")) == [("server.ciphers", "selects no suite that this OpenSSL has")]


def test_every_unknown_name_is_said_at_once(scene: Scene) -> None:
    """Under its key."""
    found = mistakes(scene, suites("FOO:BAR", "BAZ", NO_GROUP))
    keys = ["server.ciphers", "server.ciphers", "server.ciphersuites", "server.groups"]
    assert [key for key, _ in found] == keys


@pytest.mark.parametrize(
    "words", ["HIGH:!aNULL:!MD5", "ECDHE+AESGCM:!RC4:!3DES:!EXPORT:@STRENGTH", "EECDH+AESGCM,+SHA256"]
)
def test_what_people_write_for_nginx_is_taken(scene: Scene, words: str) -> None:
    """Names of suites that are no longer built may be removed."""
    assert scene.gate(suites=suites(words))


def test_a_group_that_may_be_unknown_is_left_out(scene: Scene) -> None:
    """One file for gates with and without post-quantum groups; what is known behind a question mark counts."""
    given = suites(groups=f"?{NO_GROUP}:?P-384")
    assert scene.gate(suites=given).suites.groups == ("P-384",)
    assert mistakes(scene, suites(groups=f"?{NO_GROUP}")) == [
        ("server.groups", "holds no group that this OpenSSL knows")
    ]


@pytest.mark.parametrize("level", [0, 1])
def test_the_security_level_is_not_lowered(scene: Scene, level: int) -> None:
    """It would admit client certificates with keys of 1024 bits and signatures by SHA-1."""
    ((key, sentence),) = mistakes(scene, suites(f"HIGH:@SECLEVEL={level}"))
    assert key == "server.ciphers"
    assert sentence.startswith(f"must not lower the security level (@SECLEVEL={level})")


def test_the_security_level_stays(scene: Scene) -> None:
    """With suites of one's own too."""
    gate = scene.gate(suites=suites("HIGH"))
    connection = gate.ssl_context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
    libssl = load_libssl()._libssl
    assert libssl.call["SSL_get_security_level"](libssl.connection_pointer(connection)) == 2


@pytest.mark.parametrize(
    ("given", "beginning"),
    [
        (suites(ciphers="AES128-GCM-SHA256"), "server.ciphers holds AES128-GCM-SHA256: they have no forward secrecy"),
        (suites(ciphers="ECDHE-RSA-AES128-SHA"), "server.ciphers holds ECDHE-RSA-AES128-SHA: they are not AEAD"),
        (suites(ciphers="AECDH-AES128-SHA"), "server.ciphers holds AECDH-AES128-SHA: never used"),
        (suites(ciphers="ECDHE-RSA-NULL-SHA"), "server.ciphers holds ECDHE-RSA-NULL-SHA: never used"),
        (suites(ciphers="DHE-RSA-AES128-GCM-SHA256"), "server.ciphers holds DHE-RSA-AES128-GCM-SHA256: never used"),
        (suites(groups="X25519:P-256:P-384:prime192v1"), "server.groups holds prime192v1: never used"),
        (suites(groups="X25519"), "server.groups lacks P-256 and P-384: in TLS 1.2"),
        (suites(groups="X25519:prime256v1"), "server.groups lacks P-384: in TLS 1.2"),
    ],
)
def test_what_is_weak_is_warned_about(scene: Scene, given: Suites, beginning: str) -> None:
    """What OpenSSL does not use at security level 2, what is recorded for later, and what HTTP/2 forbids."""
    (warning,) = scene.gate(suites=given).warnings
    assert warning.startswith(beginning)


def test_a_long_list_is_shortened(scene: Scene) -> None:
    """A sentence for each weakness."""
    warnings = scene.gate(suites=suites("ALL")).warnings
    assert len(warnings) == 3
    assert all(re.search(r" and \d+ more: ", warning) for warning in warnings)


@pytest.mark.parametrize(
    "given",
    [suites(), suites(ECDSA, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384", "X25519:P-256:P-384:ffdhe2048")],
)
def test_what_is_good_is_not_spoken_of(scene: Scene, given: Suites) -> None:
    """Suites as without the keys, and usual groups."""
    assert scene.gate(suites=given).warnings == ()


def test_groups_alone_are_no_matter_in_tls_13(scene: Scene) -> None:
    """There a certificate's curve belongs to its signature (RFC 8446, 4.2.3)."""
    assert scene.gate(suites=suites(groups="X25519"), min_tls="1.3").warnings == ()


@pytest.mark.parametrize(
    ("groups", "version", "refused"),
    [("X25519", TLS12, True), ("X25519:P-256", TLS12, False), ("X25519", TLS13, False)],
)
def test_a_certificates_curve_is_a_group_in_tls_12(scene: Scene, groups: str, version: Any, refused: bool) -> None:
    """What the warning is about: OpenSSL ends the handshake of a client with a P-256 key."""
    server = TLSConnection(scene.gate(suites=suites(groups=groups)))
    visitor = Visitor(make_client("alice", scene.authority), version)
    with pytest.raises(TLSError, match="wrong curve") if refused else nullcontext():
        visitor.shake_hands(server)
        assert server.peer.errors == ()


@pytest.mark.parametrize(
    "given",
    [suites(ciphersuites="TLS_AES_128_CCM_SHA256"), suites(groups="?brainpoolP384r1tls13:?P-521")],
)
def test_the_first_handshake_takes_what_openssl_does_not_offer_by_itself(scene: Scene, given: Suites) -> None:
    """The proof of the service offers what is configured. That group of TLS 1.3 is there since OpenSSL 3.2."""
    prove_service(scene.gate(suites=given))


def test_without_openssls_functions_only_ciphers_can_be_set(scene: Scene) -> None:
    """Fail closed: a gate that was to speak certain groups only does not speak others."""

    def missing() -> OpenSSL:
        raise BindingError("nothing is here")

    for key in ("ciphersuites", "groups"):
        given = suites(**{key: "P-256"})
        assert mistakes(scene, given, binding=missing) == [(f"server.{key}", "cannot be used, because nothing is here")]
    gate = scene.gate(suites=suites(ECDSA), binding=missing)
    assert ECDSA in {one["name"] for one in gate.ssl_context.get_ciphers()}
