"""The `.tatok` file: one image's tokens as bytes.

Header, 28 bytes, big-endian: magic "TATOK1" (6), layout (1), places rule (1), k (2), M (4), K (2),
fingerprint of the weights (8), CRC-32 of all the other bytes of the file (4).
Payload, `Tokens.bits()` bits, padded to a byte with zeros: N in ceil(log2(M + 1)) bits, the rank
of the kept set among the C(M, N) in ceil(log2 C(M, N)) bits (where places are sent), the k global
codes and the N patch codes in raster order, ceil(log2 K) bits each.
"""

from __future__ import annotations

import struct
import zlib
from math import comb

import torch
from torch import Tensor

from tatok import filtering
from tatok.filtering import POLICIES, Choice
from tatok.tokenizer import TaTok
from tatok.tokens import PLACES, Tokens, code_bits, count_bits, place_bits

MAGIC = b"TATOK1"
HEADER = struct.Struct(">6sBBHIH8s")
CHECKSUM = struct.Struct(">I")
MOST_CODES = 2**16 - 1  # two bytes of the header
HEADER_BYTES = HEADER.size + CHECKSUM.size
LAYOUTS = ("sequence", "grid")


class BadTokenFile(ValueError):
    """A `.tatok` file that is damaged, or that belongs to another model."""


def rank_of(keep: list[int]) -> int:
    """Rank of a set of places (ascending) among all sets of its size: the combinatorial number
    system, sum over j of C(place_j, j + 1). In 0..C(M, N) - 1."""
    return sum(comb(place, j + 1) for j, place in enumerate(keep))


def set_of_rank(rank: int, M: int, N: int) -> list[int]:
    """The inverse of `rank_of`."""
    places, place, j = [], M, N
    while j:
        place -= 1
        if (below := comb(place, j)) <= rank:
            rank -= below
            places.append(place)
            j -= 1
    return places[::-1]


def pack(tokens: Tokens, model: TaTok, row: int = 0) -> bytes:
    """One image of `tokens` (row of the batch) as a `.tatok` file.

    ValueError for a codebook of more codes than the header can name.
    """
    if tokens.codebook_size > MOST_CODES:
        raise ValueError(
            f"A .tatok file takes a codebook of {MOST_CODES:,} codes at most, not "
            f"{tokens.codebook_size:,}."
        )
    global_codes = tokens.global_codes[row].tolist()
    keep = tokens.keep[row].nonzero()[:, 0].tolist()
    k, M, N = len(global_codes), tokens.patch_codes.shape[1], len(keep)
    width = code_bits(tokens.codebook_size)
    fields = [(N, count_bits(M))]
    if tokens.layout == "grid" and tokens.places == "sent":
        fields.append((rank_of(keep), place_bits(M, N)))
    fields += [(c, width) for c in global_codes + tokens.patch_codes[row, keep].tolist()]
    payload, length = 0, 0
    for value, bits in fields:
        payload, length = (payload << bits) | value, length + bits
    size = (length + 7) // 8
    header = HEADER.pack(
        MAGIC,
        LAYOUTS.index(tokens.layout),
        PLACES.index(tokens.places),
        k,
        M,
        tokens.codebook_size,
        bytes.fromhex(model.fingerprint),
    )
    body = (payload << (8 * size - length)).to_bytes(size, "big")
    return header + CHECKSUM.pack(zlib.crc32(header + body)) + body


def unpack(data: bytes, model: TaTok) -> Tokens:
    """A `.tatok` file -> Tokens of one image, where the model is. BadTokenFile with one sentence.

    In layout `sequence` the places were not stored: the codes stand in the first N places, from
    which the decoder makes the same picture.
    """
    config = model.config
    if len(data) < HEADER_BYTES or not data.startswith(MAGIC):
        raise BadTokenFile("This is not a .tatok file.")
    _, layout, rule, k, M, K, fingerprint = HEADER.unpack_from(data)
    (checksum,) = CHECKSUM.unpack_from(data, HEADER.size)
    if checksum != zlib.crc32(data[: HEADER.size] + data[HEADER_BYTES:]):
        raise BadTokenFile("This .tatok file is damaged: its checksum does not fit.")
    if fingerprint.hex() != model.fingerprint:
        raise BadTokenFile("This .tatok file was made with other weights than those loaded here.")
    if (
        layout >= len(LAYOUTS)
        or LAYOUTS[layout] != config.layout
        or rule >= len(PLACES)
        or k > config.k_max
        or not config.has_patches(M)
        or config.codebook_size != K
    ):
        raise BadTokenFile("The header of this .tatok file is damaged.")
    reader = _Bits(data[HEADER_BYTES:])
    N = reader.take(count_bits(M))
    sent = config.layout == "grid" and PLACES[rule] == "sent"
    rank = reader.take(place_bits(M, N)) if sent and N <= M else 0
    if N > M or rank >= comb(M, N):
        raise BadTokenFile("The kept places in this .tatok file are damaged.")
    codes = [reader.take(code_bits(K)) for _ in range(k + N)]
    if reader.rest_is_not_padding() or any(c >= K for c in codes):
        raise BadTokenFile("This .tatok file is damaged or has the wrong length.")
    global_codes = torch.tensor(codes[:k], dtype=torch.long).reshape(1, k)
    if sent:
        keep = torch.zeros(1, M, dtype=torch.bool)
        keep[0, set_of_rank(rank, M, N)] = True
    else:
        keep = places_by_rule(model, PLACES[rule], global_codes.to(model.device), N, M)
    patch_codes = torch.full((1, M), -1)
    patch_codes[keep] = torch.tensor(codes[k:], dtype=torch.long)
    return Tokens(global_codes, patch_codes, config.layout, K, PLACES[rule]).to(model.device)


@torch.no_grad()
def places_by_rule(model: TaTok, rule: str, global_codes: Tensor, N: int, M: int) -> Tensor:
    """The kept places (1, M) that N and the global codes alone give, on the CPU."""
    grid = model.config.grid_of_patches(M)
    count = torch.tensor([N])
    if model.config.layout == "sequence":
        return filtering.first(M, count)
    if rule == "prior":
        return filtering.top(model.place_entropy(global_codes, grid).cpu(), count)
    nothing = torch.zeros(1, M)  # no map: a rule needs none
    chain = lambda: model.chain_given(global_codes, M)  # noqa: E731
    return POLICIES[rule].choose(Choice(nothing, count, chain=chain))


class _Bits:
    """Reads whole numbers off a byte string, most significant bit first."""

    def __init__(self, data: bytes) -> None:
        self.value, self.left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, bits: int) -> int:
        if bits > self.left:
            raise BadTokenFile("This .tatok file ends too early.")
        self.left -= bits
        return (self.value >> self.left) & ((1 << bits) - 1)

    def rest_is_not_padding(self) -> bool:
        return self.left >= 8 or bool(self.value & ((1 << self.left) - 1))
