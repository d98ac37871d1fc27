"""What holds for every test."""

import signal

from hypothesis import settings

# A property is about results. Its time is the machine's, and pytest-timeout ends what hangs.
settings.register_profile("gatekeeper", deadline=None)
settings.load_profile("gatekeeper")

# A shell starts its background jobs with SIGINT ignored (POSIX, 2.11), and so would be what tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
