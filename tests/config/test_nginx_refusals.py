"""What of nginx refuses, and which regular expressions a path of a route can say."""

import pytest

from gatekeeper.config.nginx_refusals import is_hidden, paths


@pytest.mark.parametrize(
    ("expression", "found", "whole"),
    [
        ("^/a/", ["/a/*"], True),
        ("^/a/b(?:/|$)", ["/a/b/*"], True),
        ("^/(a|b/c)/.*$", ["/a/*", "/b/c/*"], True),
        ("^/x/(?:a|b)$", ["/x/a", "/x/b"], True),
        (r"^/a\.b($|/)", ["/a.b/*"], True),
        ("^/a", ["/a/*"], False),
        ("^/(a|b)", ["/a/*", "/b/*"], False),
        ("/a/", [], False),
        ("^/a.b/", [], False),
        ("^/a+/", [], False),
        ("^/(a|)/", [], False),
        ("^/a/|^/b/", [], False),
        ("^/", [], False),
        ("(", [], False),
    ],
)
def test_a_simple_expression_is_paths(expression: str, found: list[str], whole: bool) -> None:
    """Whole only if they match all that it matches: ^/a matches /ab too."""
    assert paths(expression) == (found, whole)


@pytest.mark.parametrize(
    ("expression", "hidden"),
    [
        (r"/\.", True),
        (r"/\.ht", True),
        (r"(^|/)\.", True),
        (r"/\.(?!well-known).*", True),
        (r"\.bak$", False),
        (r"/\.a|/b", False),
        ("/.a", False),
    ],
)
def test_names_that_begin_with_a_dot(expression: str, hidden: bool) -> None:
    """Not those that only hold one, nor another alternative."""
    assert is_hidden(expression) is hidden
