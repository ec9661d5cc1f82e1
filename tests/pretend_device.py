"""A device that is none: CPU tensors that say they lie elsewhere, with the rules of such a place.

PyTorch on a machine without a GPU cannot show that a tensor was left behind. Here the tensors of
the device NAME are computed on the CPU, and what a GPU refuses is refused: tensors of two devices
in one operation, NumPy without `.cpu()`, and float64, which Apple's GPUs do not have.
"""

import functools

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

NAME = "elsewhere"
MOVES = ("_to_copy", "copy_", "index", "index_put", "index_put_", "_index_put_impl_")


@functools.cache
def register() -> None:
    """Tell PyTorch of the device, once."""
    backend = pytest.importorskip("torch.utils.backend_registration")
    if not hasattr(backend, "_setup_privateuseone_for_python_backend"):
        pytest.skip("this PyTorch takes no device that is written in Python")
    module = backend._DummyBackendModule()
    module.device_count = lambda: 0  # so that nobody asks it for the state of its random numbers
    module.get_amp_supported_dtype = lambda: [torch.bfloat16]
    backend._setup_privateuseone_for_python_backend(NAME, module)


class Elsewhere(Tensor):
    """A tensor of the device; `inner` holds its numbers."""

    @staticmethod
    def __new__(cls, inner: Tensor):
        if inner.dtype is torch.float64:
            raise TypeError("This device has no float64.")
        return Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), dtype=inner.dtype, device=NAME
        )

    def __init__(self, inner: Tensor) -> None:
        self.inner = inner

    def __repr__(self, **_) -> str:
        return f"Elsewhere({self.inner})"

    def tolist(self):
        return self.inner.tolist()

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return dispatch(function, args, kwargs or {})


class Pretend(TorchDispatchMode):
    """Within it `.to(NAME)` and `device=NAME` work; `ran` counts what the device computed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        register()
        # PyTorch cannot wrap tensors in inference mode; tests run without gradients anyway.
        monkeypatch.setattr(torch.inference_mode, "__enter__", lambda self: None)
        monkeypatch.setattr(torch.inference_mode, "__exit__", lambda self, *error: None)
        # Numbers from Python pass no mode on their way to a device.
        made = torch.tensor
        monkeypatch.setattr(
            torch, "tensor", lambda values, device="cpu", **how: made(values, **how).to(device)
        )
        self.ran: dict[str, int] = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function._overloadpacket.__name__
        if any(isinstance(leaf, Elsewhere) for leaf in tree_flatten((args, kwargs))[0]):
            self.ran[name] = self.ran.get(name, 0) + 1
        return dispatch(function, args, kwargs or {})


def dispatch(function, args, kwargs):
    """Run it on the CPU; the result lies where the device's would."""
    leaves = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, Tensor)]
    there = any(isinstance(leaf, Elsewhere) for leaf in leaves)
    name = function._overloadpacket.__name__
    if there and name not in MOVES:
        left = [tuple(x.shape) for x in leaves if not isinstance(x, Elsewhere) and x.ndim]
        if left:
            raise RuntimeError(f"{name}: a tensor {left[0]} was left on the CPU.")
    target = NAME if there else "cpu"
    if kwargs.get("device") is not None:
        target = torch.device(kwargs["device"]).type
        kwargs = kwargs | {"device": "cpu"}
    if name in ("copy_", "index_put_", "_index_put_impl_"):
        target = NAME if isinstance(args[0], Elsewhere) else "cpu"
    given = tree_map(lambda x: x.inner if isinstance(x, Elsewhere) else x, (args, kwargs))
    made = function(*given[0], **given[1])
    if function._schema.name.endswith("_") or function._schema.is_mutable:
        for argument in leaves:
            if isinstance(argument, Elsewhere) and made is argument.inner:
                return argument
    if target == "cpu":
        return made
    return tree_map(lambda x: Elsewhere(x) if isinstance(x, Tensor) else x, made)
