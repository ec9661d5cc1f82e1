"""Decoding and encoding in other arithmetic: what each gains in time and loses in decibels.

float32; bfloat16 by autocast; int8, the weights of the linear maps in the blocks and what enters
them; and the blocks through torch.compile.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from tatok.bench.products import seconds
from tatok.quality import psnr
from tatok.tokenizer import TaTok


@dataclass(frozen=True)
class Speed:
    """One arithmetic: seconds of encoding and decoding one picture; mean PSNR in dB of the pictures
    decoded in it from float32's tokens; same_codes: the share of the kept patches' codes that
    encoding in it leaves as they are."""

    name: str
    encode: float
    decode: float
    psnr: float
    same_codes: float


@torch.inference_mode()
def compare(model: TaTok, x: Tensor, patience: float = 0.5) -> Iterator[Speed]:
    """Each arithmetic on pictures x (B, 3, S, S), at the model's defaults; times are of one
    picture, over `patience` seconds."""
    encoding = model.encode(x)
    selection = model.select(encoding)
    tokens = model.quantize(encoding, selection)
    first = model.encode(x[:1])
    one = model.quantize(first, model.select(first))
    for name, (other, within) in ways(model).items():
        with within():
            image = other.decode(tokens).float()
            codes = other.quantize(other.encode(x), selection).patch_codes
            yield Speed(
                name,
                seconds(partial(other.encode, x[:1]), patience),
                seconds(partial(other.decode, one), patience),
                psnr(x, image).mean().item(),
                (codes == tokens.patch_codes)[selection.keep].double().mean().item(),
            )


def ways(model: TaTok) -> dict[str, tuple[TaTok, Callable[[], AbstractContextManager]]]:
    """By name: a model, and within what it is called."""
    half = partial(torch.autocast, model.device.type, torch.bfloat16)
    made: dict = {
        "float32": (model, nullcontext),
        "bfloat16": (model, half),
        "torch.compile": (_compiled(model), nullcontext),
        "bfloat16, torch.compile": (_compiled(model), half),
    }
    if model.device.type == "cpu":  # PyTorch has its int8 products there
        made["int8"] = _int8(model), nullcontext
    return made


def _int8(model: TaTok) -> TaTok:
    made = copy.deepcopy(model)
    for part in (made.encoder, made.decoder):
        quantized = torch.ao.quantization.quantize_dynamic(part.blocks, {nn.Linear}, torch.qint8)
        part.blocks = quantized
    return made


def _compiled(model: TaTok) -> TaTok:
    made = copy.deepcopy(model)
    for part in (made.encoder, made.decoder):
        for block in part.blocks:
            block.compile()
    return made


HEAD = (
    "| arithmetic | encode, ms | decode, ms | PSNR, dB | codes as in float32 |\n"
    "|---|---:|---:|---:|---:|"
)


def line(row: Speed) -> str:
    """A row of the table, Markdown."""
    return (
        f"| {row.name} | {1000 * row.encode:.1f} | {1000 * row.decode:.1f} | {row.psnr:.2f} "
        f"| {row.same_codes:.1%} |"
    )
