"""Archives from strangers: every trick ends in one sentence, and nothing reaches the disk."""

import bz2
import stat
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from bounds import bounded

from analysis.paper import archive
from analysis.paper.archive import BadArchive, count, plain, read

PNG = b"\x89PNG not really"
MAGICS = ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2))  # of an entry, and how much later its fields are


@pytest.fixture(autouse=True)
def within_bounds():
    """Whatever the archive: 3 s and 1 GB, that of making it included."""
    with bounded():
        yield


def zipped(folder: Path, files: dict, name="pictures.zip", method=zipfile.ZIP_DEFLATED) -> Path:
    """A zip archive; a key is a name or a ZipInfo."""
    path = folder / name
    with zipfile.ZipFile(path, "w", method) as made:
        for key, data in files.items():
            made.writestr(key, data)
    return path


def lying(folder: Path, packed: bytes, method: int, unpacked: int, name="a.png") -> Path:
    """An archive of one file whose directory names another method and size than it has."""
    path = zipped(folder, {name: packed}, method=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    for magic, later in MAGICS:
        at = data.index(magic) + later
        data[at + 8 : at + 10] = method.to_bytes(2, "little")
        data[at + 22 : at + 26] = unpacked.to_bytes(4, "little")
    path.write_bytes(data)
    return path


def entry(name: str, mode: int) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr = mode << 16
    return made


def everything(*paths):
    assert count(paths) > 0
    return list(read(paths))


def test_files_and_archives_are_read_in_order(tmp_path):
    single = tmp_path / "one.png"
    single.write_bytes(PNG)
    many = zipped(
        tmp_path,
        {
            "a.png": b"first",
            "folder/": b"",
            "folder/b.jpg": b"second",
            "__MACOSX/._a.png": b"x",
            "folder/.DS_Store": b"x",
            "Thumbs.db": b"x",
        },
    )
    before = sorted(tmp_path.rglob("*"))
    files = everything(single, many)
    assert [(file.name, file.data) for file in files] == [
        ("one.png", PNG),
        ("a.png", b"first"),
        ("b.jpg", b"second"),
    ]
    assert count([single, many]) == 3
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "name", ["../out.png", "/etc/out.png", "a/../../out.png", "..\\out.png", "C:\\out.png"]
)
def test_a_place_outside_is_refused(tmp_path, name):
    with pytest.raises(BadArchive, match="outside itself: out.png"):
        count([zipped(tmp_path, {"good.png": PNG, name: PNG})])


@pytest.mark.parametrize("name", [".", ""])
def test_a_file_without_a_name_is_refused(tmp_path, name):
    path = zipped(tmp_path, {name or "x": PNG})
    if not name:  # in the directory the name becomes a field of one byte behind an empty name
        data = bytearray(path.read_bytes())
        at = data.index(b"PK\x01\x02")
        data[at + 28], data[at + 30] = 0, 1
        path.write_bytes(data)
    with pytest.raises(BadArchive, match="without a name"):
        count([path])


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path, kind):
    with pytest.raises(BadArchive, match="link or a device"):
        count([zipped(tmp_path, {entry("a.png", kind | 0o777): b"/etc/passwd"})])


def test_regular_files_of_unix_are_taken(tmp_path):
    path = zipped(tmp_path, {entry("a.png", stat.S_IFREG | 0o644): PNG})
    assert [file.data for file in everything(path)] == [PNG]


@pytest.mark.parametrize("name", ["inner.zip", "inner.tar.gz", "inner.7z", "INNER.RAR"])
def test_an_archive_by_name_is_not_opened(tmp_path, name):
    with pytest.raises(BadArchive, match="inside the archive"):
        count([zipped(tmp_path, {name: b"x"})])


@pytest.mark.parametrize("data", [b"\x1f\x8bx", b"BZhx", b"Rar!x", None])
def test_an_archive_by_content_is_not_opened(tmp_path, data):
    if data is None:
        data = zipped(tmp_path, {"a.png": PNG}, "inner.zip").read_bytes()
    path = zipped(tmp_path, {"a.png": data})
    with pytest.raises(BadArchive, match="a.png is an archive inside the archive"):
        everything(path)


def test_a_bomb_is_refused_by_its_ratio_before_it_is_unpacked(tmp_path, monkeypatch):
    path = zipped(tmp_path, {"zeros.bmp": bytes(5_000_000)})
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    with pytest.raises(BadArchive, match="zeros.bmp would unpack to more"):
        count([path])


def zeros(packer, megabytes: int) -> bytes:
    """So many of them, packed."""
    block = bytes(2**20)
    return b"".join(packer.compress(block) for _ in range(megabytes)) + packer.flush()


def test_a_bomb_whose_directory_lies_takes_no_memory(tmp_path):
    packed = zeros(zlib.compressobj(1, wbits=-15), 200)
    path = lying(tmp_path, packed, zipfile.ZIP_DEFLATED, 10_000_000)
    with bounded(mib=64), pytest.raises(BadArchive, match="a.png in pictures.zip cannot be"):
        everything(path)


def test_what_zipfile_unpacks_without_bounds_is_not_unpacked(tmp_path):
    """A hundred bytes of bzip2 are as many megabytes, whatever the directory says."""
    bomb = lying(tmp_path, zeros(bz2.BZ2Compressor(), 20), zipfile.ZIP_BZIP2, 100)
    with bounded(mib=8), pytest.raises(BadArchive, match="a.png in the archive is packed"):
        everything(bomb)
    with pytest.raises(BadArchive, match="a.png in the archive is packed"):
        count([zipped(tmp_path, {"a.png": PNG}, method=zipfile.ZIP_LZMA)])


def test_files_that_share_their_bytes_are_bounded(tmp_path):
    """5 MB that many lines of the directory name."""
    path = zipped(tmp_path, {"a.png": bytes(5 * 2**20)}, method=zipfile.ZIP_STORED)
    data = path.read_bytes()
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")

    def name(times: int) -> None:
        tail = bytearray(data[end:])
        tail[8:12] = times.to_bytes(2, "little") * 2
        tail[12:16] = (times * (end - start)).to_bytes(4, "little")
        path.write_bytes(data[:start] + data[start:end] * times + tail)

    name(900)
    with pytest.raises(BadArchive, match="more than 500 MB"):
        count([path])
    name(90)
    with bounded(mib=64), suppress(BadArchive):  # newer versions of Python refuse what overlaps
        assert sum(len(file.data) == 5 * 2**20 for file in read([path])) == 90


def test_ten_thousand_entries_are_refused_unread(tmp_path, monkeypatch):
    path = zipped(tmp_path, {f"{i}.png": b"" for i in range(10_000)}, method=zipfile.ZIP_STORED)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with bounded(0.5, mib=16), pytest.raises(BadArchive, match="more than 1000 entries"):
        count([path])


def test_an_archive_in_an_archive_in_an_archive(tmp_path):
    data = PNG
    for _ in range(6):
        data = zipped(tmp_path, {f"{i}.png": data for i in range(16)}).read_bytes()
    with bounded(0.5, mib=16), pytest.raises(BadArchive, match="inside the archive"):
        everything(tmp_path / "pictures.zip")


def test_bounds_on_bytes_and_entries(tmp_path, monkeypatch):
    stored = {"method": zipfile.ZIP_STORED}
    path = zipped(tmp_path, {"a.png": PNG * 10, "b.png": PNG * 10}, **stored)
    monkeypatch.setattr(archive, "MAX_TOTAL", 290)
    with pytest.raises(BadArchive, match="would unpack to more than"):
        count([path])
    monkeypatch.setattr(archive, "MAX_BYTES", 100)
    with pytest.raises(BadArchive, match="a.png would unpack"):
        count([path])
    monkeypatch.setattr(archive, "MAX_ENTRIES", 1)
    with pytest.raises(BadArchive, match="more than 1 entries"):
        count([path])


def test_a_single_file_is_bounded_too(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 5)
    (tmp_path / "a.png").write_bytes(PNG)
    with pytest.raises(BadArchive, match="a.png"):
        list(read([tmp_path / "a.png"]))


def test_a_directory_that_lies_about_sizes(tmp_path):
    path = zipped(tmp_path, {"a.png": bytes(2000)}, method=zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(magic) + offset
        data[at : at + 4] = (100).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(BadArchive, match="a.png in pictures.zip cannot be unpacked"):
        everything(path)


def test_an_encrypted_file_is_refused(tmp_path):
    data = bytearray(zipped(tmp_path, {"a.png": PNG}).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "secret.zip").write_bytes(data)
    with pytest.raises(BadArchive, match="encrypted"):
        count([tmp_path / "secret.zip"])


@pytest.mark.parametrize("cut", [10, 60, -5])
def test_a_damaged_archive_is_one_sentence(tmp_path, cut):
    path = zipped(tmp_path, {"a.png": PNG * 50})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(BadArchive, match="pictures.zip is damaged"):
        count([path])


def test_damaged_contents_are_one_sentence(tmp_path):
    path = zipped(tmp_path, {"a.png": bytes(range(256)) * 9}, method=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[500] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(BadArchive, match="cannot be unpacked"):
        everything(path)


def test_none_and_too_many(tmp_path):
    with pytest.raises(BadArchive, match="no pictures"):
        count([zipped(tmp_path, {"folder/": b""})])
    path = zipped(tmp_path, {f"{i}.png": PNG for i in range(archive.MAX_PICTURES)})
    assert count([path]) == 200
    (tmp_path / "one.png").write_bytes(PNG)
    with pytest.raises(BadArchive, match="At most 200 pictures can be measured at once, not 201."):
        count([path, tmp_path / "one.png"])


def test_names_are_plain():
    assert plain("a/b\\<img src=x>.png") == "img src=x.png"
    assert plain("\x1b\n") == "a file"
    assert len(plain("x" * 500)) == 60


def test_an_archive_under_another_name_is_opened(tmp_path):
    data = zipped(tmp_path, {"a.png": PNG}).read_bytes()
    (tmp_path / "photo.jpg").write_bytes(data)
    assert [file.name for file in everything(tmp_path / "photo.jpg")] == ["a.png"]
