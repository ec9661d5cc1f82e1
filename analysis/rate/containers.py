"""How many bytes of a JPEG, WebP or AVIF file are the coded picture, and how many stand around it.

At 128 px the rest can exceed all that a tokenizer sends, and a sender of many alike pictures would
not repeat it.
"""

from __future__ import annotations

SUBTRACTED = {
    "JPEG": "all but the entropy-coded scan (markers, JFIF segment, tables, frame and scan "
    "headers), the scan coded with the standard Huffman tables, which a decoder could know; the "
    "whole file has tables of its own",
    "WebP": "RIFF header and chunk header, 20 bytes; the VP8 frame header stays",
    "AVIF": "all but the content of the box mdat: file type and the box meta with its properties",
    "TaTok": "the 28 bytes of header and checksum; N and the places stay",
}
_EOI, _SOS = 0xD9, 0xDA
_INSIDE_SCAN = {0x00, *range(0xD0, 0xD8)}  # a stuffed byte, and restart markers


def payload_bytes(coder: str, data: bytes) -> int:
    """Bytes of the coded picture in a file as Pillow writes it; `SUBTRACTED` names the others."""
    return {"JPEG": _jpeg_scan, "WebP": _webp_chunk, "AVIF": _avif_box}[coder](data)


def _jpeg_scan(data: bytes) -> int:
    place, scan = 2, 0  # behind SOI
    while data[place + 1] != _EOI:
        is_scan = data[place + 1] == _SOS
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        start = place
        while is_scan and not (data[place] == 0xFF and data[place + 1] not in _INSIDE_SCAN):
            place += 1
        scan += place - start
    return scan


def _webp_chunk(data: bytes) -> int:
    place = 12  # behind "RIFF", size, "WEBP"
    while data[place : place + 4] != b"VP8 ":
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        place += 8 + size + size % 2
    return int.from_bytes(data[place + 4 : place + 8], "little")


def _avif_box(data: bytes) -> int:
    place = 0
    while data[place + 4 : place + 8] != b"mdat":
        place += int.from_bytes(data[place : place + 4], "big")
    return int.from_bytes(data[place : place + 4], "big") - 8
