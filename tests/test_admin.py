"""What operators and orchestrators ask."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import ClientSession

from gatekeeper.addresses import parse_listen
from gatekeeper.admin import Admin, Check
from gatekeeper.listeners import open_listener


def ask(checks: Mapping[str, Check], path: str, method: str = "GET") -> tuple[int, Any]:
    async def talk() -> tuple[int, Any]:
        listener = open_listener(parse_listen("127.0.0.1:0"))
        port = listener.getsockname()[1]
        admin = Admin(lambda: checks)
        await admin.start(listener)
        try:
            async with ClientSession() as session, session.request(method, f"http://127.0.0.1:{port}{path}") as answer:
                text = await answer.text()
                return answer.status, json.loads(text) if text.startswith("{") else text
        finally:
            await admin.stop()

    return asyncio.run(talk())


def test_healthz_says_that_the_process_lives() -> None:
    """Whatever its checks say: a restart would not help."""
    assert ask({"upstream": Check(False, "is down")}, "/healthz") == (200, {"status": "ok"})


def test_readyz_names_each_check() -> None:
    """200 only if all are fine."""
    assert ask({"listening": Check(True)}, "/readyz") == (
        200,
        {"status": "ready", "checks": {"listening": {"ok": True, "detail": ""}}},
    )
    status, told = ask({"listening": Check(True), "draining": Check(False, "the gate is stopping")}, "/readyz")
    assert status == 503
    assert told["status"] == "not ready"
    assert told["checks"]["draining"] == {"ok": False, "detail": "the gate is stopping"}


def test_other_paths_are_not_there() -> None:
    """Nor other methods."""
    assert ask({}, "/")[0] == 404
    assert ask({}, "/healthz", "POST")[0] == 405


def test_an_admin_listener_that_was_never_started_can_be_stopped() -> None:
    """`admin.listen = "off"`."""
    asyncio.run(Admin(dict).stop())
