"""What people do with a model beside training it. Each returns an answer that must not depend on our being there."""

from __future__ import annotations

import copy
import io
import os
import pickle
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch._dynamo import explain
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad, profiler
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

Tool = Callable[[nn.Sequential, Any], Any]
X = torch.ones(2, 6)
Y = torch.tensor([0, 1])
OURS = "Loss Doctor"


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))


class Log(TorchDispatchMode):
    """Writes down what is dispatched."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls.append(str(func))
        return func(*args, **(kwargs or {}))


def total(tensor: Tensor) -> float:
    return round(float(tensor.detach().double().sum()), 9)


def training_loss(model: nn.Module, x: Tensor = X) -> Tensor:
    return cross_entropy(model(x), Y)


def text(graph: object) -> str:
    """Without the numbers that TorchScript gives to types of the same name."""
    return re.sub(r"___torch_mangle_\d+", "", str(graph))


def add_graph(model: nn.Module, writer: Any) -> str:
    writer.add_graph(model, X)
    return "written"


def trace(model: nn.Module, _: Any) -> Any:
    traced = torch.jit.trace(model.eval(), X)
    return text(traced.inlined_graph), total(traced(X))


def trace_unchecked(model: nn.Module, _: Any) -> Any:
    traced = torch.jit.trace(model.eval(), X, check_trace=False)
    return text(traced.inlined_graph), total(traced(X))


def trace_training(model: nn.Module, _: Any) -> Any:
    return text(torch.jit.trace(model, X, check_trace=False).inlined_graph)


def trace_function(model: nn.Module, _: Any) -> Any:
    traced = torch.jit.trace(lambda x: torch.tanh(model.eval()(x).relu()), X)
    return [node.kind() for node in traced.graph.nodes()], total(traced(X))


def trace_saved(model: nn.Module, _: Any) -> str:
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(model.eval(), X, check_trace=False), file)
    file.seek(0)
    return text(torch.jit.load(file).inlined_graph)


def script(model: nn.Module, _: Any) -> float:
    return total(torch.jit.script(model.eval())(X))


def freeze(model: nn.Module, _: Any) -> float:
    return total(torch.jit.freeze(torch.jit.script(model.eval()))(X))


def optimize_for_inference(model: nn.Module, _: Any) -> float:
    return total(torch.jit.optimize_for_inference(torch.jit.script(model.eval()))(X))


def export(model: nn.Module, _: Any) -> str:
    return str(torch.export.export(model.eval(), (X,)).graph)


def export_training(model: nn.Module, _: Any) -> str:
    return str(torch.export.export(model, (X,), strict=False).graph)


def export_strict(model: nn.Module, _: Any) -> str:
    return str(torch.export.export(model.eval(), (X,), strict=True).graph)


def export_strict_twice(model: nn.Module, _: Any) -> list[str]:
    return [str(torch.export.export(model, (X,), strict=True).graph) for _ in range(2)]


def fx(model: nn.Module, _: Any) -> str:
    return torch.fx.symbolic_trace(model.eval()).code


def fx_graph(model: nn.Module, _: Any) -> str:
    return str(make_fx(model.eval())(X).graph)


def fx_graph_training(model: nn.Module, _: Any) -> str:
    return str(make_fx(lambda x: training_loss(model, x))(X).graph)


def fx_graph_symbolic(model: nn.Module, _: Any) -> str:
    traced = make_fx(model.eval(), tracing_mode="symbolic", _allow_non_fake_inputs=True)
    return str(traced(X).graph)


def fx_graph_early(model: nn.Module, _: Any) -> str:
    return str(make_fx(model.eval(), pre_dispatch=True)(X).graph)


def fake(model: nn.Module, _: Any) -> Any:
    with FakeTensorMode(allow_non_fake_inputs=True):
        return tuple(model(torch.ones(2, 6)).shape)


def fake_training(model: nn.Module, _: Any) -> Any:
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        other = copy.deepcopy(model)
        training_loss(other, mode.from_tensor(X)).backward()
    return [tuple(p.shape) for p in other.parameters()]


def meta(model: nn.Module, _: Any) -> Any:
    return tuple(copy.deepcopy(model).to("meta")(X.to("meta")).shape)


def meta_device(_: nn.Module, __: Any) -> Any:
    with torch.device("meta"):
        other = net()
    return tuple(other(torch.ones(2, 6, device="meta")).shape)


def compile_fullgraph(model: nn.Module, _: Any) -> float:
    return total(torch.compile(model.eval(), backend="eager", fullgraph=True)(X))


def compile_loss(model: nn.Module, _: Any) -> float:
    compiled = torch.compile(lambda x: training_loss(model, x), backend="aot_eager", fullgraph=True)
    return total(compiled(X))


def compile_explained(model: nn.Module, _: Any) -> Any:
    told = explain(model)(X)
    return told.graph_count, told.graph_break_count


def profiled(model: nn.Module, _: Any) -> Any:
    cpu = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=cpu, with_flops=True) as seen:
        training_loss(model).backward()
    rows = {e.key: (e.count, e.flops) for e in seen.key_averages() if e.key != OURS}
    return sorted(rows.items())


def profiled_legacy(model: nn.Module, _: Any) -> Any:
    with profiler.profile() as seen:
        training_loss(model).backward()
    return sorted((e.key, e.count) for e in seen.key_averages() if e.key != OURS)


def flops(model: nn.Module, _: Any) -> Any:
    with FlopCounterMode(display=False) as counter:
        model(X)
    return counter.get_total_flops()


def flops_training(model: nn.Module, _: Any) -> Any:
    with FlopCounterMode(display=False) as counter:
        training_loss(model).backward()
    return {k: {str(op): n for op, n in v.items()} for k, v in counter.get_flop_counts().items()}


def dispatched(model: nn.Module, _: Any) -> Any:
    with Log() as log:
        model(X)
    return log.calls


def dispatched_training(model: nn.Module, _: Any) -> list[str]:
    with Log() as outer, Log() as log:
        training_loss(model).backward()
    return [*log.calls, *outer.calls]


def saved_tensors(model: nn.Module, _: Any) -> list[Any]:
    seen: list[Any] = []

    def pack(tensor: Tensor) -> Tensor:
        seen.append(("pack", tuple(tensor.shape)))
        return tensor

    def unpack(tensor: Tensor) -> Tensor:
        seen.append(("unpack", tuple(tensor.shape)))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        training_loss(model).backward()
    return seen


def autocast(model: nn.Module, _: Any) -> list[Any]:
    with torch.autocast("cpu", torch.bfloat16):
        first, second = training_loss(model), training_loss(model)
        (first + second).backward()
    return [total(p.grad) for p in model.parameters() if p.grad is not None]


def quantise_dynamic(model: nn.Module, _: Any) -> float:
    quantised = torch.ao.quantization.quantize_dynamic(model.eval(), {nn.Linear}, torch.qint8)
    return total(quantised(X))


def quantise_static(model: nn.Sequential, _: Any) -> float:
    q = torch.ao.quantization
    other: Any = nn.Sequential(q.QuantStub(), copy.deepcopy(model[0]), q.DeQuantStub()).eval()
    other.qconfig = q.get_default_qconfig("fbgemm")
    prepared = q.prepare(other)
    prepared(X)
    return total(q.convert(prepared)(X))


def pickled_copy(model: nn.Module, _: Any) -> int:
    return len(pickle.dumps(copy.deepcopy(model)))


def saved(model: nn.Module, _: Any) -> int:
    file = io.BytesIO()
    torch.save(model, file)
    return len(file.getvalue())


def ensemble(model: nn.Module, _: Any) -> float:
    parameters, buffers = stack_module_state([model.eval(), copy.deepcopy(model)])
    return total(vmap(lambda p, b: functional_call(model, (p, b), (X,)))(parameters, buffers))


def per_sample_gradients(model: nn.Module, _: Any) -> list[float]:
    model.eval()
    parameters = {k: v.detach() for k, v in model.named_parameters()}
    buffers = dict(model.named_buffers())

    def loss(p: Mapping[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(functional_call(model, (p, buffers), (x[None],)), y[None])  # type: ignore[arg-type]

    return [total(g) for g in vmap(grad(loss), in_dims=(None, 0, 0))(parameters, X, Y).values()]


def jacobian(model: nn.Module, _: Any) -> float:
    return total(torch.autograd.functional.jacobian(model.eval(), X))


def gradcheck(model: nn.Module, _: Any) -> bool:
    model.eval().double()
    passed = torch.autograd.gradcheck(model, (X.double().requires_grad_(),))
    model.float()
    return passed


def tangent(model: nn.Module, _: Any) -> float:
    model.eval()
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(X, torch.ones_like(X))
        return total(forward_ad.unpack_dual(model(dual)).tangent)


def replicas(model: nn.Module, _: Any) -> float:
    return total(nn.DataParallel(model)(X))


def in_a_thread(model: nn.Module, _: Any) -> list[float]:
    found: list[float] = []
    thread = threading.Thread(target=lambda: found.append(total(model(X))))
    thread.start()
    thread.join()
    return found


def in_a_fork(model: nn.Module, _: Any) -> bytes:
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        try:
            modes, hooks = torch._C._len_torch_function_stack(), installed()
            os.write(theirs, f"{total(model(X))} {modes} {hooks}".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    return os.read(ours, 99)


def installed() -> int:
    """Hooks on all modules of the process."""
    module = nn.modules.module
    return len(module._global_forward_hooks) + len(module._global_forward_pre_hooks)


def described(model: nn.Module, _: Any) -> str:
    return str(model)


def hooks_of_modules(model: nn.Module, _: Any) -> list[int]:
    return [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]


TOOLS: Mapping[str, Tool] = {
    tool.__name__: tool
    for tool in (
        add_graph,
        trace,
        trace_unchecked,
        trace_training,
        trace_function,
        trace_saved,
        script,
        freeze,
        optimize_for_inference,
        export,
        export_training,
        export_strict,
        export_strict_twice,
        fx,
        fx_graph,
        fx_graph_training,
        fx_graph_symbolic,
        fx_graph_early,
        fake,
        fake_training,
        meta,
        meta_device,
        compile_fullgraph,
        compile_loss,
        compile_explained,
        profiled,
        profiled_legacy,
        flops,
        flops_training,
        dispatched,
        dispatched_training,
        saved_tensors,
        autocast,
        quantise_dynamic,
        quantise_static,
        pickled_copy,
        saved,
        ensemble,
        per_sample_gradients,
        jacobian,
        gradcheck,
        tangent,
        replicas,
        in_a_thread,
        described,
        hooks_of_modules,
        *([in_a_fork] if hasattr(os, "fork") else []),
    )
}
