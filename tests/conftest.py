"""What holds for every test."""

import signal

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

_TOGETHER = ("tests/e2e/browser/", "tests/e2e/image/")

# A property is about results. Its time is the machine's, and pytest-timeout ends what hangs. The examples are the same
# each time, so that nothing fails by chance; `--hypothesis-profile=default` looks for others. The fixture of one test
# serves all its examples.
settings.register_profile(
    "gatekeeper",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("gatekeeper")

# A shell starts its background jobs with SIGINT ignored (POSIX, 2.11), and so would be what tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class _FileScheduling(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """As ``--dist loadfile``, but a folder of `_TOGETHER` is run by one process: the image is built once, and no two
    browsers compete.
    """

    def _split_scope(self, nodeid: str) -> str:
        folder = next((one for one in _TOGETHER if nodeid.startswith(one)), None)
        return folder or str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    return _FileScheduling(config, log) if config.getoption("dist") == "loadfile" else None
