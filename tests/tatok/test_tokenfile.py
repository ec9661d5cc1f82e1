"""`.tatok` files: exact size, exact way back, damage told in one sentence."""

import dataclasses
from itertools import combinations
from math import ceil, comb, log2

import pytest
import torch
from conftest import pictures, random_model

from tatok import BadTokenFile
from tatok.tokenfile import HEADER_BYTES, pack, places_by_rule, rank_of, set_of_rank, unpack
from tatok.tokens import Tokens, place_bits


def test_ranks_number_the_sets():
    for M, N in ((6, 0), (6, 3), (7, 7), (8, 2)):
        ranks = [rank_of(list(s)) for s in combinations(range(M), N)]
        assert sorted(ranks) == list(range(comb(M, N)))
        assert all(
            set_of_rank(rank_of(list(s)), M, N) == list(s) for s in combinations(range(M), N)
        )


def tokens(k, M, keep, layout="grid", places="sent"):
    codes = torch.full((1, M), -1)
    codes[0, keep] = 5
    return Tokens(torch.zeros(1, k, dtype=torch.long), codes, layout, 4096, places)


@pytest.mark.parametrize(("k", "N"), [(16, 64), (0, 1), (32, 256), (16, 0)])
def test_bits_by_hand(k, N):
    M = 256
    positions = ceil(log2(comb(M, N))) if 0 < N < M else 0
    assert tokens(k, M, list(range(N))).bits().tolist() == [12 * (k + N) + 9 + positions]
    for free in (
        tokens(k, M, list(range(N)), "sequence"),
        tokens(k, M, list(range(N)), places="prior"),
    ):
        assert free.bits().tolist() == [12 * (k + N) + 9]


def test_place_bits_are_exact_where_floats_are_not():
    assert place_bits(256, 128) == ceil(log2(comb(256, 128)))
    assert place_bits(4096, 2048) == (comb(4096, 2048) - 1).bit_length() == 4090


@pytest.mark.parametrize("policy", ["dtf", "random", "uniform", "first", "last", "chain"])
@pytest.mark.parametrize("estimator", ["rate", "prior"])
@pytest.mark.parametrize("count", [0, 1, 9, 16])
def test_round_trip(model, policy, estimator, count):
    encoding = model.encode(pictures(3), 4)
    made = model.quantize(
        encoding, model.select(encoding, policy=policy, estimator=estimator, count=count)
    )
    y = model.decode(made)
    for row in range(3):
        data = pack(made, model, row)
        assert len(data) - HEADER_BYTES == ceil(made.bits()[row].item() / 8)
        back = unpack(data, model)
        assert torch.equal(back.global_codes[0], made.global_codes[row])
        if model.config.layout == "grid":
            assert torch.equal(back.patch_codes[0], made.patch_codes[row])
        own = dataclasses.replace(
            made,
            global_codes=made.global_codes[row : row + 1],
            patch_codes=made.patch_codes[row : row + 1],
        )
        assert torch.equal(model.decode(back), model.decode(own))
        torch.testing.assert_close(model.decode(back)[0], y[row], atol=1e-4, rtol=0)
        assert pack(back, model) == data


def test_a_codebook_that_the_header_cannot_name_is_refused():
    model = random_model()
    made = model.quantize(e := model.encode(pictures(1), 4), model.select(e, count=5))
    for size, fits in ((2**16 - 1, True), (2**16, False)):
        large = dataclasses.replace(made, codebook_size=size)
        if fits:
            pack(large, model)
        else:
            with pytest.raises(ValueError, match="of 65,535 codes at most, not 65,536.$"):
                pack(large, model)


def test_any_damage_is_one_sentence(model):
    encoding = model.encode(pictures(1), 4)
    data = pack(model.quantize(encoding, model.select(encoding, count=5)), model)
    broken = [b"", b"TATOK1", b"PNG" + data[3:], data[:-1], data + b"\0", data[:30]]
    for place in range(len(data)):
        for bit in (0, 7):
            broken.append(data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :])
    for bad in broken:
        with pytest.raises(BadTokenFile) as error:
            unpack(bad, model)
        assert str(error.value).endswith(".") and "\n" not in str(error.value)


def test_a_file_of_other_weights_is_refused():
    ours, theirs = random_model(0), random_model(1)
    encoding = ours.encode(pictures(1), 4)
    data = pack(ours.quantize(encoding, ours.select(encoding, count=5)), ours)
    with pytest.raises(BadTokenFile, match="other weights"):
        unpack(data, theirs)


def test_chain_is_a_rule_that_the_global_codes_give():
    model = random_model()
    near = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
    cosine = torch.nn.functional.cosine_similarity(near[:, None], near[None], dim=2)
    model.correlation.copy_(0.2 * torch.eye(16) + 0.8 * cosine)
    x = pictures(40)
    encoding = model.encode(x, 4)
    for N in (3, 7, 12):
        made = model.quantize(encoding, model.select(encoding, policy="chain", count=N))
        assert made.places == "chain" and len(set(map(tuple, made.keep.tolist()))) > 1
        assert made.bits().tolist() == [6 * (4 + N) + 5] * len(x)  # none of them for the places
        for row in range(len(x)):
            data = pack(made, model, row)
            assert len(data) - HEADER_BYTES == ceil((6 * (4 + N) + 5) / 8)
            assert torch.equal(unpack(data, model).patch_codes[0], made.patch_codes[row])
    model.correlation.copy_(torch.eye(16))  # which is the same for encoder and decoder, or it fails
    others = places_by_rule(model, "chain", made.global_codes[:1], 12, 16)
    assert not torch.equal(others, made.keep[:1])
