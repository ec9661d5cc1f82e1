"""The sentences of the Generate tab."""

from __future__ import annotations

from html import escape

from analysis.base.recipes import COMMANDS
from analysis.generator.coherence import Coherence, sentence
from analysis.generator.quality import Generation
from analysis.view.generate.settings import BETWEEN, CLASS, INPAINT, KEEP_GLOBALS, KEEP_PATCHES
from tatok import MaskGIT, TokenizerConfig

MODE_NAMES = {
    CLASS: "a class",
    INPAINT: "a painted picture",
    KEEP_GLOBALS: "a picture's global tokens",
    KEEP_PATCHES: "a picture's patches",
    BETWEEN: "between two pictures",
}
HINTS = {
    CLASS: "Nothing is given. The <i>k</i> global tokens are drawn first; <i>N</i> and the places "
    "follow from them; then the <i>N</i> patches are drawn.",
    INPAINT: "The picture is encoded again without the painted patches, so nothing of them leaks. "
    "Its global tokens and visible patches are given; what you painted over is drawn. All of the "
    "picture is decoded from tokens, the visible part too.",
    KEEP_GLOBALS: "The picture's <i>k</i> global tokens are given; <i>N</i>, the places and the "
    "patches are drawn. What stays of the picture is what its global tokens carry.",
    KEEP_PATCHES: "The picture's <i>N</i> patches are given at their places; the global tokens are "
    "drawn. What changes is what the global tokens carry.",
    BETWEEN: "The global tokens of two pictures are mixed, (1 − <i>t</i>) <i>G</i><sub>a</sub> + "
    "<i>t</i> <i>G</i><sub>b</sub>, and quantized; the patches are drawn given them, with one seed "
    "for all <i>t</i>.",
}
LESSON = """
<div class="lesson">
<p><b>How MaskGIT draws.</b> All tokens begin as masks. In each step the transformer gives every
masked token a distribution over the codebook, a code is drawn for each, and the ones with the
highest confidence ln <i>p</i> (plus some noise) are kept for good. The schedule says how many.</p>
<p><b>Global tokens first.</b> The first 3/8 of the steps draw the <i>k</i> global tokens. What they
say decides how many patches the picture needs: a small head predicts the entropy of every place,
and DTF at ε keeps the fewest places that carry (1 − ε) of it. So <i>N</i> varies from picture to
picture. The rest of the steps draw the <i>N</i> patches; the decoder fills the other places.</p>
<p><b>Why it is fast.</b> The transformer sees <i>k</i> + <i>N</i> tokens, never all <i>M</i>
places, and a few steps instead of one per token.</p>
<p><b>Guidance</b> <i>g</i> pushes towards the class: the logits are <i>u</i> + <i>g</i>
(<i>c</i> − <i>u</i>), <i>c</i> with the class and <i>u</i> without it. At <i>g</i> = 1 there is
none; more makes pictures more typical and less varied, and costs a second pass. <b>Temperature</b>
divides the logits: low plays safe, high takes risks.</p>
</div>
"""
TRAIN = (
    "python -m tatok train generator --tokenizer assets/anygrid --data DIR --images 200000 "
    "--out runs/generator"
)


def mode_hint(mode: str) -> str:
    """What is given and what is drawn, as HTML."""
    return f"<p>{HINTS[mode]}</p>"


def missing(reason: str) -> str:
    """The tab without a generator, as HTML. `reason` is one sentence."""
    return (
        f"<p>{escape(reason)} Train one with <code>{escape(TRAIN)}</code> and put its "
        "<code>generator.json</code> and <code>generator.safetensors</code> beside the tokenizer's "
        "weights; everything else on this page works without it.</p>"
    )


def weights(generator: MaskGIT, record: dict, tokenizer: TokenizerConfig) -> str:
    """Which weights these are, and why their pictures may look poor, as HTML.

    record: of the training; what it does not say is left out.
    """
    seen, hours, different = (record.get(name) for name in ("images", "hours", "sequences"))
    data = f"{seen:,} sequences" if isinstance(seen, int) else "an unknown number of sequences"
    if isinstance(different, int):
        data += f" ({different:,} different ones)"
    spent = f" in {hours:.1f} hours" if isinstance(hours, int | float) else ""
    millions = sum(p.numel() for p in generator.parameters()) / 1e6
    return (
        f"<p>Generator weights <code>{escape(generator.fingerprint)}</code>: {millions:.1f} "
        f"million parameters, {len(generator.config.classes)} classes, trained on {data}{spent}. "
        f"Its tokens are those of the tokenizer <code>{escape(generator.config.tokenizer)}</code>, "
        f"of squares of {tokenizer.image_size} pixels. "
        "Where the pictures look poor, this is why: the paper's generator has 177 million "
        "parameters and learned from the 1.28 million pictures of ImageNet on GPUs; the weights "
        "that ship were trained on two CPU cores. And no picture can be sharper than the "
        "tokenizer's own reconstructions.</p>"
    )


def folded(generator: MaskGIT, about: str) -> str:
    """One line that says which weights draw, and unfolds to `about`, as HTML."""
    size = f"{sum(p.numel() for p in generator.parameters()) / 1e6:.1f} million parameters"
    name = escape(generator.fingerprint)
    return (
        f"<details><summary>Drawn by weights <code>{name}</code>, {size}: how they were trained "
        f"and how good they are</summary>{about}</details>"
    )


def unmeasured(reason: str) -> str:
    """Instead of `quality`, as HTML. `reason` is one sentence."""
    return (
        f"<p>{escape(reason)} How good the pictures of these weights are is not known; "
        f"<code>{escape(COMMANDS['generation'])}</code> measures it.</p>"
    )


def coherence(result: Coherence) -> str:
    """How drawn patches go on where their neighbours end, as HTML."""
    return f"<p>{escape(sentence(result))} {escape(result.provenance.line())}.</p>"


def quality(result: Generation) -> str:
    """What was measured on these weights, as HTML."""
    best, real, again = result.chosen, result.held_out, result.reconstructed
    sentences = [
        f"Measured at {best.options.steps} steps, {best.name}: {best.distance.label} = "
        f"{best.distance.value:.1f}; the tokenizer's reconstructions, the best that can be "
        f"expected, are at {again.distance.value:.1f} ({again.distance.label}), and two halves of "
        f"the real pictures {result.halves.value:.1f} apart ({result.halves.label}).",
        f"{best.memorised:.1%} of the pictures, or their mirror images, are nearer to a training "
        "picture than that is to its own nearest neighbour; of real, held-out pictures "
        f"{real.memorised:.1%}.",
    ]
    if best.top1 is not None and again.top1 is not None:
        sentences.append(
            f"Lite0 tells the class of {best.top1:.1%} rightly among {result.imagenet_classes}; "
            f"of the tokenizer's reconstructions, which are the ceiling, {again.top1:.1%}."
        )
    return f"<p>{escape(' '.join([*sentences, result.provenance.line()]))}.</p>"
