"""TaTok: an adaptive image tokenizer of global and patch tokens (arXiv:2605.16384)."""

from tatok.config import SIZES, TokenizerConfig
from tatok.filtering import Selection
from tatok.generator import MaskGIT
from tatok.images import BadImage, load_image
from tatok.pretrained import BadCheckpoint
from tatok.sampling import sample
from tatok.tokenfile import BadTokenFile
from tatok.tokenizer import TaTok
from tatok.tokens import Encoding, Tokens

__all__ = [
    "SIZES",
    "BadCheckpoint",
    "BadImage",
    "BadTokenFile",
    "Encoding",
    "MaskGIT",
    "Selection",
    "TaTok",
    "Tokens",
    "TokenizerConfig",
    "load_image",
    "sample",
]
