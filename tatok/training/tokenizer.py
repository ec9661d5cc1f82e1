"""The tokenizer's side of training: a step, codebooks, validation."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor
from torchvision.utils import make_grid

from tatok.config import EPSILON, TokenizerConfig
from tatok.files import check_writable, write_picture
from tatok.images import to_pil
from tatok.lite import Lite, load_lite
from tatok.quality import psnr
from tatok.speed import stack_work
from tatok.tokenizer import TaTok
from tatok.training.backbone import Backbone
from tatok.training.budget import announce
from tatok.training.calibrate import calibrate
from tatok.training.data import (
    ImageFile,
    TrainingImages,
    large_enough,
    list_images,
    load_batch,
    seeded,
    spread,
)
from tatok.training.draws import Draws, draw_k, draw_keep
from tatok.training.loop import RunOptions, Trainer, World
from tatok.training.losses import LossWeights, total_loss
from tatok.transformer import patchify

CALIBRATION = 256  # training images to which `calibrate` fits
HURRIED = 32  # of them where a signal waits
PREDICTED = 48  # places of each image on which the predictor is trained at a step


@dataclass
class TokenizerTask:
    """What the loop needs to train a TaTok on `files`, validated on `held_out` images.

    `unquantized`: images seen before both codebooks are set by k-means on fresh latents.
    `fixed_tokens`: only what comes after the tokens is trained: up-projections, decoder and heads.
    """

    model: TaTok
    files: list[ImageFile]
    held_out: list[ImageFile]
    weights: LossWeights = field(default_factory=LossWeights)
    draws: Draws = field(default_factory=Draws)
    unquantized: int = 6_000
    seed: int = 0
    perceptual: Lite | None = None
    backbone: Backbone | None = None
    joint: int = 1  # images of one step, of all processes
    hold: torch.device | None = None  # where all training pictures are held, decoded
    fixed_tokens: bool = False

    def __post_init__(self) -> None:
        config = self.model.config
        self.data = TrainingImages(
            self.files, config.sides, self.seed, self.joint, device=self.hold
        )
        self.validation = {
            side: load_batch(spread(large_enough(self.held_out, side), n), side)
            for side, n in {config.largest: 24, config.middle: 64}.items()
        }
        sample = spread(self.files, min(CALIBRATION, len(self.files)))
        self.calibration = load_batch(sample, config.middle)
        # How often each patch and global code occurred: in this epoch so far, and in the last one.
        self.usage = torch.zeros(2, config.codebook_size)
        self.last_usage = torch.zeros_like(self.usage)
        self.live = torch.zeros((), dtype=torch.bool)
        self.set_live(self.fixed_tokens)
        if self.fixed_tokens:
            books = self.model.patch_codebook, self.model.global_codebook
            for part in (self.model.encoder, *(book.down for book in books)):
                part.requires_grad_(False)
        self.work = 0
        # Of the step so far: latents that were kept, and their codes, of patches and of globals.
        self._step: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        self._images = 0  # that these are of, in this process

    def set_live(self, live: bool) -> None:
        """Whether latents are quantized (False only in the first phase)."""
        self.live.fill_(live)
        self.model.patch_codebook.live = self.model.global_codebook.live = bool(live)

    # -- one step ----------------------------------------------------------------------------

    def loss(self, batch: Tensor, n: int, world: World) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss on this process's share of the joint batch that begins at image n."""
        if not self.live and n >= self.unquantized:
            self.start_codebooks(n)
        generator = seeded(self.seed, 2, n)
        k = self.model.config.k
        if self.draws.vary_k:
            k = draw_k(k, self.model.config.k_max, generator)
        encoding = self.model.encode(batch, k)
        places = torch.randperm(encoding.patches.shape[1], generator=generator)[:PREDICTED]
        share = slice(world.rank * len(batch), (world.rank + 1) * len(batch))
        if self.draws.only_n is not None:
            with torch.no_grad():
                keep = self.model.select(encoding, count=self.draws.only_n).keep
        elif self.draws.kept == "mixed":
            keep = draw_keep(self.model, encoding, world.size, share, generator)
        else:
            kept = self.draws.kept == "all"
            keep = torch.full(encoding.patches.shape[:2], kept, device=batch.device)
        loss, made, terms = total_loss(
            self.model,
            encoding,
            keep,
            places.to(batch.device),
            self.weights,
            self.perceptual,
            self.backbone,
        )
        z, g = made.patches, made.globals
        self._step.append(
            (
                z.latents.detach()[keep].float(),
                z.codes[keep],
                g.latents.detach().flatten(0, 1).float(),
                g.codes.flatten(),
            )
        )
        self._images += len(batch)
        self._count(len(batch), k, keep.shape[1])
        return loss, terms

    def _count(self, pictures: int, k: int, M: int) -> None:
        a_picture = stack_work(self.model.encoder.blocks, k + M)
        a_picture += stack_work(self.model.decoder.blocks, self.model.config.k_max + M)
        self.work = 3 * pictures * a_picture  # without DTF's own decode

    def weigh(self, pictures: int) -> Tensor:
        """The loss of pictures of the largest side with all tokens; changes nothing."""
        config, device = self.model.config, self.model.device
        x = torch.zeros(pictures, 3, config.largest, config.largest, device=device)
        encoding = self.model.encode(x, config.k_max)
        keep = torch.ones(encoding.patches.shape[:2], dtype=torch.bool, device=device)
        places = torch.arange(min(PREDICTED, keep.shape[1]), device=device)
        self._count(pictures, config.k_max, keep.shape[1])
        return total_loss(
            self.model, encoding, keep, places, self.weights, self.perceptual, self.backbone
        )[0]

    @torch.no_grad()
    def after_step(self, n: int, world: World) -> None:
        """Move the codebooks by the latents of the step that was just taken."""
        step, images = self._step, self._images * world.size
        self._step, self._images = [], 0
        if not self.live or not step:
            return
        z, patch_codes, g, global_codes = map(torch.cat, zip(*step, strict=True))
        generator = seeded(self.seed, 3, n)
        if not self.fixed_tokens:
            self.model.patch_codebook.update(z, patch_codes, generator)
            self.model.global_codebook.update(g, global_codes, generator)
        if n // len(self.files) != (n - images) // len(self.files):  # a new epoch
            self.last_usage.copy_(self.usage)
            self.usage.zero_()
        for row, codes in enumerate((patch_codes, global_codes)):
            self.usage[row] += torch.bincount(codes, minlength=self.usage.shape[1]).cpu()

    @torch.no_grad()
    def start_codebooks(self, n: int, keep_codes: bool = False) -> None:
        """Set both codebooks by k-means on fresh latents; or only their averages, `keep_codes`."""
        config, device = self.model.config, self.model.encoder.queries.device
        need = max(
            4 * config.codebook_size // config.num_patches,
            2 * config.codebook_size // config.k_max if config.k_max else 0,
            64,
        )
        # All of one side: codes are of patches, which have one size.
        data = TrainingImages(self.files, [config.image_size], self.seed)
        images = torch.stack([data[n + j] for j in range(need)]).to(device)
        parts = [self.model.encode(x, config.k_max) for x in images.split(8)]
        generator = seeded(self.seed, 4, n)
        for book, quantize in (  # the patches last: what is coded of them may depend on G's codes
            (self.model.global_codebook, self.model.quantize_globals),
            (self.model.patch_codebook, self.model.quantize_patches),
        ):
            latents = torch.cat([quantize(e).latents.flatten(0, 1) for e in parts])
            if len(latents):
                book.revive(latents) if keep_codes else book.fit(latents, generator)
            World.join().share([book.codes, book.mass, book.sums, book.error])
            book.live = True
        self.set_live(True)

    # -- log and checkpoint --------------------------------------------------------------------

    @torch.no_grad()
    def validate(self, model: TaTok) -> dict[str, float]:
        """PSNR on the fixed validation images, life of the codebooks, mean N at EPSILON."""
        self._quantize_like_ours(model)
        k, row = model.config.k, {}
        for side, pictures in self.validation.items():
            M = model.config.grid_of(side) ** 2
            own = side == model.config.middle
            tail = "" if own else f"_{side}"
            settings = [("all", k, M), ("quarter", k, M // 4), ("none", k, 0)]
            if own:
                settings += [("all_k0", 0, M), ("quarter_k0", 0, M // 4)]
            x = pictures.to(model.encoder.queries.device)
            for name, k_, count in settings:
                y = self.images(model, x, k_, count)
                row[f"psnr_{name}{tail}"] = psnr(x, y).mean().item()
            counts = [model.select(model.encode(part), EPSILON).count for part in x.split(8)]
            row[f"N_at_{EPSILON}{tail}"] = torch.cat(counts).float().mean().item()
        # Of the last epoch once one has ended; the first counts from where quantization began. Of
        # this process's share of the images.
        usage = self.last_usage if self.last_usage.any() else self.usage
        for name, used in zip(("patch", "global"), usage, strict=True):
            row |= {
                f"{name}_usage": (used > 0).float().mean().item(),
                f"{name}_perplexity": perplexity(used),
            }
        row["unreadable"] = self.data.unreadable
        return row

    def images(self, model: TaTok, images: Tensor, k: int, count: int) -> Tensor:
        """Images (n, 3, S, S) decoded from k global tokens and `count` patches."""
        done = []
        for x in images.split(8):
            encoding = model.encode(x, k)
            keep = model.select(encoding, count=count).keep
            done.append(model(encoding, keep).image.clamp(-1, 1))
        return torch.cat(done)

    @torch.no_grad()
    def save(self, model: TaTok, folder: Path, record: dict, hurried: bool = False) -> None:
        """Weights that can ship, and a grid of pictures: original, all, a quarter, no patches.

        hurried, after a signal: without the grid, and calibrated on fewer images.
        """
        side = model.config.largest
        M, k = model.config.grid_of(side) ** 2, model.config.k
        x = self.validation[side][:12]
        self._quantize_like_ours(model)
        sample = self.calibration[: HURRIED if hurried else None]
        calibrate(model, sample.to(model.encoder.queries.device))
        record |= {
            "weights": asdict(self.weights),
            "draws": asdict(self.draws),
            "unquantized": self.unquantized,
            "live": bool(self.live),
        }
        model.save_pretrained(folder, extra=record)
        if hurried:
            return
        on_device = x.to(model.encoder.queries.device)
        rows = [x, *(self.images(model, on_device, k, n).cpu() for n in (M, M // 4, 0))]
        grid = make_grid(torch.cat(rows), nrow=12, pad_value=-1)
        write_picture(folder / "pictures.png", to_pil(grid))

    def _quantize_like_ours(self, model: TaTok) -> None:
        """An averaged copy of the model quantizes, or not yet, as the model in training does."""
        model.patch_codebook.live = model.global_codebook.live = bool(self.live)

    def state(self) -> dict[str, Tensor]:
        """What a resumed run needs beside model and optimizer."""
        return {"usage": self.usage, "last_usage": self.last_usage, "live": self.live}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Back to where `state` was taken."""
        self.usage.copy_(state["usage"])
        self.last_usage.copy_(state["last_usage"])
        self.set_live(bool(state["live"]))


def perplexity(counts: Tensor) -> float:
    """exp of the entropy of code counts (K,): how many codes are used as if evenly."""
    p = counts / counts.sum().clamp(min=1)
    return torch.special.entr(p).sum().exp().item()


@torch.no_grad()
def start_from_pca(model: TaTok, images: Tensor) -> None:
    """Begin as a linear codec: the latent of a patch is its d_p principal components.

    With identity blocks and orthogonal embeddings, down = P^T E^T and up = H^T P give the best
    linear reconstruction of d_p numbers a patch; training starts from there instead of from noise.
    """
    patches = patchify(images, model.config).flatten(0, 1)  # (n, 3 s s)
    _, _, P = torch.pca_lowrank(patches, q=model.config.patch_code_dim, center=False)
    book = model.patch_codebook
    book.down.weight.copy_(P.T @ model.encoder.embed.weight.T)
    book.up.weight.copy_(model.decoder.head.weight.T @ P)
    book.down.bias.zero_()
    book.up.bias.zero_()


def run(
    config: TokenizerConfig,
    options: RunOptions,
    weights: LossWeights,
    draws: Draws,
    data: list[str],
    val: list[str] | None = None,
    init: str | None = None,
    unquantized: int = 6_000,
    fixed_tokens: bool = False,
) -> None:
    """Train a tokenizer on folders of images: afresh, resumed, or going on from weights (`init`).

    Without `val`, 2 % of the images are held out. `fixed_tokens`: see TokenizerTask.
    """
    check_writable(options.out)
    torch.manual_seed(options.seed)
    files = list_images(data)
    held_out = list_images(val) if val else spread(files, max(4, len(files) // 50))
    files = sorted(set(files) - set(held_out), key=lambda file: file.path)
    world, source = World.join(), options.out if options.resume else init
    if fixed_tokens and source is None:
        raise ValueError("--fixed-tokens: the weights that have them are named by --init.")
    backbone = Backbone(weights.backbone).to(world.device) if weights.backbone else None
    if source is None:
        config = replace(config, backbone_dim=backbone.width if backbone else None)
    model = TaTok.from_pretrained(source) if source else TaTok(config)
    if init and not options.resume and config.open_fields != model.config.open_fields:
        model = model.reshaped(**config.open_fields)
    if model.config.backbone_dim != (backbone.width if backbone else None):
        raise ValueError(
            f"--w-backbone {weights.backbone or 'is missing'}: these weights describe pictures by "
            f"{model.config.descriptor_dim} numbers of another kind."
        )
    record = TaTok.training_record(source) if source else {}
    # Lite0 stays the judge.
    perceptual = load_lite(1).to(world.device) if weights.perceptual else None
    task = TokenizerTask(
        model,
        files,
        held_out,
        weights,
        draws,
        unquantized,
        options.seed,
        perceptual,
        backbone,
        joint=options.joint(world),
        hold=world.device if options.hold else None,
        fixed_tokens=fixed_tokens,
    )
    if source is None:
        images = TrainingImages(files, [model.config.image_size], options.seed)
        start_from_pca(model, torch.stack([images[n] for n in range(64)]))
    trainer = Trainer(task, options, seen=record.get("images", 0), hours=record.get("hours", 0.0))
    task.data.first = trainer.seen % trainer.joint
    if init and record.get("live") and not options.resume and not fixed_tokens:
        task.start_codebooks(trainer.seen, keep_codes=True)
    announce(trainer)
    trainer.fit()
