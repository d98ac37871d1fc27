"""What holds for every test."""

from hypothesis import settings

# A property is about results. Its time is the machine's, and pytest-timeout ends what hangs.
settings.register_profile("gatekeeper", deadline=None)
settings.load_profile("gatekeeper")
