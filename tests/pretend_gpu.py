"""A GPU that is not there: real numbers on the CPU, and a GPU's refusal to mix devices."""

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

GPU, CPU = torch.device("cuda", 0), torch.device("cpu")
QUESTIONS = {torch._C._nn._parse_to, torch._has_compatible_shallow_copy_type}  # of Module.to
ATTRIBUTES = {"device": lambda there: GPU if there else CPU, "is_cuda": lambda there: there}
MOVE = {Tensor.to, Tensor.cpu}
BETWEEN = {Tensor.data.__set__, Tensor.copy_}
INDEX = {Tensor.__getitem__, Tensor.__setitem__}  # places may be told by the CPU
TO_NUMPY = {Tensor.numpy, Tensor.__array__}


def on_gpu(tensor: Tensor) -> bool:
    """Whether its memory counts as the GPU's."""
    return getattr(tensor.untyped_storage(), "pretends", False)


class PretendGPU(TorchFunctionMode):
    """While it is entered, what is moved to "cuda", and all that is made of it, counts as a GPU's.

    RuntimeError, as with a real one, where that meets a tensor of the CPU that is more than a
    number, or a stream of the CPU's draws, and where NumPy wants to read it. `used`: what ran.
    """

    def __init__(self):
        super().__init__()
        self.used = set()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs, name = kwargs or {}, getattr(function, "__name__", str(function))
        attribute = getattr(getattr(function, "__self__", None), "__name__", None)
        if name == "__get__" and attribute in ATTRIBUTES:
            return ATTRIBUTES[attribute](on_gpu(args[0]))
        if function in QUESTIONS or function in BETWEEN:
            return function(*args, **kwargs)
        tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        there = any(map(on_gpu, tensors))
        if function in MOVE:
            there = _destination(function, args, kwargs)
        elif there:
            self.used.add(name)
            of_cpu = [tensor for tensor in tensors if tensor.dim() and not on_gpu(tensor)]
            if of_cpu and not (function in INDEX and on_gpu(args[0])):
                raise RuntimeError(f"{name}: tensors of the GPU meet tensors of the CPU")
            if function in TO_NUMPY:
                raise RuntimeError(f"{name}: NumPy cannot read a tensor of the GPU")
        if kwargs.get("device") is not None and function not in MOVE:
            there = _is_gpu(kwargs["device"])
        if there and isinstance(kwargs.get("generator"), torch.Generator):
            raise RuntimeError(f"{name}: a stream of the CPU draws for the GPU")
        result = function(*tree_map(_real, args), **tree_map(_real, kwargs))
        if function in MOVE and there != on_gpu(result):
            result = result.clone()  # what was moved stays where it was
        if there:
            for value in tree_leaves(result):
                if isinstance(value, Tensor):
                    value.untyped_storage().pretends = True
        return result


def _destination(function, args, kwargs) -> bool:
    """Whether `Tensor.to` or `Tensor.cpu` gives a tensor of the GPU."""
    if function is Tensor.cpu:
        return False
    for value in (*args[1:], *kwargs.values()):
        if isinstance(value, Tensor):
            return on_gpu(value)
        if isinstance(value, (str, torch.device)):
            return _is_gpu(value)
    return on_gpu(args[0])


def _is_gpu(device) -> bool:
    return torch.device(device).type == "cuda"


def _real(value):
    """The CPU in the place of the GPU."""
    return CPU if isinstance(value, (str, torch.device)) and str(value)[:4] == "cuda" else value
