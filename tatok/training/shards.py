"""WebDataset shards, which are plain tar files, read through an index of their members.

Not as a stream: picture n of training depends on (seed, n) here too, so that a resumed run is bit
for bit the run that was not stopped. A shard has to lie on a disk that can seek.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

LONGEST_LABEL = 200  # bytes of a `.cls` member that are read


class Member(NamedTuple):
    """A picture in a shard: its name, its class, and where its bytes begin and how many they are.

    The class is the text of the member of the same key that ends in `.cls` (the key is the name up
    to the first dot); without one the folder of the name, or the shard.
    """

    name: str
    label: str
    start: int
    size: int

    def read(self, shard: Path) -> bytes:
        """The bytes of the picture. OSError."""
        with shard.open("rb") as file:
            file.seek(self.start)
            return file.read(self.size)


def members(shard: Path, suffixes: Iterable[str]) -> list[Member]:
    """The pictures in a tar file that is not compressed, by name.

    tarfile.TarError, OSError or UnicodeDecodeError where it cannot be read.
    """
    pictures: list[tuple[str, tarfile.TarInfo]] = []
    labels: dict[str, str] = {}
    with tarfile.open(shard, "r:") as tar:
        for member in tar:
            name = PurePosixPath(member.name)
            key = str(name.parent / name.name.partition(".")[0])
            if not member.isreg() or member.issparse():
                continue
            if name.suffix.lower() in suffixes:
                pictures.append((key, member))
            elif name.name.endswith(".cls") and (text := tar.extractfile(member)):
                labels[key] = text.read(LONGEST_LABEL).decode().strip()
    return sorted(
        Member(
            member.name,
            labels.get(key) or PurePosixPath(key).parent.name or shard.stem,
            member.offset_data,
            member.size,
        )
        for key, member in pictures
    )
