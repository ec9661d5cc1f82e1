"""The generator's side of training: masks drawn per row, loss, validation."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from tatok import filtering
from tatok.canvas import MASKED, Canvas, pack
from tatok.config import GENERATOR_SIZES, GeneratorConfig
from tatok.files import check_writable
from tatok.generator import MaskGIT
from tatok.speed import stack_work
from tatok.streams import seeded
from tatok.tokenizer import TaTok
from tatok.training.budget import announce
from tatok.training.cache import CachedTokens, Rows, cache_tokens, write
from tatok.training.data import EmptyFolder, ImageFile, list_images, log_uniform, spread
from tatok.training.loop import RunOptions, Trainer, World
from tatok.training.losses import GeneratorLoss, near_codes

HELD_OUT = 128  # pictures at most that are validated on
VIEWS = 3  # of a picture: without augmented ones the global codes are soon learned by heart
PARTS, ROWS = 4, 4  # of a batch sorted by length at most, and of a part at least
FRACTIONS = (0.25, 0.5, 0.75, 1.0)  # of masked tokens, at which the validation loss is told


@dataclass
class GeneratorTask:
    """What the loop needs to train a MaskGIT on cached tokens."""

    model: MaskGIT
    tokens: CachedTokens
    held_out: CachedTokens
    options: GeneratorLoss
    tokenizer: TaTok
    seed: int = 0
    folders: tuple[str, ...] = ()  # of the classes, whose names may differ

    def __post_init__(self) -> None:
        self.data = Rows(len(self.tokens), self.seed)
        self.work = 0
        self.near: list[Tensor | None] = [None, None]  # targets (K, K) of globals, of patches
        if self.options.soft:
            books = self.tokenizer.global_codebook, self.tokenizer.patch_codebook
            self.near = [near_codes(book.codes, self.options.soft) for book in books]

    # -- one step ----------------------------------------------------------------------------

    def loss(self, batch: Tensor, n: int, world: World) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy on the masked tokens, and of the entropy's shares by place and by rank."""
        config, joint = self.model.config, len(batch) * world.size
        generator = seeded(self.seed, 2, n)
        share = slice(world.rank * len(batch), (world.rank + 1) * len(batch))
        draws = torch.rand(joint, 5, generator=generator)[share]
        noise = torch.rand(joint, config.k + config.num_patches, generator=generator)[share]
        low, high = self.options.epsilon_low, self.options.epsilon_high
        draws, noise = draws.to(batch.device), noise.to(batch.device)
        epsilon = log_uniform(draws[:, 0].double(), low, high)
        full, entropy = self._canvas(self.tokens, batch, epsilon)
        dropped = draws[:, 1] < self.options.class_dropout
        full = dataclasses.replace(
            full, labels=full.labels.masked_fill(dropped, len(config.classes))
        )
        full, hidden = draw_mask(full, draws[:, 2:], noise, self.options.globals_alone)
        seen = hide(full, hidden)
        place, profile = self.place_loss(self.model, seen, entropy)
        parts = min(PARTS, max(1, len(batch) // ROWS))
        code = self.code_loss(self.model, seen, full, hidden, parts)
        return code + place + profile, {"code": code, "place": place, "profile": profile}

    def _canvas(
        self, tokens: CachedTokens, rows: Tensor, epsilon: Tensor | float
    ) -> tuple[Canvas, Tensor]:
        """Rows of the cache as a canvas with nothing masked, kept by DTF; and their entropies."""
        entropy = tokens.entropy[rows].double()
        keep = filtering.dtf(entropy, epsilon).keep
        places, codes = pack(keep, tokens.patch_codes[rows].long())
        return Canvas(tokens.labels[rows], tokens.global_codes[rows], codes, places), entropy

    def code_loss(
        self, model: MaskGIT, seen: Canvas, full: Canvas, hidden: Tensor, parts: int = 1
    ) -> Tensor:
        """Mean over rows of the mean cross-entropy of a row's masked tokens, nats.

        Rows of like length go through the blocks together, in `parts` of the batch, or much of the
        work would be on padding; embeddings and logits are made once for all.
        """
        k, self.work = full.global_codes.shape[1], 0
        weight = hidden / hidden.sum(dim=1, keepdim=True).clamp(min=1) / len(hidden)
        seen = model.look(self.tokenizer, seen)
        embedded = model.embed(seen)  # (B, 1 + k + L, D)
        lengths = seen.real.sum(dim=1)
        found: tuple[list, list] = ([], [])  # of globals, of patches: states, targets and weights
        for rows in lengths.argsort().chunk(parts):
            L = int(lengths[rows].max())
            h = model.attend(embedded[rows, : 1 + k + L], seen.real[rows, :L])[:, 1:]
            self.work += 3 * len(rows) * stack_work(model.blocks, 1 + k + L)
            for kind, place in zip(found, (slice(0, k), slice(k, k + L)), strict=True):
                mask = hidden[rows, place]
                of_rows = (full.codes[rows, place], weight[rows, place])
                kind.append((h[:, place][mask], *(values[mask] for values in of_rows)))
        columns = [[torch.cat(column) for column in zip(*kind, strict=True)] for kind in found]
        logits = model.predict(columns[0][0], columns[1][0])
        losses = []
        for values, (_, target, share), near in zip(
            (logits.globals, logits.patches), columns, self.near, strict=True
        ):
            if near is not None and model.training:
                target = near[target]  # (n, K)
            smoothing = self.options.label_smoothing if model.training else 0.0
            each = F.cross_entropy(
                values.float(), target, reduction="none", label_smoothing=smoothing
            )
            losses.append((each * share).sum())
        return losses[0] + losses[1]

    def place_loss(self, model: MaskGIT, seen: Canvas, entropy: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropies of H_i / H_total, by place and by rank; rows with H_total = 0 count 0."""
        share, profile = model.place_logits(seen.labels, seen.global_codes)
        p = (entropy / entropy.sum(dim=1, keepdim=True).clamp(min=1e-9)).to(share.dtype)
        ranked = p.sort(dim=1, descending=True).values
        return -(p * share).sum(dim=1).mean(), -(ranked * profile).sum(dim=1).mean()

    def weigh(self, pictures: int) -> Tensor:
        """The loss of rows that keep and hide all tokens; changes nothing."""
        rows = torch.zeros(pictures, dtype=torch.long, device=self.model.device)
        M = self.model.config.num_patches
        places = torch.arange(M, device=rows.device).expand(pictures, -1)
        codes = self.tokens.patch_codes[rows].long()
        full = Canvas(self.tokens.labels[rows], self.tokens.global_codes[rows], codes, places)
        hidden = torch.ones_like(full.codes, dtype=torch.bool)
        return self.code_loss(self.model, hide(full, hidden), full, hidden)

    def after_step(self, n: int, world: World) -> None:
        """Nothing: only gradients move the generator."""

    # -- log and checkpoint ------------------------------------------------------------------

    @torch.no_grad()
    def validate(self, model: MaskGIT) -> dict[str, float]:
        """Losses on held-out tokens, in nats: patches given all global codes, by masked fraction;
        global codes given the class alone; and N by the head beside the true N. At the tokenizer's
        epsilon, or what of the range is nearest to it."""
        low, high = self.options.epsilon_low, self.options.epsilon_high
        epsilon = min(max(self.tokenizer.config.epsilon, low), high)
        rows = torch.arange(min(128, len(self.held_out)), device=model.device)
        full, entropy = self._canvas(self.held_out, rows, epsilon)
        k = model.config.k
        noise = torch.rand(full.codes.shape, generator=seeded(self.seed, 5)).to(model.device)
        patches = torch.cat([torch.zeros_like(full.global_codes).bool(), full.real], dim=1)
        row = {}
        for fraction in FRACTIONS:
            hidden = (noise <= fraction) & patches
            row[f"val_{fraction:g}"] = self.code_loss(
                model, hide(full, hidden), full, hidden
            ).item()
        alone, hidden = (
            full.without_patches(torch.ones(len(rows)).bool().to(model.device)),
            ~patches,
        )
        hidden[:, k:] = False
        row["val_globals"] = self.code_loss(model, hide(alone, hidden), alone, hidden).item()
        place, profile = self.place_loss(model, full, entropy.to(model.device))
        keep = model.choose_places(full.labels, full.global_codes, epsilon)
        return row | {
            "val_place": place.item(),
            "val_profile": profile.item(),
            "N": keep.sum(dim=1).float().mean().item(),
            "N_true": full.real.sum(dim=1).float().mean().item(),
        }

    def save(self, model: MaskGIT, folder: Path, record: dict, hurried: bool = False) -> None:
        """Weights that can ship."""
        record |= {
            "loss": dataclasses.asdict(self.options),
            "sequences": len(self.tokens),
            "folders": self.folders,
        }
        model.save_pretrained(folder, extra=record)

    def state(self) -> dict[str, Tensor]:
        """Nothing beside model and optimizer."""
        return {}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """The counterpart of `state`."""


def hide(full: Canvas, hidden: Tensor) -> Canvas:
    """The canvas with the tokens in hidden (B, k + L) masked."""
    k = full.global_codes.shape[1]
    return dataclasses.replace(
        full,
        global_codes=full.global_codes.masked_fill(hidden[:, :k], MASKED),
        patch_codes=full.patch_codes.masked_fill(hidden[:, k:], MASKED),
    )


def draw_mask(
    full: Canvas, draws: Tensor, noise: Tensor, alone: float = 1 / 3
) -> tuple[Canvas, Tensor]:
    """Which tokens training rows hide, (B, k + L) bool; draws (B, 3), noise (B, k + M) uniform.

    As in sampling: a share `alone` of the rows have no patches (they are taken off the canvas) and
    hide global codes. Of the others three in four have all global codes and hide patches; one in
    eight has all patches and hides global codes (`edit.vary_globals`), and one in eight hides of
    both, each at a share of its own. Shares follow the arccos schedule.
    """
    k = full.global_codes.shape[1]
    kind, *shares = draws.unbind(dim=1)
    kind = (kind - alone) / (1 - alone)  # below 0: without patches
    if k == 0:
        kind = torch.zeros_like(kind)  # there are only patches to hide
    for_globals, for_patches = (share.acos()[:, None] * (2 / math.pi) for share in shares)
    score = torch.cat([noise[:, :k], noise[:, k:].gather(1, full.places.clamp(min=0))], dim=1)
    full = full.without_patches(kind < 0)
    all_globals = ((kind >= 0) & (kind < 3 / 4))[:, None]
    globals_ = (score[:, :k] < for_globals) & ~all_globals
    some_patches = full.real & (kind < 7 / 8)[:, None]
    hidden = torch.cat([globals_, (score[:, k:] < for_patches) & some_patches], dim=1)
    # a row that hides nothing teaches nothing: it hides the token that is first in line
    allowed = torch.cat([(~all_globals).expand(-1, k), some_patches], dim=1)
    lonely = ~hidden.any(dim=1)
    hidden[lonely, score.masked_fill(~allowed, 2)[lonely].argmin(dim=1)] = True
    return full, hidden


def labelled(
    data: list[str], val: list[str] | None
) -> tuple[list[ImageFile], list[ImageFile], list[str]]:
    """Pictures to train on, pictures held out (without `val`, 2 %), and the names of the folders.

    EmptyFolder where one of the two would be empty.
    """
    files = list_images(data)
    held_out = list_images(val) if val else spread(files, max(4, len(files) // 50))
    files = sorted(set(files) - set(held_out), key=lambda file: file.path)
    folders = sorted({file.label for file in files})
    held_out = [file for file in held_out if file.label in folders]
    if not held_out or not files:
        raise EmptyFolder("Pictures of the classes are needed to train on, and others to hold out.")
    return files, held_out, folders


def check_side(tokenizer: TaTok, side: int | None) -> None:
    """ValueError for a side that the tokenizer does not take."""
    c = tokenizer.config
    if side is not None and side not in c.sides:
        raise ValueError(f"--side {side}: this tokenizer has {c.smallest} to {c.largest} pixels.")


def run_cache(
    tokenizer: str,
    out: Path,
    data: list[str],
    val: list[str] | None = None,
    side: int | None = None,
    views: int = VIEWS,
    seed: int = 0,
) -> None:
    """Only encode what `run` with these arguments will train on; it then finds it in `out`."""
    files, held_out, folders = labelled(data, val)
    world = World.join()
    encoder = TaTok.from_pretrained(tokenizer).to(world.device)
    check_side(encoder, side)
    for some, number, drawn in _encoded(files, held_out, views, seed):
        write(encoder, some, folders, out, number, world, side, drawn)


def _encoded(
    files: list[ImageFile], held_out: list[ImageFile], views: int, seed: int
) -> list[tuple[list[ImageFile], int, int]]:
    """Pictures with their number of views and its seed: held-out ones are never augmented."""
    return [(files, views, seed), (spread(held_out, HELD_OUT), 1, 0)]


def run(
    size: str,
    tokenizer: str,
    options: RunOptions,
    loss: GeneratorLoss,
    data: list[str],
    val: list[str] | None = None,
    init: str | None = None,
    names: dict[str, str] | None = None,
    side: int | None = None,
    views: int = VIEWS,
    sees: bool = False,
) -> None:
    """Train a generator on the tokens of labelled folders: afresh, resumed, or going on (`init`).

    A picture's class is the name of its folder; `names` renames some. Without `val`, 2 % of the
    images are held out. Of a new generator: `side` of its pictures, the tokenizer's image_size
    where none is given; `sees`: it looks at the picture decoded so far, see `MaskGIT.look`.
    """
    check_writable(options.out)
    torch.manual_seed(options.seed)
    files, held_out, folders = labelled(data, val)
    world = World.join()
    encoder = TaTok.from_pretrained(tokenizer).to(world.device)
    c, source = encoder.config, options.out if options.resume else init
    check_side(encoder, side)
    config = GeneratorConfig(
        classes=tuple((names or {}).get(folder, folder) for folder in folders),
        tokenizer=encoder.fingerprint,
        num_patches=c.grid_of(side or c.image_size) ** 2,
        picture_dim=c.patch_dim if sees else 0,
        k=c.k,
        layout=c.layout,
        codebook_size=c.codebook_size,
        estimator=c.estimator,
        **GENERATOR_SIZES[size],
    )
    model = MaskGIT.from_pretrained(source) if source else MaskGIT(config)
    if source is None:
        model.start_from_codes(encoder)
    if (model.config.tokenizer, model.config.classes) != (config.tokenizer, config.classes):
        raise ValueError("These generator weights belong to another tokenizer or other classes.")
    for name, asked in (("num_patches", side), ("picture_dim", sees)):
        own, wanted = getattr(model.config, name), getattr(config, name)
        if asked and own != wanted:
            raise ValueError(f"The weights have {name} = {own}, and the flags ask for {wanted}.")
    record = MaskGIT.training_record(source) if source else {}
    side = model.side(encoder)
    cached, held = (
        cache_tokens(encoder, some, folders, options.out, number, world, side, drawn).to(
            world.device
        )
        for some, number, drawn in _encoded(files, held_out, views, options.seed)
    )
    task = GeneratorTask(model, cached, held, loss, encoder, options.seed, tuple(folders))
    trainer = Trainer(task, options, record.get("images", 0), record.get("hours", 0.0))
    announce(trainer)
    trainer.fit()
