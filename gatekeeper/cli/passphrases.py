"""Passphrases and passwords from a file, the environment, or the terminal; never from the command line.

Every user of the machine can see arguments (ps(1)); the environment is visible to the same user and root only.
"""

import getpass
import os
import shlex
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from gatekeeper.errors import AuthorityError, UsageError
from gatekeeper.settings.files import FROM_COMMAND_LINE, UnreadableFileError

VARIABLE = "GATEKEEPER_CA_PASSPHRASE"
_INSTEAD_FOR_KEYS = f"--passphrase-file or ${VARIABLE}"
_INSTEAD_FOR_BUNDLES = "--password-file"
# A longer file is another one, or a device.
_LARGEST = 1 << 16


def existing_passphrase(file: Path | None, what: str) -> bytes:
    """The passphrase of an existing key; ``what`` names the key in the prompt."""
    given = _given(file)
    return (
        given
        if given is not None
        else _ask(f"Passphrase of {what}: ", _INSTEAD_FOR_KEYS).encode("utf-8", "surrogateescape")
    )


def new_passphrase(file: Path | None, what: str, check: Callable[[bytes], None]) -> bytes:
    """A passphrase for a new key, asked for twice. ``check`` raises AuthorityError for one that is too weak, before it
    is asked for again.
    """
    given = _given(file)
    if given is None:
        first = _ask(f"New passphrase for {what}: ", _INSTEAD_FOR_KEYS)
        given = first.encode("utf-8", "surrogateescape")
        check(given)
        _ask_again(first, _INSTEAD_FOR_KEYS)
    else:
        check(given)
    return given


def bundle_password(file: Path | None, *, ask: bool, what: str) -> str | None:
    """The password for a new ``.p12``, None if one is to be generated; AuthorityError for an empty one."""
    if file is None and not ask:
        return None
    password = read_secret(file).decode() if file else _ask(f"New password for {what}: ", _INSTEAD_FOR_BUNDLES)
    if not password.strip():
        raise AuthorityError("an empty password protects nothing: the bundle holds the private key")
    if file is None:
        _ask_again(password, _INSTEAD_FOR_BUNDLES)
    return password


def open_password(file: Path | None, what: str) -> str:
    """The password of an existing ``.p12``."""
    return read_secret(file).decode() if file is not None else _ask(f"Password of {what}: ", _INSTEAD_FOR_BUNDLES)


def read_secret(file: Path) -> bytes:
    """The first line of a file; AuthorityError if it is empty, cannot be read or is not text."""
    try:
        line = FROM_COMMAND_LINE.read(file, _LARGEST).decode().split("\n", 1)[0].rstrip("\r")
    except UnreadableFileError as error:
        raise AuthorityError(f"{file} {error}") from error
    except UnicodeDecodeError as error:
        raise AuthorityError(f"{file} holds no text, so no passphrase") from error
    return line.encode()


def _given(file: Path | None) -> bytes | None:
    if file is not None:
        secret = read_secret(file)
        _check_mode(file)
        return secret
    from_environment = os.environ.get(VARIABLE)
    return os.fsencode(from_environment) if from_environment else None


def _check_mode(file: Path) -> None:
    """Warn if other users can read the file. No error: container platforms mount secrets like that, for one user."""
    mode = file.stat().st_mode
    if stat.S_ISREG(mode) and mode & 0o077:
        print(f"gatekeeper: others can read {file}; close it: chmod 600 {shlex.quote(str(file))}", file=sys.stderr)


def _ask_again(first: str, instead: str) -> None:
    if _ask("The same again: ", instead) != first:
        raise UsageError("the two differ; nothing was done")


def _ask(prompt: str, instead: str) -> str:
    """Ask on the terminal, without echo. UsageError without a terminal, where getpass would read standard input with
    echo; ``instead`` is what the command takes the secret from then.
    """
    if not _has_terminal():
        wanted = f"{prompt[:1].lower()}{prompt[1:].rstrip(': ')}"
        raise UsageError(f"there is no terminal to ask on ({wanted}); use {instead}")
    try:
        return getpass.getpass(prompt)
    except EOFError as error:
        raise UsageError("nothing was entered") from error


def _has_terminal() -> bool:
    try:
        with open("/dev/tty"):
            return True
    except OSError:
        return sys.stdin is not None and sys.stdin.isatty()
