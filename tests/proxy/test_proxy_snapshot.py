"""What a request meets, as one value."""

from collections.abc import Callable

import pytest

from tests.proxy.scene import Scene


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("192.0.2.7", True),
        ("192.0.3.7", False),
        ("2001:db8::7", True),
        ("2001:db9::7", False),
        ("unix", False),
        ("unknown", False),
        ("192.0.2.7:80", False),
        ("", False),
    ],
)
def test_trusted_proxies(make_scene: Callable[..., Scene], address: str, trusted: bool) -> None:
    """By their networks; what is no address is trusted by nobody."""
    scene = make_scene(server={"trusted_proxies": ["192.0.2.0/24", "2001:db8::/32"]})
    assert scene.snapshot.trusts(address) is trusted


def test_nobody_is_trusted_unless_it_is_written(scene: Scene) -> None:
    """Not the machine itself either."""
    assert not scene.snapshot.trusts("127.0.0.1")
