"""What reading one file from a stranger may cost."""

import time
from contextlib import contextmanager
from pathlib import Path

SECONDS, MIB = 3.0, 1024
RESET, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


@contextmanager
def bounded(seconds: float = SECONDS, mib: int = MIB):
    """AssertionError where the block takes more of the processor, or at its peak more memory.

    The processor's seconds and not the clock's, so that a busy machine changes nothing. The peak is
    known on Linux alone.
    """
    before, start = _peak(), time.process_time()
    yield
    taken, grown = time.process_time() - start, _peak(reset=False) - before
    assert taken <= seconds, f"{taken:.1f} s of the processor, not {seconds:g}"
    assert grown <= mib, f"{grown} MiB of memory, not {mib}"


def _peak(reset: bool = True) -> int:
    """Largest resident size in MiB since the last reset, which makes it the present one."""
    if not RESET.exists():
        return 0
    if reset:
        RESET.write_text("5")
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024
