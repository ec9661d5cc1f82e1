"""Checkpoints: `<stem>.json` and `<stem>.safetensors` in a folder or a Hub repository."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from huggingface_hub import ModelHubMixin, hf_hub_download, split_torch_state_dict_into_shards
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tatok.config import from_dict
from tatok.files import write_all

P = TypeVar("P", bound="Pretrained")
log = logging.getLogger(__name__)


class NoDevice(ValueError):
    """A device that this machine does not have; one sentence."""


def best_device() -> str:
    """ "cuda" where there is a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def find_device(name: str | None = None) -> torch.device:
    """The device of that name; none: CUDA, else Apple's MPS, else the CPU.

    NoDevice, with what there is, where this machine has none of that name.
    """
    there = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    there += ["mps"] * torch.backends.mps.is_available() + ["cpu"]
    wanted = {"cuda": "cuda:0"}.get(name or there[0], name or there[0])
    if wanted not in there:
        raise NoDevice(f"There is no device {name} here; there is {', '.join(there)}.")
    return torch.device(wanted)


class BadCheckpoint(ValueError):
    """A checkpoint that is missing, damaged, or does not fit its configuration."""


class Pretrained(nn.Module, ModelHubMixin):
    """`from_pretrained`, `save_pretrained`, `push_to_hub`; safetensors only; two to a folder.

    A subclass names its files (`stem`) and its configuration (`config_type`), takes the
    configuration as the only constructor argument and keeps it as `self.config`. Weights that are
    larger than `largest_file` bytes are several files and an index, as the Hub has them.
    """

    stem: ClassVar[str]
    largest_file: ClassVar[int] = 15_000_000
    config_type: ClassVar[type]
    config: Any

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def fingerprint(self) -> str:
        """First 16 hex digits of SHA-256 over configuration and half-precision weights.

        Of the configuration what differs from the defaults, so that a field that is added later
        does not rename weights that were made before.
        """
        usual = {field.name: field.default for field in dataclasses.fields(self.config)}
        chosen = dataclasses.asdict(self.config).items()
        changed = {name: value for name, value in chosen if value != usual[name]}
        digest = hashlib.sha256(json.dumps(changed, sort_keys=True).encode())
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().half().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def save_pretrained(  # type: ignore[override]
        self, folder: str | Path, *, extra: dict | None = None, **_: object
    ) -> None:
        """Write weights in half precision and the configuration; `extra` is kept beside it.

        `extra` is the training record (images seen, options), read back by `training_record`.
        Raises CannotWrite; each file is whole or as it was.
        """
        folder = Path(folder)
        state = {
            name: (value.half() if value.is_floating_point() else value).contiguous()
            for name, value in self.state_dict().items()
        }
        split = split_torch_state_dict_into_shards(
            state,
            filename_pattern=f"{self.stem}{{suffix}}.safetensors",
            max_shard_size=self.largest_file,
        )
        parts: dict[Path, Callable[[Path], object]] = {
            folder / file: partial(save_file, {name: state[name] for name in names})
            for file, names in split.filename_to_tensors.items()
        }
        index = folder / _index(self.stem)
        if split.is_sharded:
            parts[index] = _json({"weight_map": split.tensor_to_filename})
        meta = {"config": dataclasses.asdict(self.config), "training": extra or {}}
        parts[folder / f"{self.stem}.json"] = _json(meta)
        # A process that is killed here leaves the old weights or, within a moment, the new ones.
        write_all(parts)
        (folder / f"{self.stem}.safetensors" if split.is_sharded else index).unlink(missing_ok=True)

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls: type[P], folder_or_id: str | Path, *, revision: str | None = None
    ) -> P:
        """Load from a folder or a Hub id. Raises BadCheckpoint with one sentence otherwise."""
        meta = _read_meta(_locate(folder_or_id, f"{cls.stem}.json", revision))
        files = _weight_files(folder_or_id, cls.stem, revision)
        try:
            config = from_dict(cls.config_type, meta["config"])
            _check_shapes(cls, config, _shapes(files))
            model = cls(config)
            model.load_state_dict(_read(files))
        except UNFIT as error:
            raise BadCheckpoint(
                f"{cls.stem}.safetensors does not fit its configuration: "
                f"{str(error).splitlines()[0]}"
            ) from error
        if (meta.get("training") or {}).get("live") is False:
            log.warning("%s was saved before its codebooks were made: they are random.", files[0])
        return model.eval()

    @classmethod
    def saved_config(cls, folder: str | Path) -> Any:
        """The configuration beside the weights, without loading them."""
        return from_dict(
            cls.config_type, _read_meta(_locate(folder, f"{cls.stem}.json", None))["config"]
        )

    @classmethod
    def training_record(cls, folder: str | Path) -> dict:
        """What `save_pretrained` was given as `extra`."""
        return _read_meta(_locate(folder, f"{cls.stem}.json", None)).get("training") or {}


def _index(stem: str) -> str:
    return f"{stem}.safetensors.index.json"


def _json(value: dict) -> Callable[[Path], object]:
    return lambda path: path.write_text(json.dumps(value, indent=1) + "\n")


# What building and filling a model raises where configuration or weights are not what they say.
UNFIT = (SafetensorError, OSError, RuntimeError, ArithmeticError, TypeError, ValueError, KeyError)


def _shapes(files: list[str]) -> dict[str, tuple[tuple[int, ...], bool]]:
    """Each tensor's shape, and whether it holds floats, from the files' headers alone."""
    found = {}
    for file in files:
        with safe_open(file, "pt") as opened:
            for name in opened.keys():  # noqa: SIM118
                part = opened.get_slice(name)
                found[name] = tuple(part.get_shape()), part.get_dtype().startswith(("F", "BF"))
    return found


def _check_shapes(kind: type[Pretrained], config: Any, found: dict) -> None:
    """ValueError unless these are the tensors of the configuration.

    Before memory is taken: a configuration may name any size, and the header of a file too.
    """
    depths = [getattr(config, name, 0) for name in ("depth", "decoder_blocks")]
    if sum(depths) > len(found):  # even without memory a million blocks take an hour
        raise ValueError(f"{sum(depths)} blocks, and {len(found)} tensors.")
    with torch.device("meta"):
        state = kind(config).state_dict()
    if odd := sorted(set(state) ^ set(found)):
        where = "missing" if odd[0] in state else "not one of this model's"
        raise ValueError(f"{odd[0]} is {where}.")
    for name, (shape, floats) in found.items():
        wanted = state[name]
        if shape != wanted.shape:
            raise ValueError(f"{name} is {shape}, not {tuple(wanted.shape)}.")
        if floats != wanted.is_floating_point():
            raise ValueError(f"{name} has numbers of another kind.")


def _read(files: list[str]) -> dict[str, Tensor]:
    """All tensors, in single precision. ValueError where one holds a NaN or an infinity."""
    state = {}
    for file in files:
        with safe_open(file, "pt") as opened:
            for name in opened.keys():  # noqa: SIM118
                tensor = opened.get_tensor(name)
                if tensor.is_floating_point():
                    tensor = tensor.float()
                    if not tensor.isfinite().all():
                        raise ValueError(f"{name} has values that are no numbers.")
                state[name] = tensor
    return state


def _weight_files(folder_or_id: str | Path, stem: str, revision: str | None) -> list[str]:
    """The files that hold the weights: those that an index names, or the one."""
    try:
        index = _locate(folder_or_id, _index(stem), revision)
    except BadCheckpoint:
        return [_locate(folder_or_id, f"{stem}.safetensors", revision)]
    try:
        names = sorted(set(json.loads(Path(index).read_text())["weight_map"].values()))
        if not all(re.fullmatch(rf"{stem}-\d+-of-\d+\.safetensors", name) for name in names):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadCheckpoint(f"{_index(stem)} is not an index of weights.") from error
    return [_locate(folder_or_id, name, revision) for name in names]


def _locate(folder_or_id: str | Path, name: str, revision: str | None) -> str:
    if os.path.isdir(folder_or_id):
        path = os.path.join(folder_or_id, name)
        if not os.path.isfile(path):
            raise BadCheckpoint(f"There is no {name} in {folder_or_id}.")
        return path
    try:
        return hf_hub_download(str(folder_or_id), name, revision=revision)
    except Exception as error:  # the hub client has no common base for 'not found' and 'offline'
        raise BadCheckpoint(
            f"{folder_or_id} is neither a folder nor a model that can be downloaded."
        ) from error


def _read_meta(path: str) -> dict:
    try:
        meta = json.loads(Path(path).read_text())
        parts = isinstance(meta, dict) and (meta.get("config"), meta.get("training") or {})
        if parts and all(isinstance(part, dict) for part in parts):
            return meta
    except (OSError, ValueError, RecursionError):  # of brackets in a thousand brackets
        pass
    raise BadCheckpoint(f"{Path(path).name} is not a model configuration.")
