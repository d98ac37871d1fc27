"""Revocation lists of any length, signed by the authority of the run, made by openssl-ca(1)."""

import subprocess
from pathlib import Path

from benchmarks.certificates import Certificates
from benchmarks.processes import BenchmarkError

CONFIGURATION = """\
[ca]
default_ca = authority
[authority]
database = {folder}/index.txt
default_md = sha256
default_crl_days = 30
"""
LINE = "R\t361231235959Z\t251101000000Z\t{serial:032X}\tunknown\t/CN=gone\n"
"""Of openssl's index: revoked, its end, its revocation, serial, file, subject."""
FIRST_SERIAL = 1 << 120
STEP = 7919
"""Serials are spread, as random ones are."""


def make_revocation_list(entries: int, certificates: Certificates, folder: Path) -> Path:
    """A PEM file in `folder`, which is made; the client of the run is not on it. A million entries take six seconds."""
    folder.mkdir()
    with (folder / "index.txt").open("w") as index:
        index.writelines(LINE.format(serial=FIRST_SERIAL + number * STEP) for number in range(entries))
    (folder / "index.txt.attr").write_text("unique_subject = no\n")
    (folder / "ca.cnf").write_text(CONFIGURATION.format(folder=folder))
    made = folder / "crl.pem"
    argv = ["openssl", "ca", "-gencrl", "-config", str(folder / "ca.cnf"), "-out", str(made)]
    argv += ["-cert", str(certificates.ca), "-keyfile", str(certificates.ca_key)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"openssl ca: {done.stderr.strip()}")
    (folder / "index.txt").unlink()
    return made
