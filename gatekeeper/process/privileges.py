"""Dropping root privileges permanently."""

import grp
import logging
import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gatekeeper.errors import ConfigurationError, Mistake, StartError

if TYPE_CHECKING:
    from gatekeeper.settings.server import ServerSettings

_log = logging.getLogger("gatekeeper")


@dataclass(frozen=True, slots=True)
class Account:
    """The account that workers switch to: numeric user, group and supplementary groups."""

    uid: int
    gid: int
    groups: tuple[int, ...]

    def own(self, path: Path) -> None:
        """Make the account the owner of a file or folder; a symbolic link is not followed."""
        os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def own_file(self, file: int) -> None:
        """Make the account the owner of an open file."""
        os.fchown(file, self.uid, self.gid)


def account_of(server: "ServerSettings") -> Account | None:
    """The account of ``server.user`` and ``server.group`` if this process is root, None otherwise.

    ConfigurationError if there is no such account.
    """
    if server.user is None:
        return None
    try:
        user = pwd.getpwnam(server.user)
    except KeyError:
        raise ConfigurationError(Mistake("server.user", f"there is no user named {server.user}")) from None
    gid = user.pw_gid
    if server.group is not None:
        try:
            gid = grp.getgrnam(server.group).gr_gid
        except KeyError:
            raise ConfigurationError(Mistake("server.group", f"there is no group named {server.group}")) from None
    if os.geteuid() != 0:
        if os.geteuid() != user.pw_uid:
            _log.warning("server.user has no effect, because the gate was not started as root")
        return None
    return Account(user.pw_uid, gid, tuple(os.getgrouplist(server.user, gid)))


def become(account: Account) -> None:
    """Drop root. StartError if that fails, or could be undone."""
    try:
        os.setgroups(account.groups)
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
    except OSError as error:
        raise StartError(f"cannot become the user {account.uid}: {(error.strerror or str(error)).lower()}") from error
    if account.uid != 0:
        try:
            os.setuid(0)
        except OSError:
            return
        raise StartError("privileges could be taken back after they were given up")
