"""The CPU alone is timed here."""

import pytest


@pytest.fixture(autouse=True)
def cpu_alone(no_accelerator):
    """No other device is waited for."""
