"""Checkpoints: `<stem>.json` and `<stem>.safetensors` in a folder or a Hub repository."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
from pathlib import Path
from typing import ClassVar

from huggingface_hub import ModelHubMixin, hf_hub_download
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from tatok.config import from_dict

log = logging.getLogger(__name__)


class BadCheckpoint(ValueError):
    """A checkpoint that is missing, damaged, or does not fit its configuration."""


class Pretrained(nn.Module, ModelHubMixin):
    """`from_pretrained`, `save_pretrained`, `push_to_hub`; safetensors only; two to a folder.

    A subclass names its files (`stem`) and its configuration (`config_type`), takes the
    configuration as the only constructor argument and keeps it as `self.config`.
    """

    stem: ClassVar[str]
    config_type: ClassVar[type]

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

    def save_pretrained(
        self, folder: str | Path, *, extra: dict | None = None, **_: object
    ) -> None:
        """Write weights in half precision and the configuration; `extra` is kept beside it.

        `extra` is the training record (images seen, options), read back by `training_record`.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        state = {
            name: (value.half() if value.is_floating_point() else value).contiguous()
            for name, value in self.state_dict().items()
        }
        meta = {"config": dataclasses.asdict(self.config), "training": extra or {}}
        for suffix, write in (
            (".safetensors", lambda path: save_file(state, path)),
            (".json", lambda path: path.write_text(json.dumps(meta, indent=1) + "\n")),
        ):
            partial = folder / f".{self.stem}{suffix}.partial"
            write(partial)
            os.replace(partial, folder / f"{self.stem}{suffix}")

    @classmethod
    def from_pretrained(
        cls, folder_or_id: str | Path, *, revision: str | None = None
    ) -> Pretrained:
        """Load from a folder or a Hub id. Raises BadCheckpoint with one sentence otherwise."""
        meta = _read_meta(_locate(folder_or_id, f"{cls.stem}.json", revision))
        weights = _locate(folder_or_id, f"{cls.stem}.safetensors", revision)
        try:
            model = cls(from_dict(cls.config_type, meta["config"]))
            model.load_state_dict(
                {
                    n: t.float() if t.is_floating_point() else t
                    for n, t in load_file(weights).items()
                }
            )
        except (SafetensorError, RuntimeError, TypeError, ValueError, KeyError) as error:
            raise BadCheckpoint(
                f"{Path(weights).name} does not fit its configuration: {str(error).splitlines()[0]}"
            ) from error
        if (meta.get("training") or {}).get("live") is False:
            log.warning("%s was saved before its codebooks were made: they are random.", weights)
        return model.eval()

    @classmethod
    def saved_config(cls, folder: str | Path) -> object:
        """The configuration beside the weights, without loading them."""
        return from_dict(
            cls.config_type, _read_meta(_locate(folder, f"{cls.stem}.json", None))["config"]
        )

    @classmethod
    def training_record(cls, folder: str | Path) -> dict:
        """What `save_pretrained` was given as `extra`."""
        return _read_meta(_locate(folder, f"{cls.stem}.json", None)).get("training") or {}


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
        if isinstance(meta, dict) and isinstance(meta.get("config"), dict):
            return meta
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        pass
    raise BadCheckpoint(f"{Path(path).name} is not a model configuration.")
