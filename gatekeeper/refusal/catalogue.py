"""What the page says, one TOML file a language under ``locales/``; the file's name is the language's primary subtag."""

from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from gatekeeper.package import OWN


@dataclass(frozen=True, slots=True)
class Topic:
    """The texts of one topic: ``what`` happened, what to do (``todo``), and the ``mark`` beside the faulty field of the
    certificate.
    """

    what: str
    todo: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Platform:
    """How a certificate file is imported on one kind of device: its name, and one sentence for each step.

    ``key`` is the device's name in `negotiation.recognize_platform`.
    """

    key: str
    name: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of the page that are the same for every topic."""

    certificate: str
    name: str
    nothing: str
    issuer: str
    not_before: str
    not_after: str
    serial: str
    purpose: str
    technical: str
    sha256: str
    subject_dn: str
    issuer_dn: str
    detail: str
    importing: str
    importing_intro: str
    choosing: str
    asking_again: str
    asking_again_text: str
    hidden: str
    hidden_text: str
    contact: str
    nobody: str
    quote: str
    request: str
    checked: str
    invited: str
    invited_by_somebody: str
    unsent: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """The page of an invitation. ``ios`` and ``android`` are steps of their own, because the file is opened where it
    was downloaded; the other devices do what `Platform` says.
    """

    what: str
    todo: str
    button: str
    once: str
    until: str
    steps: str
    others: str
    others_text: str
    modern: str
    compat: str
    apple: str
    go: str
    go_text: str
    trust: str
    trust_text: str
    trust_button: str
    ios: tuple[str, ...]
    android: tuple[str, ...]
    trust_ios: tuple[str, ...]
    trust_steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Me:
    """The page that tells admitted visitors about themselves."""

    what: str
    todo: str
    days: str
    allowed: str
    everything: str
    open: str
    closed: str
    renewal: str
    renewal_text: str
    button: str
    apps: str
    soon: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """One language. ``tag`` is its BCP 47 tag, for ``lang`` and ``Content-Language``."""

    tag: str
    words: Words
    topics: MappingProxyType[str, Topic]
    platforms: tuple[Platform, ...]
    invitation: Invitation
    me: Me


@cache
def catalogues() -> MappingProxyType[str, Catalogue]:
    """Every language there is, by primary subtag. The files are part of the package: a mistake in one is a bug."""
    import tomllib
    from importlib import resources

    OWN.require_unchanged()
    files = resources.files("gatekeeper.refusal").joinpath("locales").iterdir()
    return MappingProxyType(
        {
            file.name.removesuffix(".toml"): _catalogue(tomllib.loads(file.read_text("utf-8")))
            for file in sorted(files, key=lambda file: file.name)
            if file.name.endswith(".toml")
        }
    )


def _catalogue(table: dict[str, Any]) -> Catalogue:
    return Catalogue(
        tag=table["tag"],
        words=Words(**table["words"]),
        topics=MappingProxyType({name: Topic(**topic) for name, topic in table["topics"].items()}),
        platforms=tuple(Platform(one["key"], one["name"], tuple(one["steps"])) for one in table["platforms"]),
        invitation=_invitation(table["invitation"]),
        me=Me(**table["me"]),
    )


def _invitation(table: dict[str, Any]) -> Invitation:
    steps = {name: tuple(table[name]) for name in ("ios", "android", "trust_ios", "trust_steps")}
    return Invitation(**table | steps)
