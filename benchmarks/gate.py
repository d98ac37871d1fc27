"""A contender that runs: started, probed whether it does its job, and ended again."""

import contextlib
import http.client
import json
import os
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.certificates import CLIENT_NAME, Certificates, client_context
from benchmarks.contenders import Contender, Place, Setup
from benchmarks.processes import BenchmarkError, free_port, running, wait_until
from benchmarks.upstream import Upstream

FORGED = "forged by the client"


@dataclass(frozen=True, slots=True)
class Gate:
    """A contender that listens."""

    contender: Contender
    place: Place
    pid: int
    start_milliseconds: float
    """From the start of the process to the first answer."""

    def empty_log(self) -> None:
        """Cut the access log to nothing; every contender appends."""
        os.truncate(self.place.folder / "access.log", 0)

    def log_bytes(self) -> int:
        """Length of the access log."""
        return (self.place.folder / "access.log").stat().st_size


@contextlib.contextmanager
def gate(
    contender: Contender,
    setup: Setup,
    folder: Path,
    certificates: Certificates,
    upstream: Upstream,
    crl: Path | None = None,
) -> Iterator[Gate]:
    """Start a contender for the length of the `with` block; `BenchmarkError` where it does not do the job."""
    folder.mkdir(parents=True)
    place = Place(folder, free_port(), certificates, upstream, setup, crl)
    command = contender.configure(place)
    begin = time.monotonic()
    with running(command) as pid:
        wait_until(lambda: answers(place), pid, command.output)
        milliseconds = (time.monotonic() - begin) * 1000
        check_identity(contender, place)
        check_refusal(contender, place)
        started = Gate(contender, place, pid, milliseconds)
        if not started.log_bytes():
            time.sleep(1.5)  # a log may be written in batches
            if not started.log_bytes():
                raise BenchmarkError("writes no access log")
        yield started


def answers(place: Place) -> bool:
    """Whether a client with a certificate gets 200."""
    try:
        return ask(place, "/100b")[0] == 200
    except BenchmarkError:
        return False


def ask(
    place: Place, target: str, *, certificate: bool = True, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """One GET; status and body."""
    context = client_context(place.certificates.ca)
    if certificate:
        context.load_cert_chain(place.certificates.client, place.certificates.client_key)
    connection = http.client.HTTPSConnection("127.0.0.1", place.port, context=context, timeout=10)
    try:
        connection.request("GET", target, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise BenchmarkError(f"GET {target}: {error}") from error
    finally:
        connection.close()


def check_identity(contender: Contender, place: Place) -> None:
    """The upstream learns who the client is, from the contender and not from the client."""
    status, body = ask(place, "/app/headers", headers={contender.identity_header: FORGED})
    if status != 200:
        raise BenchmarkError(f"GET /app/headers got {status}, not 200")
    values = [value for name, value in json.loads(body) if name.lower() == contender.identity_header]
    if len(values) != 1 or not names_client(values[0], place.certificates.client_serial):
        raise BenchmarkError(f"{contender.identity_header} reached the upstream as {values}")


def names_client(value: str, serial: int) -> bool:
    """Whether a header value holds the serial in hexadecimal or the common name, percent-encoded or not."""
    plain = urllib.parse.unquote_plus(value).lower()
    return f"{serial:x}" in plain or CLIENT_NAME in plain


def check_refusal(contender: Contender, place: Place) -> None:
    """A client without a certificate gets 403."""
    if contender.refuses and (status := ask(place, "/100b", certificate=False)[0]) != 403:
        raise BenchmarkError(f"a request without a certificate got {status}, not 403")
