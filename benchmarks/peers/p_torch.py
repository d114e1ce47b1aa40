"""PyTorch: eager, channels-last, and torch.compile (inductor's C++)."""

import math
from typing import Any

import torch
from step import Setup, Step, ready
from torch.nn import functional
from workload import Array, Workload, is_state


class Ops:
    """The op set in PyTorch's own fused forms."""

    explicit = False
    """Whether attention and LSTM are written out, for those who cannot trace the fused ones."""

    matmul = staticmethod(torch.matmul)
    linear = staticmethod(functional.linear)
    relu = staticmethod(torch.relu)
    add = staticmethod(torch.add)
    mul = staticmethod(torch.mul)
    gelu = staticmethod(functional.gelu)
    xent = staticmethod(functional.cross_entropy)
    image = staticmethod(lambda x: x)
    relu6 = staticmethod(lambda x: torch.clamp(x, 0.0, 6.0))
    softmax = staticmethod(lambda x: torch.softmax(x, -1))
    flatten = staticmethod(lambda x: torch.flatten(x, 1))
    gap = staticmethod(lambda x: x.mean((2, 3)))
    reshape = staticmethod(lambda x, shape: x.reshape(shape))
    embed = staticmethod(lambda w, tokens: functional.embedding(tokens, w))
    bcast0 = staticmethod(lambda x: x[None])
    heads = staticmethod(lambda x, b, s, h: x.view(b, s, h, -1).transpose(1, 2))
    unheads = staticmethod(lambda x, b, s, d: x.transpose(1, 2).reshape(b * s, d))

    @staticmethod
    def conv(x: Any, w: Any, b: Any = None, stride: int = 1, pad: int = 0, groups: int = 1) -> Any:
        return functional.conv2d(x, w, b, stride, pad, 1, groups)

    @staticmethod
    def maxpool(x: Any, kernel: int, stride: int, pad: int) -> Any:
        return functional.max_pool2d(x, kernel, stride, pad)

    @staticmethod
    def bn(x: Any, p: dict[str, Any], name: str, train: bool) -> Any:
        gain, bias, mean, variance = (p[name + suffix] for suffix in (".g", ".b", ".rm", ".rv"))
        return functional.batch_norm(x, mean, variance, gain, bias, train, 0.1, 1e-5)

    @staticmethod
    def layernorm(x: Any, gain: Any, bias: Any) -> Any:
        return functional.layer_norm(x, (x.shape[-1],), gain, bias, 1e-5)

    @classmethod
    def attention(cls, q: Any, k: Any, v: Any, causal: bool) -> Any:
        if not cls.explicit:
            return functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        if causal:
            size = scores.shape[-1]
            later = torch.ones(size, size, dtype=torch.bool).triu(1)
            scores = scores.masked_fill(later, float("-inf"))
        return torch.softmax(scores, -1) @ v

    @classmethod
    def lstm_last(cls, x: Any, w_input: Any, w_hidden: Any, bias: Any) -> Any:
        steps, batch, _ = x.shape
        hidden = w_hidden.shape[1]
        if not cls.explicit:
            zero = x.new_zeros(1, batch, hidden)
            weights = [w_input, w_hidden, bias, torch.zeros_like(bias)]
            out, _, _ = torch._VF.lstm(x, (zero, zero), weights, True, 1, 0.0, True, False, False)
            return out[-1]
        gates = functional.linear(x, w_input, bias)
        h = c = x.new_zeros(batch, hidden)
        for step in range(steps):
            i, f, g, o = (gates[step] + functional.linear(h, w_hidden)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h


class ExplicitOps(Ops):
    """The op set with attention and LSTM written out."""

    explicit = True


class Module(torch.nn.Module):
    """A workload as a module."""

    def __init__(self, workload: Workload, ops: type[Ops] = Ops) -> None:
        super().__init__()
        self.workload, self.ops = workload, ops
        self.attributes: dict[str, str] = {}
        for name, value in workload.params().items():
            attribute = "p_" + name.replace(".", "_")
            self.attributes[name] = attribute
            tensor = torch.from_numpy(value.copy())
            if is_state(name):
                self.register_buffer(attribute, tensor)
            else:
                self.register_parameter(attribute, torch.nn.Parameter(tensor))

    def forward(self, *inputs: Any) -> Any:
        params = {name: getattr(self, attribute) for name, attribute in self.attributes.items()}
        return self.workload.forward(self.ops, params, *inputs, train=self.training)


def setup(workload: Workload, threads: int, variant: str) -> Setup:
    torch.set_num_threads(threads)
    compiled = variant == "torch-compile"
    # dynamo does not trace nn.LSTM.
    ops = ExplicitOps if compiled and workload.name.startswith("lstm") else Ops
    module = Module(workload, ops).train(workload.kind == "train")
    if variant == "torch-cl":
        module = module.to(memory_format=torch.channels_last)

    def convert(array: Array) -> torch.Tensor:
        tensor = torch.from_numpy(array)
        if variant == "torch-cl" and tensor.dim() == 4:
            return tensor.contiguous(memory_format=torch.channels_last)
        return tensor

    compute = _infer(module, compiled) if workload.kind == "infer" else _train(module, compiled)
    step = Step(compute, convert, lambda output: output.detach().numpy().copy())
    return ready(step, workload.inputs())


def _infer(module: Module, compiled: bool) -> Any:
    if compiled:
        from torch._inductor import config

        config.freezing = True
    forward = torch.compile(module) if compiled else module
    guard = torch.no_grad if compiled else torch.inference_mode

    def infer(*inputs: Any) -> Any:
        with guard():
            return forward(*inputs)

    return infer


def _train(module: Module, compiled: bool) -> Any:
    workload = module.workload
    parameters = list(module.parameters())
    if workload.opt == "sgd":
        optimizer = torch.optim.SGD(parameters, lr=workload.lr, momentum=0.9, fused=True)
    else:
        optimizer = torch.optim.Adam(parameters, lr=workload.lr, fused=True)
    forward = torch.compile(module) if compiled else module

    def train(*inputs: Any) -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = forward(*inputs)
        loss.backward()
        optimizer.step()
        return loss

    return train


def flops(workload: Workload) -> int:
    """Floating-point operations of one step."""
    if hasattr(workload, "flops"):
        return workload.flops()
    from torch.utils.flop_counter import FlopCounterMode

    module = Module(workload, ExplicitOps).train(workload.kind == "train")
    with FlopCounterMode(display=False) as counter:
        output = module(*map(torch.from_numpy, workload.inputs()))
        if workload.kind == "train":
            output.backward()
    return counter.get_total_flops()


def export(workload: Workload, path: str) -> None:
    """Write the workload as ONNX."""
    inputs = tuple(map(torch.from_numpy, workload.inputs()))
    torch.onnx.export(
        Module(workload, ExplicitOps).eval(),
        inputs,
        path,
        dynamo=True,
        opset_version=18,
        external_data=False,
        optimize=True,
        verbose=False,
        input_names=[f"x{i}" for i in range(len(inputs))],
        output_names=["out"],
    )
