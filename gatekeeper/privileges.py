"""From root to an ordinary user, for good."""

import grp
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from gatekeeper.errors import ConfigurationError, Mistake, StartError
from gatekeeper.settings import ServerSettings


@dataclass(frozen=True, slots=True)
class Account:
    """Whom to become: user, group and the further groups, by number."""

    uid: int
    gid: int
    groups: tuple[int, ...]

    def own(self, path: Path) -> None:
        """Make it the owner of a file or folder."""
        os.chown(path, self.uid, self.gid)

    def own_file(self, file: int) -> None:
        """Make it the owner of an open file."""
        os.fchown(file, self.uid, self.gid)


def find_account(server: ServerSettings) -> Account | None:
    """The account of ``server.user`` and ``server.group``; None if none is named. ConfigurationError if there is none.

    Whether the process may become it shows when it tries.
    """
    if server.user is None:
        return None
    try:
        user = pwd.getpwnam(server.user)
    except KeyError:
        raise ConfigurationError(Mistake("server.user", f"there is no user {server.user!a} here")) from None
    gid = user.pw_gid
    if server.group is not None:
        try:
            gid = grp.getgrnam(server.group).gr_gid
        except KeyError:
            raise ConfigurationError(Mistake("server.group", f"there is no group {server.group!a} here")) from None
    return Account(user.pw_uid, gid, tuple(os.getgrouplist(server.user, gid)))


def may_change() -> bool:
    """Whether this process is root, and so can become somebody else."""
    return os.geteuid() == 0


def become(account: Account) -> None:
    """Give up root. StartError if that cannot be done, or could be undone."""
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
