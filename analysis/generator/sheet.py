"""Pictures of every class with no choice among them: what the generator draws, for the card."""

from __future__ import annotations

from dataclasses import asdict

import torch
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from analysis.generator.quality import setting
from tatok.generator import MaskGIT
from tatok.images import to_pil
from tatok.sampling import SamplingOptions, sample
from tatok.tokenizer import TaTok

GAP = 4  # pixels between two pictures
LINE = 22  # of a class's name, above its row


@torch.inference_mode()
def picture_of(
    tokenizer: TaTok, generator: MaskGIT, options: SamplingOptions, pictures: int
) -> Image.Image:
    """A row for each class, its name above it; from left to right one seed after the other, from
    that of the options on. Each is the picture that the page draws with that seed."""
    classes, S = generator.config.classes, generator.side(tokenizer)
    step, row = S + GAP, LINE + S + GAP
    sheet = Image.new("RGB", (pictures * step - GAP, len(classes) * row - GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    with tqdm(total=pictures * len(classes), unit="image", dynamic_ncols=True) as bar:
        for down, name in enumerate(classes):
            pen.text((0, down * row), name, "black", font)
            for across in range(pictures):
                one = asdict(options) | {"seed": options.seed + across}
                *_, last = sample(generator, [name], tokenizer=tokenizer, **one)
                drawn = to_pil(tokenizer.decode(last.tokens))
                sheet.paste(drawn, (across * step, down * row + LINE))
                bar.update()
    return sheet


def markdown(
    link: object, generator: MaskGIT, options: SamplingOptions, pictures: int, seen: int | None
) -> str:
    """The sheet in a card, and what made it; seen: sequences of the generator's training."""
    seeds = f"seeds {options.seed} to {options.seed + pictures - 1}"
    return (
        f"![{pictures} pictures of each class]({link})\n\n"
        f"Every class, {seeds} from left to right, none left out: {setting(options)}, "
        f"{options.steps} steps, ε = {options.epsilon:g}; generator {generator.fingerprint}"
        f"{'' if seen is None else f' after {seen:,} sequences'} (`python -m analysis sheet`)."
    )
