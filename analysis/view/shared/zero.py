"""ZeroGPU: on a Space that has it a GPU is lent for one call, to functions that ask for it.

The tokenizer of the page stays on the CPU there: a slider asks for a decoding that takes a CPU less
time than a visitor's turn in the queue for a GPU. A drawn picture is one call. `pip install spaces`
is the Space's affair; without that package, and without ZeroGPU, nothing here does anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

try:
    import spaces
except ImportError:
    spaces = None

F = TypeVar("F", bound=Callable)
LENT = spaces is not None and os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def gpu(function: F) -> F:
    """The function, or generator function, on a GPU that is lent for each call.

    What goes in and comes out crosses to another process: plain values, tensors of the CPU.
    """
    return spaces.GPU(function) if LENT else function
