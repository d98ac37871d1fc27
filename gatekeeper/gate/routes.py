"""Routes: which requests go where, and who may send them.

They are compiled once, so that a thousand routes cost a request no more than a few: exact paths and prefixes are looked
up in dictionaries, and the result for a method, host and target is cached.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.paths import folded, read_host, sure_length
from gatekeeper.gate.rule_warnings import rule_warnings
from gatekeeper.gate.rules import Rule, compile_rule
from gatekeeper.gate.verdict import Identity

if TYPE_CHECKING:
    from gatekeeper.settings.access import RouteSettings

# How many results are cached. An entry is about as large as its target: 0.2 MiB in all with those of browsers, 8 MiB if
# an admitted visitor fills the cache on purpose.
CACHED_REQUESTS = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One ``[[routes]]`` table. ``text`` names it in messages. An empty ``methods`` matches every method, an empty
    ``hosts`` every host. ``response`` are names and values of ``routes.response.headers``, ``networks`` those of
    ``routes.allow_from``; ``prefix`` is what ``routes.strip_prefix`` removes from the path.
    """

    text: str
    upstream: str
    methods: frozenset[bytes] = frozenset()
    public: bool = False
    allow: tuple[Rule, ...] = ()
    deny: tuple[Rule, ...] = ()
    origins: frozenset[bytes] | None = frozenset()
    path: str = "/*"
    hosts: tuple[str, ...] = ()
    title: str = ""
    response: tuple[tuple[str, str], ...] = ()
    prefix: bytes = b""
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    lacks_slash: bool = False

    def takes(self, method: bytes) -> bool:
        """Whether the route matches this method."""
        return not self.methods or method in self.methods

    def takes_preflight(self, origin: bytes) -> bool:
        """Whether a CORS preflight from this origin may pass without a certificate; if ``origins`` is None, any may."""
        return self.origins is None or origin in self.origins

    def denies(self, identity: Identity) -> Rule | None:
        """The first rule under ``deny`` that matches."""
        return next((rule for rule in self.deny if rule.fits(identity)), None)

    def allows(self, identity: Identity) -> Rule | None:
        """The first rule under ``allow`` that matches; also None if there are no rules, which allows everybody."""
        return next((rule for rule in self.allow if rule.vouches_for(identity)), None)


@dataclass(frozen=True, slots=True, eq=False)
class StaticDocument:
    """A document that the gate itself serves to everybody, at this path."""

    path: bytes


@dataclass(frozen=True, slots=True, eq=False)
class NoRoute:
    """No route matches the request; admitted visitors get ``status`` and ``detail``."""

    status: int
    detail: str


@dataclass(frozen=True, slots=True, eq=False)
class LocalRoute:
    """A request for one of the gate's own pages. Nothing below their path ever reaches an upstream.

    ``everybody`` is false if only admitted visitors may use it.
    """

    everybody: bool = True


RouteMatch = Route | StaticDocument | LocalRoute | NoRoute

LOCAL_PREFIX = b"/.gatekeeper/"
ME = LOCAL_PREFIX + b"me"
RENEW = LOCAL_PREFIX + b"renew"
# RFC 7030, 3.2.2: where routers and other devices renew their certificates.
EST = b"/.well-known/est/"
EST_AUTHORITIES, EST_RENEW = EST + b"cacerts", EST + b"simplereenroll"
LOCAL, LOCAL_ADMITTED = LocalRoute(), LocalRoute(everybody=False)
UNKNOWN = NoRoute(404, "There is nothing here.")
AMBIGUOUS = NoRoute(400, "The path or the method is ambiguous.")
MAINTENANCE = NoRoute(503, "The site is closed for maintenance.")
NO_HOST = NoRoute(400, "The Host header contains no name or address.")
# The only route of a configuration without [[routes]].
EVERYTHING = Route("every request", "default")


class Routes:
    """All routes of a configuration. ``everywhere`` is the route of every request, if they all have the same.

    ``ask_addresses``: whether any route has ``allow_from``. ``opens_anything``: whether anything is open to visitors
    who are not admitted. ``stripped`` are the headers by which a client could make some apps see another path or method
    than the routes did. ``all`` are the routes in the order of the file.

    ``documents`` are the paths at which the gate itself serves a document to everybody. ``local``: whether the gate
    also serves everything below `LOCAL_PREFIX`.
    """

    def __init__(
        self, settings: "Sequence[RouteSettings]", documents: Iterable[bytes] = (), *, local: bool = False
    ) -> None:
        self._local = local
        self._documents: Mapping[bytes, StaticDocument] = {path: StaticDocument(path) for path in documents}
        self._any_host = _Table()
        self._hosts: dict[str, _Table] = defaultdict(_Table)
        routes = [compile_route(one, f"routes[{index}]") for index, one in enumerate(settings)]
        for index, (one, route) in enumerate(zip(settings, routes, strict=True)):
            for table in [self._hosts[host] for host in one.hosts] or [self._any_host]:
                table.add(one.path.encode("ascii"), index, route)
        for table in (self._any_host, *self._hosts.values()):
            table.finish(self._any_host)
        self.all = tuple(routes)
        self.stripped = _hiding(settings, local=local)
        self.everywhere = None if routes or self._documents or local else EVERYTHING
        self._everything = None if routes else EVERYTHING
        self.ask_addresses = any(route.networks for route in routes)
        self.opens_anything = bool(self._documents or local or any(map(_opens_anything, routes)))
        self._cased = any(table.cased for table in (self._any_host, *self._hosts.values()))
        self._cached_path_match = lru_cache(CACHED_REQUESTS)(self._match_path)
        self.cached_match: Callable[[bytes, bytes, bytes], RouteMatch] = lru_cache(CACHED_REQUESTS)(self._cached_match)
        """`match`, cached. For admitted visitors only, since strangers could push everybody else's results out."""

    def rule_warnings(
        self, authorities: Sequence[Certificate], hosts: Sequence[tuple[Set[str], Sequence[Certificate]]] = ()
    ) -> Iterator[str]:
        """A sentence for each doubtful rule under ``allow``, given the trusted ``authorities``. ``hosts`` are the host
        names with authorities of their own.
        """
        own = {name for names, _ in hosts for name in names}
        for route in self.all if hosts or len(authorities) > 1 else ():
            places = [some for names, some in hosts if any(self._reaches(route, name) for name in names)]
            if not own.issuperset(route.hosts) or not route.hosts:
                places.append(authorities)
            yield from (f"{route.text}, {sentence}" for sentence in rule_warnings(route.allow, places))

    def _reaches(self, route: Route, host: str) -> bool:
        """Whether no earlier route takes every request of this host that ``route`` would take."""
        tables = [self._any_host, self._hosts[host]] if host in self._hosts else [self._any_host]
        # A name that no route's path has, and a method that only routes without methods take.
        path = route.path.encode("ascii").removesuffix(b"*") + b"\0" * route.path.endswith("*")
        return any(_first(tables, method, path, lower=False) is route for method in route.methods or (b"",))

    def prefix_warnings(self) -> Iterator[str]:
        """A sentence for each route whose ``strip_prefix`` leads to paths of the same app that another route guards.

        A request is judged by the path that the visitor sends: the rules for ``/admin/*`` are not applied to
        ``/a/admin/``, which the app receives as ``/admin/``.
        """
        guarded = [one for one in self.all if one.path != "/*" and (one.allow or one.deny or one.networks)]
        for route in (one for one in self.all if one.prefix):
            past = next((one for one in guarded if one.upstream == route.upstream and one is not route), None)
            if past is not None:
                yield f"{route.text} strips its prefix: what {past.text} asks is not asked of the same path below it"

    def match(self, method: bytes, host: bytes, target: bytes) -> RouteMatch:
        """The route for a request with this method, Host header and target (in origin-form, or ``*``)."""
        return self._match_path(method, host, target.partition(b"?")[0])

    def _cached_match(self, method: bytes, host: bytes, target: bytes) -> RouteMatch:
        """The query differs more often than the path, and does not matter."""
        return self._cached_path_match(method, host, target.partition(b"?")[0])

    def _match_path(self, method: bytes, host: bytes, path: bytes) -> RouteMatch:
        document = self._documents.get(path)
        if document is not None and method in (b"GET", b"HEAD"):
            return document
        if self._local and (own := _local_route(path)) is not None:
            return own
        if self._everything is not None:
            return self._everything
        name = read_host(host) if self._hosts else None
        if name is None and self._hosts:
            return NO_HOST
        tables = [self._any_host] if name is None or name not in self._hosts else [self._any_host, self._hosts[name]]
        last = tables[-1]
        if last.has_paths and not _is_sure(tables, path, last.end):
            return AMBIGUOUS
        found = _first(tables, method, path, lower=False)
        # Some apps ignore the case of paths, some (Django, Express) that of methods.
        other_path, other_method = folded(path), method.upper()
        alike = not self._cased and other_path == path and other_method == method
        if not alike and found is not _first(tables, other_method, other_path, lower=True):
            return AMBIGUOUS
        return found or UNKNOWN


def _opens_anything(route: Route) -> bool:
    return route.public or route.origins is None or bool(route.origins)


# Symfony, Zend and IIS take the path from the first two (CVE-2018-14773), Express, Rails, Laravel, ASP.NET and Spring
# the method from the others.
_OTHER_PATH = frozenset({b"x-original-url", b"x-rewrite-url"})
_OTHER_METHOD = frozenset({b"x-http-method", b"x-http-method-override", b"x-method-override"})


def _hiding(settings: "Sequence[RouteSettings]", *, local: bool) -> frozenset[bytes]:
    """The headers by which a client could evade a rule for a path or a method, if there is such a rule."""
    paths = _OTHER_PATH if local or any(one.path != "/*" for one in settings) else frozenset[bytes]()
    return paths | (_OTHER_METHOD if any(one.methods for one in settings) else frozenset[bytes]())


Entries = list[tuple[int, Route]]
_NEVER = 1 << 62
"""An index behind every route."""


class _Table:
    """The routes of one host. Those from index ``end`` on are out of reach, behind one that takes every request;
    ``has_paths`` tells whether any before has another path than ``/*``, here or for every host. ``cased`` tells whether
    any path has an upper-case letter.
    """

    def __init__(self) -> None:
        self._exact: dict[bytes, Entries] = defaultdict(list)
        self._below: dict[bytes, Entries] = defaultdict(list)
        self._exact_lower: dict[bytes, Entries] = defaultdict(list)
        self._below_lower: dict[bytes, Entries] = defaultdict(list)
        self._depth = 1
        self._paths: list[tuple[bytes, int]] = []  # in lower case, sorted, except /*
        self._first_path = self.end = _NEVER
        self.has_paths = self.cased = False

    def add(self, path: bytes, index: int, route: Route) -> None:
        """Add a route. Routes with a smaller index must have been added before.

        A slash at the end makes no difference, except for public routes, which match literally: they must not open more
        than what is written.
        """
        self.cased = self.cased or path != path.lower()
        stem = path.removesuffix(b"*")
        bare = stem.rstrip(b"/")
        spelled = route
        if stem != path:
            # A public route that strips its prefix opens no more by this spelling: the app sees nothing of it.
            spellings = set() if route.public and not route.prefix else {bare} - {b""}
            if route.prefix:
                spelled = replace(route, lacks_slash=True)
            self._below[stem].append((index, route))
            self._below_lower[stem.lower()].append((index, route))
            self._depth = max(self._depth, stem.count(b"/"))
        else:
            spellings = {path} if route.public else {bare or b"/", bare + b"/"}
        for one in spellings:
            self._exact[one].append((index, spelled))
            self._exact_lower[one.lower()].append((index, spelled))
        if path != b"/*":
            # The NUL sorts an exact path after every prefix of it, itself included.
            self._paths.append((bare.lower() + (b"/" if stem != path else b"/\0"), index))
            self._first_path = min(self._first_path, index)
        elif not route.methods:
            self.end = min(self.end, index)

    def finish(self, every_host: "_Table") -> None:
        """Call after the last route was added, for those of ``every_host`` first."""
        self._paths.sort()
        self.end = min(self.end, every_host.end)
        self.has_paths = min(self._first_path, every_host._first_path) < self.end

    def may_lead_below(self, beginning: bytes, end: int) -> bool:
        """Whether it depends on the rest of a path with this beginning which route before index ``end`` matches it."""
        for at in range(bisect_right(self._paths, (beginning, _NEVER)), len(self._paths)):
            path, index = self._paths[at]
            if not path.startswith(beginning):
                break
            if index < end:
                return True
        return False

    def candidates(self, path: bytes, *, lower: bool) -> list[Entries]:
        """The routes for a path, as lists in the order of the file. ``*`` is not a path; only ``/*`` matches it."""
        exact, below = (self._exact_lower, self._below_lower) if lower else (self._exact, self._below)
        found = []
        if path == b"*":
            path = b"/"
        elif path in exact:
            found.append(exact[path])
        at = path.find(b"/") + 1
        for _ in range(self._depth):
            if path[:at] in below:
                found.append(below[path[:at]])
            at = path.find(b"/", at) + 1
            if not at:
                break
        return found


def _local_route(path: bytes) -> RouteMatch | None:
    """The match for a path that is below `LOCAL_PREFIX` in some reading; None if it is not in any."""
    if path.startswith(EST):
        return _est_route(path)
    length = sure_length(path)
    if length < 0:
        return AMBIGUOUS
    beginning = path[:length].lower()
    if length < len(path):
        leads_there = LOCAL_PREFIX.startswith(beginning) or beginning.startswith(LOCAL_PREFIX)
        return AMBIGUOUS if leads_there else None
    if not (beginning + b"/").startswith(LOCAL_PREFIX):
        return None
    if path.removesuffix(b"/") in (ME, RENEW):
        return LOCAL_ADMITTED
    return LOCAL if (path + b"/").startswith(LOCAL_PREFIX) else UNKNOWN


def _est_route(path: bytes) -> RouteMatch:
    """Paths of EST match literally. Other spellings reach neither the gate's own resources nor an app.

    RFC 7030, 4.1.1: anyone may ask for the authorities' certificates, without a certificate.
    """
    if path == EST_AUTHORITIES:
        return LOCAL
    return LOCAL_ADMITTED if path == EST_RENEW else UNKNOWN


def _is_sure(tables: list[_Table], path: bytes, end: int) -> bool:
    """Whether every reading of the path matches the same of the routes before index ``end``."""
    length = sure_length(path)
    if length == len(path):
        return True
    beginning = folded(path[:length])
    return length >= 0 and not any(table.may_lead_below(beginning, end) for table in tables)


def _first(tables: list[_Table], method: bytes, path: bytes, *, lower: bool) -> Route | None:
    best, found = _NEVER, None
    for table in tables:
        for entries in table.candidates(path, lower=lower):
            for index, route in entries:
                if index >= best:
                    break
                if route.takes(method):
                    best, found = index, route
                    break
    return found


def compile_route(settings: "RouteSettings", text: str) -> Route:
    """Compile one route. A route for GET also matches HEAD (RFC 9110, 9.3.2)."""
    methods = {method.encode("ascii") for method in settings.methods}
    preflight = settings.cors_preflight
    return Route(
        text=f"{text} {','.join(settings.hosts)}{settings.path}",
        upstream=settings.upstream,
        methods=frozenset(methods | ({b"HEAD"} if b"GET" in methods else set())),
        public=settings.public,
        allow=tuple(compile_rule(rule, f"allow[{index}]") for index, rule in enumerate(settings.allow)),
        deny=tuple(compile_rule(rule, f"deny[{index}]") for index, rule in enumerate(settings.deny)),
        path=settings.path,
        hosts=tuple(settings.hosts),
        title=settings.title or "",
        response=tuple(settings.response.headers.items()),
        networks=settings.allow_from,
        prefix=settings.path.removesuffix("/*").encode("ascii") if settings.strip_prefix else b"",
        origins=None if preflight is True else frozenset(origin.encode("ascii") for origin in preflight or ()),
    )
