"""Rules that the certificates of several authorities could match.

Names and serials are unique only within an issuer. Of several trusted issuers, any one can issue a certificate with a
given name; so can those of different hosts, if a route is reached on both.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.rules import Rule


def rule_warnings(rules: Iterable[Rule], places: Sequence[Sequence[Certificate]]) -> Iterator[str]:
    """A sentence for each doubtful rule of a route; ``places`` are the authorities of each kind of host on which the
    route is reached.
    """
    trusted = [one for authorities in places for one in authorities]
    if len({one.spki_sha256 for one in trusted}) < 2:
        return
    known = Counter(name for name, _ in {(name, one.spki_sha256) for one in trusted for name in one.common_names})
    for rule in rules:
        warning = None if rule.pinned else _issuer_warning(rule.issuer, known, several_places=len(places) > 1)
        if warning is not None:
            yield f"{rule.text} {warning}"


def _issuer_warning(issuer: str | None, known: Mapping[str, int], *, several_places: bool) -> str | None:
    if issuer is None:
        remedy = "issuer" if len(known) > 1 else "issuer_sha256, as all have the same name"
        if several_places:
            return (
                "names no issuer, and the route is reached on hosts with different authorities, so any of them can "
                f"issue a matching certificate; write {remedy}, or give the route hosts"
            )
        return f"names no issuer, so any of the trusted authorities can issue a matching certificate; write {remedy}"
    match known.get(issuer, 0):
        case 0:
            return "names an issuer that is not in client_auth.ca, so no certificate matches"
        case 1:
            return None
        case several:
            return (
                f"names an issuer of which client_auth.ca holds {several}, and each can issue a matching certificate; "
                "write a rule with issuer_sha256 for each that is meant"
            )
