"""Red (Eq. 2) of the patch codes, as code lengths on held-out images.

    Red = (sum of h(q_i) - h(q)) / sum of h(q_i)

Singles, sum of h(q_i): each code by itself, from its place. Joint, h(q): each code given those
before it in raster order (the chain rule), by a small transformer. Both are lengths of real codes
for pictures that the models have not seen, so each is an upper bound of its entropy. A better joint
model would find more redundancy; a better model of singles, less. Entropies of continuous tokens,
as in the paper, would depend on their scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm

from analysis.base.evaluate import table
from analysis.base.provenance import Provenance
from analysis.base.results import Estimate, shown
from tatok import filtering
from tatok.streams import seeded
from tatok.tokenizer import TaTok
from tatok.training.cache import CachedTokens
from tatok.transformer import blocks, sinusoid_2d

DIM, DEPTH, HEADS = 128, 3, 4
RATE, BATCH = 1.5e-3, 8
PATCHES = ("all", "kept", "random")
PULLS = (10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4)  # towards the codes of all places, in counts


@dataclass(frozen=True)
class Case:
    """What is coded, and what is known: one of PATCHES; G or not; earlier codes or not."""

    patches: str
    globals: bool
    joint: bool


@dataclass(frozen=True)
class Redundancy:
    """One Red. Lengths are bits for each code, ratios of sums over the images.

    patches    "all", "kept" (by DTF, the kept places known) or "random": as many of each picture,
               the control of "kept"; given_globals: given G
    codes      mean number of codes of an image
    red        1 - joint / singles, a bound on neither side: both lengths are upper bounds
    floor      lower bound of the singles: plug-in entropy of each place's codes, which is biased
               downward; None given G, where no count can have one
    at_least   1 - joint / floor: a lower bound of Red, whatever the models miss
    """

    patches: str
    given_globals: bool
    codes: float
    singles: float
    joint: float
    red: Estimate
    floor: float | None
    at_least: float | None


@dataclass(frozen=True)
class Redundancies:
    """The result file. n held-out pictures, each with its mirror image; bits of a code: log2 K."""

    epsilon: float
    n: int
    n_train: int
    sequences: int  # seen in training the transformer
    code_bits: float
    rows: tuple[Redundancy, ...]
    provenance: Provenance


# --- single codes ----------------------------------------------------------------------------


@dataclass(frozen=True)
class PlaceTable:
    """p(code | place), counts pulled towards the codes of all places: bits (M, K); floor (M,)."""

    bits: Tensor
    floor: Tensor

    @classmethod
    def fit(cls, codes: Tensor, keep: Tensor, size: int) -> PlaceTable:
        """From codes (n, M) where `keep` (n, M); how strong the pull is, a tenth of them decide."""
        held = torch.arange(len(codes)) % 10 == 9
        fitted, seen = _counts(codes[~held], keep[~held], size), _counts(codes, keep, size)
        check = _counts(codes[held], keep[held], size)
        pull = min(PULLS, key=lambda a: (check * _bits(fitted, a)).sum().item())
        share = seen / seen.sum(dim=1, keepdim=True).clamp(min=1)
        floor = -(share * share.clamp(min=1e-300).log2()).sum(dim=1)
        return cls(_bits(seen, pull), floor)


def _counts(codes: Tensor, keep: Tensor, size: int) -> Tensor:
    """How often each code occurs at each place, (M, K) float64."""
    M = codes.shape[1]
    cell = (torch.arange(M) * size + codes)[keep]
    return torch.bincount(cell, minlength=M * size).view(M, size).double()


def _bits(counts: Tensor, pull: float) -> Tensor:
    everywhere = counts.sum(dim=0) + 1 / counts.shape[1]
    everywhere = everywhere / everywhere.sum()
    return -((counts + pull * everywhere) / (counts.sum(dim=1, keepdim=True) + pull)).log2()


# --- codes given others ----------------------------------------------------------------------


class CodeModel(nn.Module):
    """p(q_i | i, and what the case lets it see), for all i at once.

    The sequence is G's codes (k), the patches' codes, and one query for each patch, which sees G,
    the codes before its own, and no other query.
    """

    def __init__(self, tokenizer: TaTok, k: int) -> None:
        super().__init__()
        K, grid, self.k = tokenizer.config.codebook_size, tokenizer.config.grid, k
        self.code = _near(tokenizer.patch_codebook.codes)
        self.global_code = _near(tokenizer.global_codebook.codes)
        self.place = nn.Parameter(0.5 * sinusoid_2d(grid, DIM))  # (M, D)
        self.global_place = nn.Parameter(0.02 * torch.randn(k, DIM))
        self.ask = nn.Embedding(len(PATCHES), DIM)  # of which set a code is asked
        self.blocks = blocks(DIM, DEPTH, HEADS, 2.0)
        self.norm, self.bias = nn.LayerNorm(DIM), nn.Parameter(torch.zeros(K))
        nn.init.normal_(self.ask.weight, std=0.02)

    def forward(self, rows: CachedTokens, keep: Tensor, case: Case) -> Tensor:
        """Bits of the codes in `keep` (B, M), in raster order, then zeros: (B, L), L the largest N.

        What the case does not show is not in the sequence at all.
        """
        L = int(keep.sum(dim=1).max())
        places = (~keep).sort(dim=1, stable=True).indices[:, :L]  # kept first, raster order
        real = keep.gather(1, places)  # (B, L)
        codes = rows.patch_codes.gather(1, places)
        at = self.place[places]  # (B, L, D)
        parts = [self.ask.weight[PATCHES.index(case.patches)] + at]
        if case.joint:
            parts.insert(0, self.code(codes) + at)
        if case.globals:
            parts.insert(0, self.global_code(rows.global_codes) + self.global_place)
        h = torch.cat(parts, dim=1)
        sees = visibility(real, self.k, case)[:, None]  # the same for all heads
        for block in self.blocks:
            h = block(h, attn_mask=sees)
        asked = self.norm(h[:, -L:])[real]  # (codes, D)
        log_p = (asked @ self.code.weight.T + self.bias).log_softmax(dim=1)
        bits = -log_p.gather(1, codes[real][:, None])[:, 0] / math.log(2)
        return bits.new_zeros(real.shape).masked_scatter(real, bits)


def _near(vectors: Tensor) -> nn.Embedding:
    """Embeddings that begin alike where the codes' vectors (K, d) are near."""
    standard = ((vectors - vectors.mean(dim=0)) / vectors.std()).cpu()
    return nn.Embedding.from_pretrained(
        0.02 * standard @ torch.randn(vectors.shape[1], DIM), freeze=False
    )


def visibility(real: Tensor, k: int, case: Case) -> Tensor:
    """Which token (row) sees which (column), (B, T, T) bool, for `real` (B, L), no padding."""
    B, L = real.shape
    g, c = k * case.globals, L * case.joint
    sees = torch.eye(g + c + L, dtype=torch.bool, device=real.device).repeat(B, 1, 1)
    sees[:, :, :g] = True
    if case.joint:
        earlier = torch.ones_like(sees[0, :L, :L]).tril(-1) & real[:, None]  # (B, L, L)
        sees[:, g : g + c, g : g + c] |= earlier
        sees[:, g + c :, g : g + c] = earlier
    return sees


def select(tokens: CachedTokens, index: Tensor) -> CachedTokens:
    """Some rows of the cache."""
    parts = (tokens.labels, tokens.global_codes, tokens.patch_codes, tokens.entropy)
    return CachedTokens(*(part[index] for part in parts))


def kept_places(
    tokens: CachedTokens, epsilon: float, patches: str, generator: torch.Generator
) -> Tensor:
    """(n, M) bool: what DTF keeps at ε, or as many patches at random, or everything."""
    if patches == "all":
        return torch.ones_like(tokens.patch_codes, dtype=torch.bool)
    found = filtering.dtf(tokens.entropy, epsilon)
    if patches == "kept":
        return found.keep
    order = torch.rand(found.keep.shape, generator=generator).argsort(dim=1)
    return filtering.keep_first(order, found.count)


# Single codes without G are the table's.
CASES = [
    Case(patches, globals_, joint)
    for patches in PATCHES
    for globals_, joint in ((False, True), (True, True), (True, False))
]


def train(
    tokenizer: TaTok, tokens: CachedTokens, epsilon: float, sequences: int, seed: int = 0
) -> CodeModel:
    """Fit the transformer to all cases in turn; the rate rises over 5 % and falls as a cosine."""
    tokens = tokens.to(tokenizer.device)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CodeModel(tokenizer, tokens.global_codes.shape[1]).to(tokenizer.device)
    optimizer = torch.optim.AdamW(model.parameters(), RATE, (0.9, 0.98), weight_decay=0.05)
    generator = seeded(seed, 12)
    steps = max(1, sequences // BATCH)
    with torch.enable_grad(), tqdm(total=steps * BATCH, unit="seq", dynamic_ncols=True) as bar:
        for step in range(steps):
            part = (step + 0.5) / steps
            for group in optimizer.param_groups:
                group["lr"] = RATE * min(part / 0.05, 0.5 + 0.5 * math.cos(math.pi * part))
            case = CASES[step % len(CASES)]
            rows = select(tokens, torch.randint(len(tokens), (BATCH,), generator=generator))
            keep = kept_places(rows, epsilon, case.patches, generator)
            loss = model(rows, keep, case).sum() / keep.sum()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            bar.update(BATCH)
            bar.set_postfix_str(f"{loss.item():.2f} bits a code", refresh=False)
    return model.eval()


# --- Red -------------------------------------------------------------------------------------


@torch.no_grad()
def lengths(model: CodeModel, tokens: CachedTokens, keep: Tensor, case: Case) -> Tensor:
    """Bits of the codes in `keep` (n, M) of each image, (n,) float64."""
    parts, tokens = [], tokens.to(model.place.device)
    for index in torch.arange(len(tokens)).split(BATCH):
        rows = select(tokens, index)
        parts.append(model(rows, keep[index].to(model.place.device), case).double().sum(dim=1))
    return torch.cat(parts).cpu()


def measure(
    tokenizer: TaTok,
    seen: CachedTokens,
    held_out: CachedTokens,
    epsilon: float,
    sequences: int,
    seed: int = 0,
) -> tuple[Redundancy, ...]:
    """Red of each set of patches, without and given G; fitted to `seen`."""
    model, config = train(tokenizer, seen, epsilon, sequences, seed), tokenizer.config
    rows = []
    for patches in PATCHES:
        fitted, keep = (
            kept_places(part, epsilon, patches, seeded(seed, 15)) for part in (seen, held_out)
        )
        table = PlaceTable.fit(seen.patch_codes, fitted, config.codebook_size)
        bits = table.bits[torch.arange(config.num_patches), held_out.patch_codes]  # (n, M)
        singles, floor = (bits * keep).sum(dim=1), (table.floor * keep).sum(dim=1)
        for given in (False, True):
            joint = lengths(model, held_out, keep, Case(patches, given, True))
            if given:
                singles = lengths(model, held_out, keep, Case(patches, True, False))
            codes = keep.sum(dim=1).double()
            rows.append(
                redundancy(
                    patches,
                    given,
                    *(_pairs(v) for v in (codes, singles, joint)),
                    None if given else _pairs(floor),
                    seed,
                )
            )
    return tuple(rows)


def redundancy(
    patches: str,
    given: bool,
    codes: Tensor,
    singles: Tensor,
    joint: Tensor,
    floor: Tensor | None,
    seed: int = 0,
) -> Redundancy:
    """From sums of bits over the codes of each image, (n,) each; bootstrap over images."""
    n, generator = len(codes), seeded(seed, 13)
    draws = torch.stack([torch.randint(n, (n,), generator=generator) for _ in range(2000)])
    red = 1 - joint[draws].sum(dim=1) / singles[draws].sum(dim=1)
    low, high = red.quantile(torch.tensor([0.025, 0.975], dtype=red.dtype)).tolist()
    total = codes.sum()
    return Redundancy(
        patches,
        given,
        codes.mean().item(),
        (singles.sum() / total).item(),
        (joint.sum() / total).item(),
        Estimate((1 - joint.sum() / singles.sum()).item(), low, high),
        None if floor is None else (floor.sum() / total).item(),
        None if floor is None else (1 - joint.sum() / floor.sum()).item(),
    )


def _pairs(values: Tensor) -> Tensor:
    """Means of pictures and their mirror images, (2n,) -> (n,): the unit is the picture."""
    return values.view(2, -1).mean(dim=0)


def markdown(rows: Sequence[Redundancy]) -> str:
    """One row for each Red."""
    head = ["patches", "given G", "codes", "bits of singles", "bits jointly", "Red", "at least"]
    return table(head, [_cells(row) for row in rows])


def _cells(row: Redundancy) -> list[str]:
    bits = [f"{row.codes:.0f}", f"{row.singles:.2f}", f"{row.joint:.2f}"]
    least = "–" if row.at_least is None else f"{row.at_least:.3f}"
    return [row.patches, "yes" if row.given_globals else "no", *bits, shown(row.red, 3), least]
