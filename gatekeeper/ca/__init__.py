"""The certificate authority behind ``gatekeeper ca``. The running proxy never imports it.

authority
    a private key and its CA certificate. A gate admits clients whose certificate an authority signed.
subject
    whom a certificate is for: the distinguished name, and the subject alternative names.
credential
    a certificate with its key and the authority's certificate: everything that a client or a server needs.
request
    a CSR (PKCS #10): a public key and the names asked for. Only the key is taken; the authority grants the names.
bundle
    a ``.p12``: a credential in one file under a password, for browsers and phones.
issuer
    the operations of an unlocked authority: issue, sign, renew, revoke, write bundles and CRLs.
rollover
    the authority's own life: its certificate is renewed, the next authority follows it, the old one is retired.
keys, profiles
    private keys; the forms of a credential that devices import.
admission, renewal
    whether a gate would admit a certificate; which renewals are signed without a person.
CRL
    a certificate revocation list: the serial numbers that were revoked.
store
    the folder that holds all of it, with the index of what was issued; it is changed by a transaction.
creation
    how that folder is made: with a new authority, or with one that was made elsewhere.
inspection
    what `gatekeeper ca show` says of a file.

How to use it, without a folder and without a passphrase::

    from datetime import UTC, datetime, timedelta
    from gatekeeper.ca.authority import make_authority
    from gatekeeper.ca.certificates import issue_client, issue_server, self_signed
    from gatekeeper.ca.revocation import Revocation, make_crl

    now, day = datetime.now(UTC), timedelta(days=1)
    home = make_authority("Home CA", key_type="ec:p256", now=now)
    server = issue_server(home, "localhost", "127.0.0.1", key_type="ec:p256", now=now)
    alice = issue_client(home, "alice", key_type="ec:p256", now=now, lifetime=30 * day)
    expired = issue_client(home, "old", key_type="ec:p256", now=now - 9 * day, lifetime=day)
    early = issue_client(home, "early", key_type="ec:p256", now=now + day)
    blank = issue_client(home, " ", key_type="ec:p256", now=now)
    nameless = issue_client(home, None, key_type="ec:p256", now=now)
    foreign = issue_client(make_authority("Other CA", key_type="ec:p256", now=now), "eve", key_type="ec:p256", now=now)
    alone = self_signed("alice", key_type="ec:p256", now=now)
    wrong_purpose = server                      # made for serverAuth only
    crl = make_crl(home, [Revocation(alice.certificate.serial_number, now)], now=now)

    home.certificate_pem, server.chain_pem, server.key_pem(), crl.public_bytes(Encoding.PEM)   # bytes for files
    alice.bundle(password)                      # bytes of a .p12

These functions do what they are told, and so also make certificates that no gate lets in. What is refused, and why, is
decided in `gatekeeper.ca.requests` and `gatekeeper.ca.admission`.
"""
