"""Orders at ACME directories, with certbot's library ``acme``. Loaded only where something is ordered: it takes memory.

tls-alpn-01 is no longer in that library; its two classes for it stand here.
"""

import datetime
import ipaddress
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from acme import challenges, client, crypto_util, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from josepy.jwa import ES256
from josepy.jwk import JWK, JWKEC

from gatekeeper import __version__
from gatekeeper.acme.folder import Account, ACMEFolder
from gatekeeper.acme.tls_alpn import challenge_certificate, general_name, server_name
from gatekeeper.errors import ACMEError
from gatekeeper.settings.acme import ACMESettings
from gatekeeper.settings.files import OPEN_DIRECTLY, UnreadableFileError

# The time limit of an order, from the responses to its challenges to the certificate.
ORDER_SECONDS = 120.0
# The largest file that [acme] names; every public authority together is 0.2 MiB.
_LARGEST = 16 << 20
# A request whose nonce has expired is to be repeated (RFC 8555, 6.5); the library does so once.
_NONCE_RETRIES = 4


@challenges.ChallengeResponse.register
class TLSALPN01Response(challenges.KeyAuthorizationChallengeResponse):
    """Tells the directory that it can validate a tls-alpn-01 challenge now: an empty object (RFC 8737, 3)."""

    typ = "tls-alpn-01"


@challenges.Challenge.register
class TLSALPN01(challenges.KeyAuthorizationChallenge):
    """A tls-alpn-01 challenge."""

    response_cls = TLSALPN01Response
    typ = response_cls.typ

    def validation(self, account_key: JWK, **_: Any) -> bytes:
        """The value in the certificate's acmeIdentifier extension: the SHA-256 of the key authorization."""
        digest = Hash(SHA256())
        digest.update(self.key_authorization(account_key).encode())
        return digest.finalize()


class _Network(client.ClientNetwork):
    """Repeats requests that the directory rejects with badNonce (RFC 8555, 6.5) more often than the library."""

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        for _ in range(_NONCE_RETRIES):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*args, **kwargs)


class DirectoryOrders:
    """Implements `gatekeeper.acme.renewal.Orders` with the settings of ``[acme]`` and the accounts and challenges of a
    folder.
    """

    def __init__(self, settings: ACMESettings, folder: ACMEFolder) -> None:
        self._settings = settings
        self._folder = folder

    def obtain(self, directory: str, names: Sequence[str]) -> bytes:
        """Order a certificate for the names and prove control of each. Returns key and chain, PEM; ACMEError if that
        fails.
        """
        with _told():
            acme = self._connected(directory)
            try:
                return self._obtain(acme, names)
            except messages.Error as error:
                if error.code != "accountDoesNotExist":
                    raise
            # The directory no longer has the account, as test directories do after a restart; register the key again.
            self._register(acme, directory)
            return self._obtain(acme, names)

    def renewal_information(self, directory: str, pem: bytes) -> tuple[float | None, float]:
        """When the directory suggests to renew a certificate (RFC 9773), None if it does not, and when to ask again."""
        with _told():
            wanted, again = client.ClientV2(*self._plain(directory)).renewal_time(pem)
            return wanted.timestamp() if wanted is not None else None, again.timestamp()

    def doubts(self, directory: str) -> Iterator[str]:
        """Reasons why an order would fail, as far as the directory's own description tells. Nothing is ordered.
        ACMEError if the directory cannot be reached.
        """
        with _told():
            found, _ = self._plain(directory)
            profiles = _profiles(found)
            if profiles and self._settings.profile is not None and self._settings.profile not in profiles:
                yield f"{directory} has no profile {self._settings.profile}, only {', '.join(profiles)}"
            if _requires_binding(found) and self._settings.eab is None:
                yield f"{directory} requires an account of its operator: acme.eab"

    # -- the account

    def _plain(self, directory: str, key: JWK | None = None) -> tuple[messages.Directory, client.ClientNetwork]:
        network = _Network(key, alg=ES256, user_agent=f"gatekeeper/{__version__}", timeout=30)
        if self._settings.ca is not None:
            _read(self._settings.ca)  # requests, which takes its path, would wait for a FIFO without an end
            network.verify_ssl = str(self._settings.ca)  # type: ignore[assignment]
        return client.ClientV2.get_directory(directory, network), network

    def _connected(self, directory: str) -> client.ClientV2:
        account = self._folder.account(directory)
        pem = account.key.encode() if account is not None else _new_key()
        acme = client.ClientV2(*self._plain(directory, JWKEC(key=load_pem_private_key(pem, None))))
        if account is None:
            # Store the key first: if the response to the registration is lost, the key finds the account again.
            self._folder.write_account(directory, Account(pem.decode(), ""))
            self._register(acme, directory)
        elif not account.url:
            self._register(acme, directory)
        else:
            acme.net.account = messages.RegistrationResource(body=messages.Registration(), uri=account.url)
        return acme

    def _register(self, acme: client.ClientV2, directory: str) -> None:
        """Register the key. A key that is registered already gets its existing account (RFC 8555, 7.3.1)."""
        settings, key = self._settings, acme.net.key
        assert isinstance(key, JWKEC)  # noqa: S101  `_connected` made it
        binding = None
        if _requires_binding(acme.directory):
            if settings.eab is None:
                raise ACMEError("the directory requires an account of its operator: acme.eab")
            secret = _read(settings.eab.hmac_key_file).decode("ascii").split("\n")[0].strip()
            binding = messages.ExternalAccountBinding.from_data(
                key.public_key(), settings.eab.key_id, secret, acme.directory
            )
        acme.net.account = None
        registration = messages.NewRegistration.from_data(
            email=settings.email, terms_of_service_agreed=True, external_account_binding=binding
        )
        try:
            url = acme.new_account(registration).uri
        except errors.ConflictError as known:
            url = known.location
            acme.net.account = messages.RegistrationResource(body=messages.Registration(), uri=url)
        pem = key.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        self._folder.write_account(directory, Account(pem, url))

    # -- the order

    def _obtain(self, acme: client.ClientV2, names: Sequence[str]) -> bytes:
        key = _new_key()
        csr = crypto_util.make_csr(key, *_split(names))
        order = acme.new_order(csr, self._profile(acme.directory))
        for authorization in order.authorizations:
            if authorization.body.status != messages.STATUS_VALID:
                self._answer(acme, authorization.body)
        deadline = datetime.datetime.now() + datetime.timedelta(seconds=ORDER_SECONDS)
        order = acme.poll_authorizations(order, deadline)
        order = acme.finalize_order(order, deadline)
        chain = order.fullchain_pem.encode("ascii")
        _check(chain, key, names)
        return key + chain

    def _answer(self, acme: client.ClientV2, authorization: messages.Authorization) -> None:
        kind, name = self._settings.challenge, authorization.identifier.value
        found = next((one for one in authorization.challenges if one.chall.typ == kind), None)
        if found is None:
            raise ACMEError(f"the directory offers no {kind} challenge for {name}")
        response, validation = found.chall.response_and_validation(acme.net.key)
        if isinstance(found.chall, TLSALPN01):
            self._folder.put_challenge_certificate(server_name(name), challenge_certificate(name, validation))
        else:
            self._folder.put_token(found.chall.encode("token"), validation)
        acme.answer_challenge(found, response)

    def _profile(self, directory: messages.Directory) -> str | None:
        """The configured profile, if the directory offers profiles."""
        profiles, wanted = _profiles(directory), self._settings.profile
        if wanted is not None and profiles and wanted not in profiles:
            raise ACMEError(f"it has no profile {wanted}, only {', '.join(profiles)}")
        return wanted if profiles else None


def _read(path: Path) -> bytes:
    try:
        return OPEN_DIRECTLY.read(path, _LARGEST)
    except UnreadableFileError as error:
        raise ACMEError(f"{path} {error}") from error


def _new_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _split(names: Sequence[str]) -> tuple[list[str], bool, list[Any]]:
    """The arguments of `crypto_util.make_csr`: DNS names, must_staple, IP addresses."""
    dns: list[str] = []
    addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = []
    for name in names:
        try:
            addresses.append(ipaddress.ip_address(name))
        except ValueError:
            dns.append(name)
    return dns, False, addresses


def _profiles(directory: messages.Directory) -> list[str]:
    return sorted(directory.meta.profiles or ())


def _requires_binding(directory: messages.Directory) -> bool:
    return bool(directory.meta.external_account_required)


def _check(chain: bytes, key: bytes, names: Sequence[str]) -> None:
    """Fail closed: a certificate that is not for our key and for every name is not used, and the old one stays."""
    certificate = x509.load_pem_x509_certificate(chain)
    ours, theirs = load_pem_private_key(key, None).public_key(), certificate.public_key()
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if ours.public_bytes(*form) != theirs.public_bytes(*form):
        raise ACMEError("the certificate that it gave is for another key")
    said = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    missing = [name for name in names if general_name(name) not in said]
    if missing:
        raise ACMEError(f"the certificate that it gave is not for {', '.join(missing)}")


@contextmanager
def _told() -> Iterator[None]:
    """Turns every error of the library, its HTTP client and the directory into an ACMEError."""
    try:
        yield
    except ACMEError:
        raise
    except errors.ValidationError as error:
        raise ACMEError(_validations(error)) from error
    except messages.Error as error:
        raise ACMEError(f"{error.detail or error.typ} ({error.code or error.typ})") from error
    except Exception as error:
        raise ACMEError(f"{type(error).__name__}: {error}") from error


def _validations(error: errors.ValidationError) -> str:
    """Which name could not be validated, and the directory's reason."""
    told = [
        f"{one.body.identifier.value}: {challenge.error.detail}"
        for one in error.failed_authzrs
        for challenge in one.body.challenges
        if challenge.error is not None
    ]
    return "; ".join(told)
