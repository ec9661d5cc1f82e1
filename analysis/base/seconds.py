"""Where the time of a measurement goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True)
class Seconds:
    """Wall clock of each part, over all images and settings.

    `select` holds entropies, filtering and quantization; `statistics` distances and intervals.
    """

    load: float = 0.0
    encode: float = 0.0
    select: float = 0.0
    decode: float = 0.0
    features: float = 0.0
    statistics: float = 0.0

    def __add__(self, other: Seconds) -> Seconds:
        pairs = zip(asdict(self).values(), asdict(other).values(), strict=True)
        return Seconds(*(a + b for a, b in pairs))

    def line(self) -> str:
        """One line to print."""
        return ", ".join(f"{name} {value:.0f} s" for name, value in asdict(self).items())


class Stopwatch:
    """Adds up wall clock by part: `with watch("decode"): …`."""

    def __init__(self) -> None:
        self._parts = dict.fromkeys((field.name for field in fields(Seconds)), 0.0)

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self._parts[part] += time.perf_counter() - start

    def lap(self) -> Seconds:
        """What has passed since the last lap."""
        taken = Seconds(**self._parts)
        self._parts = dict.fromkeys(self._parts, 0.0)
        return taken
