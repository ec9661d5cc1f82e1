"""Files that are whole or not there, and the one sentence where none can be written."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


class CannotWrite(OSError):
    """A file that cannot be written, and why (a full disk, a folder that may only be read)."""


def write_all(files: Mapping[Path, Callable[[Path], object]]) -> None:
    """Let each function make its file beside the path, then put all there; folders are made.

    Raises CannotWrite; what stood at the paths before stays then.
    """
    beside = {path: path.with_name(f".{path.name}.partial") for path in files}
    try:
        for path, write in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write(beside[path])
        for path, other in beside.items():
            os.replace(other, path)
    except (OSError, SafetensorError) as error:  # the latter: whatever its writer meets
        for other in beside.values():
            with suppress(OSError):
                other.unlink()
        raise CannotWrite(f"{path} cannot be written: {_reason(error)}.") from error


def write_bytes(path: Path, data: bytes) -> None:
    """A file of these bytes. Raises CannotWrite."""
    write_all({path: lambda other: other.write_bytes(data)})


def write_text(path: Path, text: str) -> None:
    """A text file in UTF-8. Raises CannotWrite."""
    write_bytes(path, text.encode())


def write_tensors(
    path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """A safetensors file. Raises CannotWrite."""
    write_all({path: partial(save_file, tensors, metadata=metadata)})


def write_picture(path: Path, image: Image.Image) -> None:
    """A picture, in the format that its name ends in. Raises CannotWrite or ValueError."""
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise ValueError(f"{path.name} does not end as the name of a picture does, such as .png.")
    buffer = io.BytesIO()
    image.save(buffer, kind)
    write_bytes(path, buffer.getvalue())


def check_writable(folder: Path) -> None:
    """Raise CannotWrite if the folder takes no file: before the work, not after it."""
    probe = folder / f".probe.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        raise CannotWrite(f"Nothing can be written to {folder}: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    """In the system's words, without its numbers and names."""
    said = getattr(error, "strerror", None) or str(error).splitlines()[0]
    said = said.rpartition("I/O error: ")[2].partition(" (os error")[0]
    return said[:1].lower() + said[1:].rstrip(".")
