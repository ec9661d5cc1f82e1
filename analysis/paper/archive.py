"""Pictures out of files and zip archives from strangers, in memory: nothing is ever written.

An archive is judged by its directory before a byte of it is unpacked, and what is unpacked is
bounded again while it is read, since a directory can lie.
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MAX_PICTURES = 200
MAX_ENTRIES = 1000  # of an archive, folders and hidden files included
MAX_BYTES = 30 * 2**20  # of one unpacked file
MAX_TOTAL = 500 * 2**20  # of all unpacked files of an archive
MAX_RATIO = 200  # unpacked over packed bytes, of one file
ENCRYPTED = 0x1
# zipfile unpacks bzip2 and LZMA whole, of whatever size, before it gives a byte of them.
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
ENTRY = b"PK\x01\x02"  # begins each line of an archive's directory
ARCHIVES = {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst", ".jar"}
MAGIC = {  # first bytes of archives whatever their name
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"7z\xbc\xaf",
    b"Rar!",
    b"BZh",
    b"\xfd7zX",
    b"\x28\xb5\x2f\xfd",
}
ZIP = {b"PK\x03\x04", b"PK\x05\x06"}


class BadArchive(ValueError):
    """Files that are not taken; the message is one sentence for the user."""


@dataclass(frozen=True)
class File:
    """A file in memory. `name`: without its folder, printable, at most 60 characters."""

    name: str
    data: bytes


def count(paths: Sequence[Path]) -> int:
    """How many files `read` will give. Raises BadArchive, also for none and for too many."""
    found = sum(len(_checked(path)) if _is_zip(path) else 1 for path in paths)
    if not found:
        raise BadArchive("There are no pictures in what was chosen.")
    if found > MAX_PICTURES:
        raise BadArchive(f"At most {MAX_PICTURES} pictures can be measured at once, not {found}.")
    return found


def read(paths: Sequence[Path]) -> Iterator[File]:
    """The files, those of archives unpacked, one after the other. Raises BadArchive."""
    for path in paths:
        if _is_zip(path):
            yield from _unpacked(path)
        else:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                raise BadArchive(_too_big(plain(path.name)))
            yield File(plain(path.name), data)


def plain(name: str) -> str:
    """A file's name for a message: without its folder, control characters and markup."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return "".join(c for c in last if c.isprintable() and c not in "<>&\"'`")[:60] or "a file"


def _unpacked(path: Path) -> Iterator[File]:
    entries, total = _checked(path), 0
    with zipfile.ZipFile(path) as archive:
        for entry in entries:
            name = plain(entry.filename)
            try:
                with archive.open(entry) as file:
                    data = file.read(min(MAX_BYTES, MAX_TOTAL - total) + 1)
            except Exception as error:  # zipfile lets zlib's, lzma's and its own errors through
                raise BadArchive(f"{name} in {plain(path.name)} cannot be unpacked.") from error
            total += len(data)
            if len(data) > MAX_BYTES or total > MAX_TOTAL:
                raise BadArchive(_too_big(name))
            if any(data.startswith(magic) for magic in MAGIC):
                raise BadArchive(_nested(name))
            yield File(name, data)


def _checked(path: Path) -> list[zipfile.ZipInfo]:
    """The pictures to be in an archive, by its directory alone."""
    if path.read_bytes().count(ENTRY) > MAX_ENTRIES:  # before zipfile makes an object of each
        raise BadArchive(f"{plain(path.name)} has more than {MAX_ENTRIES} entries.")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception as error:  # zipfile lets struct's and its own errors through
        raise BadArchive(f"{plain(path.name)} is damaged or no zip archive.") from error
    for entry in entries:
        _check(entry)
    wanted = [entry for entry in entries if not entry.is_dir() and not _hidden(entry.filename)]
    if sum(entry.file_size for entry in wanted) > MAX_TOTAL:
        raise BadArchive(f"{plain(path.name)} would unpack to more than {_mb(MAX_TOTAL)}.")
    return wanted


def _check(entry: zipfile.ZipInfo) -> None:
    name, raw = plain(entry.filename), entry.orig_filename.replace("\\", "/")
    if not PurePosixPath(raw).parts:
        raise BadArchive("The archive holds a file without a name.")
    if raw.startswith("/") or ".." in raw.split("/") or raw[1:2] == ":" or "\0" in raw:
        raise BadArchive(f"The archive names a place outside itself: {name}.")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadArchive(f"{name} in the archive is a link or a device.")
    if entry.flag_bits & ENCRYPTED:
        raise BadArchive(f"{name} in the archive is encrypted.")
    if entry.compress_type not in METHODS:
        raise BadArchive(f"{name} in the archive is packed otherwise than by Deflate.")
    if PurePosixPath(raw).suffix.lower() in ARCHIVES and not entry.is_dir():
        raise BadArchive(_nested(name))
    if entry.file_size > MAX_BYTES or entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
        raise BadArchive(_too_big(name))


def _hidden(name: str) -> bool:
    """What file managers put beside pictures: __MACOSX, .DS_Store, Thumbs.db."""
    parts = PurePosixPath(name).parts
    return any(part.startswith((".", "__MACOSX")) for part in parts) or parts[-1] == "Thumbs.db"


def _is_zip(path: Path) -> bool:
    """By its first bytes or its name: a damaged archive shall be called one."""
    with path.open("rb") as file:
        return file.read(4) in ZIP or path.suffix.lower() == ".zip"


def _too_big(name: str) -> str:
    return f"{name} would unpack to more than {_mb(MAX_BYTES)} or to {MAX_RATIO} times its size."


def _nested(name: str) -> str:
    return f"{name} is an archive inside the archive, which is not opened."


def _mb(size: int) -> str:
    return f"{size // 2**20} MB"
