"""Issues ten certificates each time it is told to: ``python -m tests.ca.many FOLDER NAME NUMBER``."""

import sys
from pathlib import Path

from gatekeeper.ca.issuer import Issuer
from gatekeeper.ca.store import Store
from tests.ca.conftest import NOW, PASSPHRASE

if __name__ == "__main__":
    folder, name, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    issuer = Issuer(Store(folder), PASSPHRASE)
    for n in range(number):
        if n % 10 == 0:
            print("ready", flush=True)
            sys.stdin.readline()
        issuer.issue_server(f"{name} {n}", ("localhost",), key_type="ec:p256", now=NOW)
