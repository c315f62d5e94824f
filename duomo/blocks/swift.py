"""Swift: new tokens of each row through a stack on a processor, in few and long products; `Stack` is its oracle.

B = rows, T = tokens, M = rows times tokens, D = width, I = numbers in, O = numbers out, H = heads, G = query heads of a key head,
K = head width, S = keys.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from duomo.batch import Stream
from duomo.blocks.attention import Attention
from duomo.blocks.cache import Cache
from duomo.blocks.positions import rotary_scale
from duomo.blocks.product import FEW
from duomo.blocks.stack import Block, Stack

MANY = 4  # rows from which products by packed weights are the quicker
MOST_PACKED = 2**28  # numbers of which a second copy is held, packed
Normed = Callable[[Tensor], Tensor]


class Product:
    """Maps of one input as one product, (B, I) -> (B, O). Their weights become views of one table, so that nothing is held twice.

    What is wider than its input is kept by inputs: a product of one row then reads memory at twice the speed.
    """

    def __init__(self, maps: Sequence[nn.Linear]):
        self.maps = list(maps)
        weights = [layer.weight.detach() for layer in self.maps]
        rows, columns = sum(map(len, weights)), weights[0].shape[1]
        if rows >= columns:
            self.weight_IO = torch.cat([weight.t() for weight in weights], 1)
        else:
            self.weight_IO = torch.cat(weights).t()
        for layer, view_IO in zip(self.maps, self.weight_IO.split([len(weight) for weight in weights], 1), strict=True):
            layer.weight.data = view_IO.t()
        self.bias_O: Tensor | None = None
        self.versions: tuple[tuple[int, float], ...] = ()
        self.packed: Tensor | None = None
        self.int8: Any = None

    @property
    def holds(self) -> bool:
        """Whether the maps are still plain ones that lie in the table."""
        at = self.weight_IO.data_ptr()
        step = self.weight_IO.stride(1) * self.weight_IO.element_size()
        for layer in self.maps:
            if not plain(layer) or layer.weight.data_ptr() != at or layer.weight.stride() != self.weight_IO.t().stride():
                return False
            at += step * len(layer.weight)
        return True

    def refresh(self, many: bool, int8: bool) -> None:
        """Takes biases anew, and packs weights for many rows, or as int8, where they have changed since."""
        self.bias_O = _joined(self.maps)
        versions = tuple(version(layer.weight) for layer in self.maps)
        if versions != self.versions:
            self.versions, self.packed, self.int8 = versions, None, None
        if int8:
            self.int8 = _int8(self.weight_IO.t()) if self.int8 is None else self.int8
        else:
            self.int8 = None
            self.packed = _packed(self.weight_IO.t()) if many and self.packed is None else self.packed

    def __call__(self, x_BI: Tensor, add_BO: Tensor | None = None) -> Tensor:
        """The product, with the bias and what is added."""
        if self.int8 is not None:
            y_BO = torch.ops.quantized.linear_dynamic(x_BI, self.int8, _narrow())
            y_BO = y_BO if self.bias_O is None else y_BO.add_(self.bias_O)
        elif (weight := self._laid(len(x_BI))) is not None:
            y_BO = torch.ops.mkldnn._linear_pointwise(x_BI, weight, self.bias_O, "none", [], "")
        elif self.bias_O is None:
            return x_BI @ self.weight_IO if add_BO is None else torch.addmm(add_BO, x_BI, self.weight_IO)
        else:
            y_BO = torch.addmm(self.bias_O, x_BI, self.weight_IO)
        return y_BO if add_BO is None else y_BO.add_(add_BO)

    def _laid(self, rows: int) -> Tensor | None:
        """The weights as oneDNN reads them, where its product of so many rows is the quicker."""
        if rows >= MANY and self.packed is not None:
            return self.packed
        return self.weight_IO.t() if rows >= FEW and torch.backends.mkldnn.is_available() else None


class Head:
    """A second copy of the head's weights, (V, D), kept as a product of few rows wants them, packed for many, or as int8."""

    def __init__(self, weight_VD: Tensor, many: bool, int8: bool):
        self.weight_VD, self.known, self.eight = weight_VD, (weight_VD.data_ptr(), version(weight_VD)), int8
        with torch.inference_mode(False), torch.no_grad():
            self.int8 = _int8(weight_VD.detach()) if int8 else None
            self.table_DV = None if int8 else weight_VD.detach().t().contiguous()
            self.packed = _packed(weight_VD.detach()) if many and not int8 else None

    def holds(self, weight_VD: Tensor) -> bool:
        """Whether it is a copy of these weights as they are now."""
        return weight_VD is self.weight_VD and self.known == (weight_VD.data_ptr(), version(weight_VD))

    def serves(self, weight_VD: Tensor, many: bool, int8: bool) -> bool:
        """Whether it is the copy that is wanted."""
        return self.holds(weight_VD) and self.eight == int8 and (int8 or not many or self.packed is not None)

    def __call__(self, x_BD: Tensor, bias_V: Tensor | None) -> Tensor:
        """(B, V)."""
        if self.table_DV is None:
            y_BV = torch.ops.quantized.linear_dynamic(x_BD, self.int8, _narrow())
            return y_BV if bias_V is None else y_BV + bias_V
        if self.packed is not None and len(x_BD) >= MANY:
            return torch.ops.mkldnn._linear_pointwise(x_BD, self.packed, bias_V, "none", [], "")
        return x_BD @ self.table_DV if bias_V is None else torch.addmm(bias_V, x_BD, self.table_DV)


@dataclass(frozen=True)
class Next:
    """One token of each row: where it is written, and what it sees; one for all layers."""

    seen: int
    index: Tensor  # (1,) where rows are equally long, else (B, H, 1, K)
    hidden: Tensor | None  # bool (B, 1, S): what a row does not see
    of_memory: Tensor | None  # the same of the memory

    def read(self, attn: Attention, q_BHK: Tensor, k_BHK: Tensor, v_BHK: Tensor, cache: Cache) -> Tensor:
        """(B, H · K): each token over all keys so far, its own among them, which is written."""
        rows, found = len(k_BHK), []
        for kept_BHSK, new_BHK in zip(cache.pair(attn, k_BHK), (k_BHK, v_BHK), strict=True):
            mine_BHSK, new_BH1K = kept_BHSK[:rows], new_BHK[:, :, None]
            if self.index.ndim == 1:
                mine_BHSK.index_copy_(2, self.index, new_BH1K)
            else:
                mine_BHSK.scatter_(2, self.index, new_BH1K)
            found.append(mine_BHSK.flatten(0, 1)[:, : self.seen])
        return attended(q_BHK, found[0], found[1], self.hidden)


@dataclass(frozen=True)
class Span:
    """Several tokens of each row, as a prompt has them, and what they see."""

    rows: int
    mask: Tensor  # bool (B, 1, T, S)
    of_memory: Tensor | None = None

    def read(self, attn: Attention, q_MHK: Tensor, k_MHK: Tensor, v_MHK: Tensor, cache: Cache) -> Tensor:
        """(M, H · K), as `Next` does."""
        q_BHTK, k_BHTK, v_BHTK = (x.unflatten(0, (self.rows, -1)).transpose(1, 2) for x in (q_MHK, k_MHK, v_MHK))
        keys_BHSK, values_BHSK = attn.slot(cache).extend(k_BHTK, v_BHTK)
        y_BHTK = F.scaled_dot_product_attention(q_BHTK, keys_BHSK, values_BHSK, self.mask, enable_gqa=attn.heads != attn.kv_heads)
        return y_BHTK.transpose(1, 2).reshape(len(q_MHK), -1)


Place = Next | Span


class Layer:
    """One block, as `Block` says."""

    def __init__(self, block: Block):
        self.block, attn = block, block.attn
        self.heads, self.kv_heads, self.width = attn.heads, attn.kv_heads, attn.head_dim
        self.products = [Product(maps) for maps in joined(block)]
        self.qkv, self.out, self.up, self.down, *cross = self.products
        self.cross = (cross[0], cross[1]) if cross else None

    @property
    def holds(self) -> bool:
        """Whether the block's maps are still those that were joined, and lie where they were laid."""
        now = joined(self.block)
        same = all(a is b for maps, product in zip(now, self.products, strict=True) for a, b in zip(maps, product.maps, strict=True))
        return same and all(product.holds for product in self.products)

    def refresh(self, many: bool, int8: bool) -> None:
        """Takes what is small anew; packs what is large where that is asked."""
        block, attn = self.block, self.block.attn
        self.attn_norm, self.mlp_norm = normed(block.attn_norm), normed(block.mlp_norm)
        self.cross_norm = None if block.cross_norm is None else normed(block.cross_norm)
        self.head_norms = None if attn.q_norm is None or attn.k_norm is None else (normed(attn.q_norm), normed(attn.k_norm))
        for product in self.products:
            product.refresh(many, int8)

    def __call__(self, x_BD: Tensor, turn: tuple[Tensor, Tensor] | None, cache: Cache, place: Place) -> Tensor:
        """(B, D) -> (B, D)."""
        first = self.block.norm_first
        y_BO = self._attend(self.attn_norm(x_BD) if first else x_BD, turn, cache, place)
        x_BD = self.out(y_BO, x_BD) if first else self.attn_norm(self.out(y_BO, x_BD))
        if self.cross is not None and self.cross_norm is not None:
            ask, out = self.cross
            y_BO = self._recall(ask(self.cross_norm(x_BD) if first else x_BD), cache, place)
            x_BD = out(y_BO, x_BD) if first else self.cross_norm(out(y_BO, x_BD))
        y_BO = self._feed(self.mlp_norm(x_BD) if first else x_BD)
        return self.down(y_BO, x_BD) if first else self.mlp_norm(self.down(y_BO, x_BD))

    def _feed(self, h_BD: Tensor) -> Tensor:
        mlp, wide_BO = self.block.mlp, self.up(h_BD)
        if mlp.gate is None:
            return mlp.activation(wide_BO)
        gate_BO, up_BO = wide_BO.chunk(2, -1)
        return mlp.activation(gate_BO).mul_(up_BO)

    def _attend(self, h_BD: Tensor, turn: tuple[Tensor, Tensor] | None, cache: Cache, place: Place) -> Tensor:
        heads_BHK = self.qkv(h_BD).view(len(h_BD), -1, self.width)
        q_BHK, k_BHK, v_BHK = heads_BHK.split((self.heads, self.kv_heads, self.kv_heads), 1)
        if self.head_norms is not None:
            of_q, of_k = self.head_norms
            q_BHK, k_BHK = of_q(q_BHK), of_k(k_BHK)
        if turn is not None:
            cos_B1K, sin_B1K = turn
            qk_BHK = heads_BHK[:, : self.heads + self.kv_heads] if self.head_norms is None else torch.cat([q_BHK, k_BHK], 1)
            qk_BHK = torch.addcmul(qk_BHK * cos_B1K, qk_BHK.roll(self.width // 2, -1), sin_B1K)
            q_BHK, k_BHK = qk_BHK.split((self.heads, self.kv_heads), 1)
        return place.read(self.block.attn, q_BHK, k_BHK, v_BHK, cache)

    def _recall(self, q_BD: Tensor, cache: Cache, place: Place) -> Tensor:
        cross = self.block.cross
        assert cross is not None
        q_BHK = q_BD.view(len(q_BD), -1, self.width)
        if cross.q_norm is not None:
            q_BHK = cross.q_norm(q_BHK)
        keys, values = cache.recall(cross, len(q_BD))
        return attended(q_BHK, keys.flatten(0, 1), values.flatten(0, 1), place.of_memory)


def joined(block: Block) -> list[list[nn.Linear]]:
    """The maps of a block, those of one input together: queries, keys and values; out; up; down; and of a memory the queries, and out."""
    attn, mlp, cross = block.attn, block.mlp, block.cross
    up = [mlp.up] if mlp.gate is None else [mlp.gate, mlp.up]
    return [[attn.q, attn.k, attn.v], [attn.out], up, [mlp.down], *([] if cross is None else [[cross.q], [cross.out]])]


class Swift:
    """A stack's pass over a cache, where its weights lie in the memory of a processor."""

    @property
    def watched(self) -> bool:
        """Whether a hook that came since waits for the stack or a block to be called."""
        parts = (self.stack, *self.stack.blocks)
        return any(part._forward_hooks or part._forward_pre_hooks for part in parts)

    def __init__(self, stack: Stack):
        self.stack = stack
        blocks = [block for block in stack.blocks if isinstance(block, Block)]
        with torch.inference_mode(False), torch.no_grad():  # they remain weights that can be trained
            self.layers = [Layer(block) for block in blocks]

    @property
    def holds(self) -> bool:
        """Whether the stack's maps are still those that were joined."""
        return all(layer.holds for layer in self.layers)

    def refresh(self, many: bool, int8: bool) -> "Swift":
        """Made ready for a generation."""
        with torch.inference_mode(False), torch.no_grad():
            for layer in self.layers:
                layer.refresh(many, int8)
            self.norm = normed(self.stack.norm)
        return self

    def __call__(self, x_BTD: Tensor, new: Stream, cache: Cache, seen: Tensor | None = None) -> Tensor:
        """(B, T, D) -> (B, T, D) over new tokens; where each row has one, it comes after all that the row has read.

        `seen`: bool (B, 1, 1, S), of the memory.
        """
        stack, x_MD, rows = self.stack, x_BTD.flatten(0, 1), len(x_BTD)
        place = self._next(new, cache, seen) if new.ids_BT.shape[1] == 1 else Span(rows, cache.begin(new.segment_BT, new.group_BT))
        if stack.positions is not None:
            x_MD = x_MD + stack.positions(new.position_BT).flatten(0, 1)
        if stack.embed_norm is not None:
            x_MD = stack.embed_norm(x_MD)
        turn = self._turn(new.position_BT.reshape(-1, 1))
        for layer in self.layers:
            x_MD = layer(x_MD, turn, cache, place)
        return self.norm(x_MD).unflatten(0, (rows, -1))

    def _next(self, new: Stream, cache: Cache, seen_B11S: Tensor | None) -> Next:
        mask_B1S, at_B1 = cache.advance(new.group_BT)
        of_memory = None if seen_B11S is None else ~seen_B11S[:, 0]
        if mask_B1S is None:
            return Next(cache.seen, at_B1[0], None, of_memory)
        attn = self.layers[0].block.attn
        index_BH1K = at_B1[:, None, :, None].expand(-1, attn.kv_heads, -1, attn.head_dim)
        return Next(cache.seen, index_BH1K, ~mask_B1S, of_memory)

    def _turn(self, position_M1: Tensor) -> tuple[Tensor, Tensor] | None:
        """Cosine and sine over the whole width of a head, the sine of the first half negative: a turn is two products and a sum."""
        if self.stack.recipe.position != "rotary":
            return None
        angle_M1K, scale = (position_M1 * self.stack.rate_K)[:, None], rotary_scale(self.stack.recipe)
        cos, sin = angle_M1K.cos() * scale, angle_M1K.sin() * scale
        return torch.cat([cos, cos], -1), torch.cat([-sin, sin], -1)


def swift_step(stack: nn.Module | None, many: bool = False, int8: bool = False) -> Swift | None:
    """The quick pass of a stack on a processor; None where it is none: on a GPU, in training, adapted, watched by hooks, not float32.

    `many`: for many rows at once, which takes a second copy of the weights. `int8`: by weights of 8 bits and what they meet likewise,
    which is another model, nearly the same.
    """
    if not isinstance(stack, Stack) or not _fits(stack):
        return None
    kept = stack.swift
    if not isinstance(kept, Swift) or kept.stack is not stack or not kept.holds:
        kept = stack.swift = Swift(stack)
    few = sum(p.numel() for p in stack.parameters()) <= MOST_PACKED
    return kept.refresh(many and few and torch.backends.mkldnn.is_available(), int8)


def attended(q_BHK: Tensor, keys_NSK: Tensor, values_NSK: Tensor, hidden_B1S: Tensor | None) -> Tensor:
    """(B, H · K): one query of each row over its keys; query heads that share a key head are read together."""
    rows, width = len(q_BHK), q_BHK.shape[-1]
    q_NGK = q_BHK.reshape(len(keys_NSK), -1, width)
    score_NGS = torch.baddbmm(q_NGK.new_empty(()), q_NGK, keys_NSK.mT, beta=0, alpha=width**-0.5)
    if hidden_B1S is not None:
        score_NGS.view(rows, -1, score_NGS.shape[-1]).masked_fill_(hidden_B1S, -torch.inf)
    return torch.bmm(score_NGS.softmax(-1), values_NSK).view(rows, -1)


def normed(norm: nn.Module) -> Normed:
    """The same norm in fewer kernels: the root mean square of D numbers is their length with √(ε·D) as one more, over √D."""
    if not isinstance(norm, nn.RMSNorm) or norm.eps is None:
        return norm
    weight_D, size = norm.weight.detach() * norm.normalized_shape[0] ** 0.5, norm.normalized_shape[0]
    more = norm.weight.new_full((1,), (norm.eps * size) ** 0.5)

    def root(x: Tensor) -> Tensor:
        longer = torch.cat([x, more.expand(*x.shape[:-1], 1)], -1)
        return x.div(torch.linalg.vector_norm(longer, dim=-1, keepdim=True)).mul_(weight_D)

    return root


def _packed(weight_OI: Tensor) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight_OI.contiguous(), MANY)
    return packed


def _int8(weight_OI: Tensor) -> Any:
    """Weights of 8 bits, each row with a scale of its own, laid out for fbgemm."""
    scale_O = weight_OI.abs().amax(1).clamp(min=1e-12).double() / 127
    with warnings.catch_warnings():  # torch is to move this elsewhere
        warnings.simplefilter("ignore")
        quantised = torch.quantize_per_channel(weight_OI.contiguous(), scale_O, torch.zeros_like(scale_O, dtype=torch.long), 0, torch.qint8)
    return torch.ops.quantized.linear_prepack(quantised, None)


@cache
def _narrow() -> bool:
    """Whether what meets the weights is to have 7 bits: without VNNI two products of 8 bits overflow the 16 that they are summed in."""
    return not torch.cpu._is_vnni_supported()


def version(weight: Tensor) -> tuple[int, float]:
    """What tells a tensor from what it was: how often it was written to, which not all ways of writing count, and a sum of some of it."""
    return weight._version, float(weight.detach().diagonal().sum())


def plain(layer: nn.Module) -> bool:
    """Whether a map is torch's own and nobody watches it."""
    hooks = layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks or layer._backward_pre_hooks
    return type(layer) is nn.Linear and not hooks


def _fits(stack: Stack) -> bool:
    weights = [p for p in stack.parameters() if p.ndim == 2]
    # of what was made in inference mode nobody counts how often it was written to
    usual = all(p.device.type == "cpu" and p.dtype == torch.float32 and not p.is_inference() for p in weights)
    usual = usual and not (stack.training or torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu"))
    return usual and all(_plain_block(block) for block in stack.blocks)


def _plain_block(block: nn.Module) -> bool:
    """Whether a block is ours, its maps are torch's own and nobody watches it or a part of it."""
    watched = any(part._forward_hooks or part._forward_pre_hooks for part in block.modules())
    kinds = (type(block) is Block) and type(block.attn) is Attention and not watched
    if not kinds or not isinstance(block, Block):
        return False
    attns = [block.attn, *([] if block.cross is None else [block.cross])]
    maps = [part for attn in attns for part in (attn.q, attn.k, attn.v, attn.out)] + [block.mlp.up, block.mlp.down]
    return all(plain(part) for part in maps) and (block.mlp.gate is None or plain(block.mlp.gate))


def _joined(maps: Sequence[nn.Linear]) -> Tensor | None:
    """(O,): their biases, zeros where there is none; None where none has one."""
    if all(layer.bias is None for layer in maps):
        return None
    return torch.cat([layer.weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias.detach() for layer in maps])
