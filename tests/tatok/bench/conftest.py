"""The CPU alone is timed here."""

import pytest
import torch


@pytest.fixture(autouse=True)
def no_accelerator(monkeypatch):
    """A device that another test pretends stays registered, and cannot be waited for."""
    monkeypatch.setattr(torch.accelerator, "is_available", lambda *_, **__: False)
