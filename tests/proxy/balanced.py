"""Scenes with several endpoints of an app."""

from collections.abc import Callable
from typing import Any

from tests.proxy.scene import Scene, Visitor, get

ONE, TWO, THREE = (("127.0.0.1", port) for port in (8001, 8002, 8003))
MakeScene = Callable[..., Scene]


def endpoints(make_scene: MakeScene, count: int = 2, **more: Any) -> Scene:
    return make_scene(upstream={"urls": [f"http://127.0.0.1:800{n}" for n in range(1, count + 1)], **more})


def ask(scene: Scene, *lines: str) -> Visitor:
    """Somebody asks for something, and waits."""
    visitor = scene.alice()
    visitor.send(get("/", *lines))
    return visitor


def status(visitor: Visitor) -> int:
    return int(visitor.read().split(b" ", 2)[1])
