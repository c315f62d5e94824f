"""Trace: one optimizer step of the true code with weights that are never allocated; every tensor's bytes and every kernel are counted."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import finalize

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import flop_registry
from torch.utils.weak import WeakIdKeyDictionary

aten = torch.ops.aten
FREE = {"view", "_unsafe_view", "t", "transpose", "permute", "expand", "slice", "split", "split_with_sizes", "select", "unsqueeze",
        "squeeze", "detach", "alias", "as_strided", "unbind", "empty_like", "empty", "new_empty", "_reshape_alias", "_local_scalar_dense",
        "unflatten", "empty_strided", "new_empty_strided", "lift_fresh", "diagonal", "is_same_size", "_to_copy_view", "chunk"}  # fmt: skip

@dataclass
class Work:
    """What kernels did: FLOPs of products by kind, bytes that all others read and wrote, and how many were called."""

    flops: Counter[str] = field(default_factory=Counter)
    moved: float = 0.0
    calls: int = 0

    def plus(self, other: "Work", times: float = 1.0) -> "Work":
        """This and so many times the other."""
        flops = Counter[str]()
        for kind in self.flops.keys() | other.flops.keys():
            flops[kind] = round(self.flops[kind] + times * other.flops[kind])
        return Work(flops, self.moved + times * other.moved, round(self.calls + times * other.calls))


class Meter(TorchDispatchMode):
    """Counts live bytes and work. What is computed from the batch alone is computed; what touches a weight is only shaped."""

    def __init__(self, fake: FakeTensorMode):
        super().__init__()
        self.fake, self.work = fake, Work()
        self.live, self.peak = 0, 0
        self.tops = [0]  # the most that was live with no gradient yet, with one, with two …
        self._known: Any = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        if any(isinstance(x, FakeTensor) for x in given) or not (given or _counts(func, kwargs)):
            args, kwargs = tree_map(self._faked, _placed(func, args, self.fake)), tree_map(self._faked, kwargs)
            out = func(*args, **kwargs)
        else:
            with unset_fake_temporarily():
                out = func(*args, **kwargs)
        made = [x for x in tree_leaves(out) if isinstance(x, Tensor)]
        self._note(made)
        self._weigh(func, args, kwargs, given, made, out)
        return out

    def _faked(self, value: Any) -> Any:
        return self.fake.from_tensor(value) if isinstance(value, Tensor) and not isinstance(value, FakeTensor) else value

    def _note(self, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            storage = tensor.untyped_storage()
            if storage not in self._known:
                size = storage.nbytes()
                self._known[storage] = size
                self.live += size
                finalize(storage, self._forget, size)
        self.peak, self.tops[-1] = max(self.peak, self.live), max(self.tops[-1], self.live)

    def _forget(self, size: int) -> None:
        self.live -= size

    def _weigh(self, func: Any, args: Any, kwargs: Any, given: Sequence[Tensor], made: Sequence[Tensor], out: Any) -> None:
        name = func.overloadpacket.__name__
        if name in FREE:
            return
        self.work.calls += 1
        if "scaled_dot_product" in name:
            self.work.flops["attention"] += round(_attention(name, args))
        elif func.overloadpacket in flop_registry:
            self.work.flops[_kind(name)] += flop_registry[func.overloadpacket](*args, **kwargs, out_val=out)
        else:
            self.work.moved += sum(x.numel() * x.element_size() for x in (*given, *made))


def _counts(func: Any, kwargs: Mapping[str, Any]) -> bool:
    """Whether a tensor made of nothing is of numbers that count or choose: those steer the code, so they are real."""
    dtype = kwargs.get("dtype")
    return dtype is not None and not dtype.is_floating_point or func.overloadpacket is aten.arange


def _placed(func: Any, args: Any, fake: FakeTensorMode) -> Any:
    """A choice by a real mask, as the places that it chooses: then the shape of what comes out is known."""
    if func.overloadpacket not in (aten.index, aten.index_put, aten.index_put_, aten._unsafe_index_put, aten._index_put_impl_):
        return args
    places = list[Any]()
    for one in args[1]:
        if isinstance(one, Tensor) and one.dtype == torch.bool and not isinstance(one, FakeTensor):
            with unset_fake_temporarily():
                places += one.nonzero().unbind(1)
        else:
            places.append(one)
    return (args[0], places, *args[2:])


def _kind(name: str) -> str:
    return "convolution" if "conv" in name else "product"


def _attention(name: str, args: Any) -> float:
    """FLOPs of one attention, nothing taken off for a causal mask: two products forward, five backward, where scores are made again."""
    query, key = args[1:3] if "backward" in name else args[:2]
    pairs = query.shape[0] * query.shape[1] * query.shape[2] * key.shape[2]
    return (5 if "backward" in name else 2) * 2.0 * query.shape[3] * pairs


@dataclass(frozen=True)
class Traced:
    """One optimizer step: bytes of what it holds, the most that it holds at once, and its kernels' work.

    `activations` lie between forward and backward up to the last hidden state, `head` are those of logits and loss after it; both of
    one micro-batch. `tops` are the most during passes while so many gradients were there, `update_peak` during the optimizer's update.
    """

    weights: int
    gradients: int
    optimizer: int
    batch: int
    activations: int
    head: int
    tops: tuple[int, ...]
    update_peak: int
    passes: Work
    update: Work

    @property
    def most(self) -> int:
        """Bytes at the worst moment of a step."""
        return max(*self.tops, self.update_peak)

    def with_rows(self, larger: "Traced", rows: float) -> "Traced":
        """The same of micro-batches of `rows` times the rows of this one, where `larger` has twice as many: what rows take is linear."""

        def along(name: str) -> int:
            one, two = getattr(self, name), getattr(larger, name)
            return round(one + (rows - 1) * (two - one))

        tops = tuple(round(one + (rows - 1) * (two - one)) for one, two in zip(self.tops, larger.tops, strict=True))
        passes = self.passes.plus(larger.passes.plus(self.passes, -1.0), rows - 1)
        batch, activations, head = along("batch"), along("activations"), along("head")
        return replace(self, batch=batch, activations=activations, head=head, tops=tops, passes=passes)


@dataclass(frozen=True)
class Run:
    """What is traced: a model made on the meta device, how its optimizer and its objective are made, and the backward pass of a step."""

    model: Callable[[], Any]
    optimizer: Callable[[Any], Any]
    objective: Callable[[Any], Any]
    backward: Callable[[Any, Sequence[Any], Any], Any]
    clip: float = 1.0
    half: bool = False  # bfloat16 products


MOST_TRACED = 2  # micro-batches: the second finds gradients there already, and all others do as it does


def trace(run: Run, batches: Sequence[Any]) -> Traced:
    """Traces one step of these micro-batches, with the optimizer's state there already."""
    with FakeTensorMode(allow_non_fake_inputs=True) as fake, Meter(fake) as meter:
        model = shaped(run.model())
        objective = run.objective(model)
        solver = run.optimizer(model)
        weights = meter.live
        _fill(solver)
        state, at_stack = meter.live - weights, [0]
        watched = model.decoder if model.decoder is not None else model.encoder
        hook = watched.register_forward_hook(lambda *_: at_stack.append(meter.live)) if watched is not None else None
        held = sum(x.numel() * x.element_size() for x in _tensors(batches[:1]))
        saved, loss, passes = _passes(run, model, objective, batches[:MOST_TRACED], meter)
        if hook is not None:
            hook.remove()
        tops, before = tuple(top + held for top in meter.tops), meter.work.plus(Work())
        meter.peak = meter.live
        nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], run.clip)
        solver.step()
        gradients = sum(p.grad.numel() * p.grad.element_size() for p in model.parameters() if p.grad is not None)
        scale = len(batches) / len(batches[:MOST_TRACED])
        del loss
        first = at_stack[1] if len(at_stack) > 1 else weights + state
        return Traced(
            weights, gradients, state, held, first - weights - state, max(saved - first, 0), tops, meter.peak,
            Work().plus(passes, scale), meter.work.plus(before, -1.0),
        )  # fmt: skip


def _passes(run: Run, model: Any, objective: Any, batches: Sequence[Any], meter: Meter) -> tuple[int, Any, Work]:
    """Forward and backward; bytes that are live when the first forward pass is over."""
    ends, seen = list[int](), set[int]()

    def first_gradients(p: Tensor) -> None:
        if id(p) not in seen:
            seen.add(id(p))
            meter.tops.append(meter.live)

    def noted(model: Any, batch: Any) -> Any:
        loss = objective(model, batch)
        ends.append(meter.live)
        return loss

    hooks = [p.register_post_accumulate_grad_hook(first_gradients) for p in model.parameters() if p.requires_grad]
    meter.tops, before = [meter.live], meter.work.plus(Work())
    with torch.autocast("cpu", torch.bfloat16) if run.half else nullcontext():
        loss = run.backward(model, batches, noted)
    for hook in hooks:
        hook.remove()
    return ends[0], loss, meter.work.plus(before, -1.0)


def _fill(solver: Any) -> None:
    """The state that an optimizer has after its first step; how many there were is whole, and so has a value."""
    for group in solver.param_groups:
        for p in group["params"]:
            names = ("momentum",) if group.get("muon") else ("exp_avg", "exp_avg_sq")
            count = {} if group.get("muon") else {"step": torch.zeros((), dtype=torch.long).float()}
            solver.state[p].update({name: torch.zeros_like(p) for name in names} | count)


def _tensors(record: Any) -> Iterator[Tensor]:
    """Every tensor of a record, and of the records in it."""
    if isinstance(record, Tensor):
        yield record
    elif isinstance(record, Mapping):
        for value in record.values():
            yield from _tensors(value)
    elif isinstance(record, list | tuple):
        for value in record:
            yield from _tensors(value)
    elif hasattr(record, "__dataclass_fields__"):
        for name in record.__dataclass_fields__:
            yield from _tensors(getattr(record, name))


def shaped(model: Any) -> Any:
    """A model of the meta device, inside a trace, with weights that pass for a processor's; those that are one stay one."""
    known = dict[int, Tensor]()
    for module in model.modules():
        for name, p in module._parameters.items():
            if p is not None:
                known.setdefault(id(p), nn.Parameter(torch.zeros(p.shape, dtype=p.dtype), p.requires_grad))
                module._parameters[name] = known[id(p)]
        for name, value in module._buffers.items():
            if value is not None:
                module._buffers[name] = torch.zeros(value.shape, dtype=value.dtype)
    return model
