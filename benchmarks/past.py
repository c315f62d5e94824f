"""What stood before the Transformer: convolutions and recurrences that the product's Model takes for its stacks.

Each is called as `duomo.blocks.Stack` is, so that embedding, head, loss, loop, answers and evaluation are the product's own. Where a
document begins they see from the positions, which count from 0 in each; padding stands at 0.
B = rows, T = tokens, S = memory, D = width, F = filters, H = numbers of a cell, K = tokens of a window.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from duomo.blocks import Attention, Cache, View
from duomo.model import Model
from duomo.recipe import BlockRecipe, ModelRecipe, Shape

Way = Literal["forward", "backward", "both"]
Memory = Literal["none", "start", "attention"]
State = tuple[Tensor, Tensor]  # h and c of a cell, (B, H) each


Stacks = dict[str, nn.Module]  # encoder, decoder
Made = Callable[[int, int], Stacks]  # of the model's width and of a width of its own

# By the model's shape: what stood there before the Transformer. Depths are fixed; what is left free is set so that all are as large.
KINDS: Mapping[Shape, Mapping[str, Made]] = {
    "decoder": {
        "CNN": lambda dim, own: {"decoder": Convolved(dim, own, 6, 4, causal=True)},
        "LSTM": lambda dim, own: {"decoder": Recurrent(dim, own, 2)},
    },
    "encoder": {
        "CNN": lambda dim, own: {"encoder": Pooled(dim, own)},
        "LSTM": lambda dim, own: {"encoder": Recurrent(dim, own, 2, "both")},
    },
    "encoder_decoder": {
        "CNN": lambda dim, own: {
            "encoder": Convolved(dim, own, 3, 3, causal=False), "decoder": Convolved(dim, own, 3, 3, causal=True, memory="attention"),
        },
        "LSTM, one vector": lambda dim, own: {
            "encoder": Recurrent(dim, own, 2, "backward"), "decoder": Recurrent(dim, own, 2, memory="start"),
        },
        "LSTM, attention": lambda dim, own: {
            "encoder": Recurrent(dim, own, 1, "both"), "decoder": Recurrent(dim, own, 1, memory="attention"),
        },
    },
}  # fmt: skip
TRANSFORMER = "Transformer"


def build(kind: str, recipe: ModelRecipe, placeholder: Mapping[str, int], seed: int) -> Model:
    """The product's model with the stacks of `kind`, as many parameters in them as the recipe's own have."""
    torch.manual_seed(seed)
    model = Model(recipe, placeholder)
    if kind == TRANSFORMER:
        return model
    make, wanted = KINDS[recipe.shape][kind], parameters(model)
    own = fitting(lambda size: make(recipe.block.dim, size), wanted)
    for name, stack in make(recipe.block.dim, own).items():
        setattr(model, name, stack)
    return model


def parameters(model: Model) -> int:
    """Those of encoder and decoder: word vectors are alike in all."""
    return sum(p.numel() for stack in (model.encoder, model.decoder) if stack is not None for p in stack.parameters())


def fitting(make: Callable[[int], Stacks], wanted: int) -> int:
    """The size whose parameters come nearest to `wanted`."""

    def count(size: int) -> int:
        with torch.device("meta"):
            return sum(p.numel() for stack in make(size).values() for p in stack.parameters())

    above = bisect_left(range(1, 4096), wanted, key=count) + 1
    return min((max(1, above - 1), above), key=lambda size: abs(count(size) - wanted))


def near(x_BTD: Tensor, position_BT: Tensor, offset: int) -> Tensor:
    """(B, T, D): for each token the one `offset` places on (back, where negative) in its own document, or zeros."""
    if not offset:
        return x_BTD
    length = x_BTD.shape[1]
    before, after = max(0, -offset), max(0, offset)
    moved_BTD = F.pad(x_BTD, (0, 0, before, after))[:, after : after + length]
    there_BT = F.pad(position_BT, (before, after), value=-1)[:, after : after + length]
    return moved_BTD * (there_BT == position_BT + offset)[..., None]


class Pooled(nn.Module):
    """Convolutions of three widths over the words, the largest of each filter over the document (Kim 2014); every token gets that.

    And the word before it, by which an answer that is to be filled in is told from its end. Half of what is pooled is dropped at
    random while it learns, as there.
    """

    def __init__(self, dim: int, filters: int, widths: tuple[int, ...] = (3, 4, 5)):
        super().__init__()
        self.widths = widths
        self.windows = nn.ModuleList(nn.Linear(width * dim, filters) for width in widths)
        self.drop, self.out = nn.Dropout(0.5), nn.Linear(len(widths) * filters, dim)
        self.norm = nn.RMSNorm(dim)

    def forward(
        self, x_BTD: Tensor, position_BT: Tensor, view: View, memory_BSD: Tensor | None = None, memory_view: View | None = None,
        cache: Cache | None = None,
    ) -> Tensor:  # fmt: skip
        """(B, T, D) -> (B, T, D)."""
        around = range(-(max(self.widths) // 2), (max(self.widths) + 1) // 2)
        seen_BTKD = torch.stack([near(x_BTD, position_BT, offset) for offset in around], 2)
        layers = zip(self.windows, self.widths, strict=True)
        found_BTF = torch.cat([F.relu(layer(self._window(seen_BTKD, width))) for layer, width in layers], -1)
        return self.norm(self.out(self.drop(_largest(found_BTF, position_BT))) + near(x_BTD, position_BT, -1))

    def _window(self, seen_BTKD: Tensor, width: int) -> Tensor:
        first = (seen_BTKD.shape[2] - width) // 2
        return seen_BTKD[:, :, first : first + width].flatten(2)


class Convolved(nn.Module):
    """Gated convolutions one after the other, each added to what it read (Dauphin et al. 2017; with a memory Gehring et al. 2017).

    `causal` ones see the `width` - 1 tokens before, others as many around them.
    """

    def __init__(self, dim: int, inner: int, depth: int, width: int, causal: bool, memory: Memory = "none"):
        super().__init__()
        self.offsets = range(1 - width, 1) if causal else range(-(width // 2), (width + 1) // 2)
        self.norms = nn.ModuleList(nn.RMSNorm(dim) for _ in range(depth))
        self.gated = nn.ModuleList(nn.Linear(width * dim, 2 * inner) for _ in range(depth))
        self.outs = nn.ModuleList(nn.Linear(inner, dim, bias=False) for _ in range(depth))
        self.cross = nn.ModuleList(_one_head(dim) for _ in range(depth if memory == "attention" else 0))
        self.norm = nn.RMSNorm(dim)

    def forward(
        self, x_BTD: Tensor, position_BT: Tensor, view: View, memory_BSD: Tensor | None = None, memory_view: View | None = None,
        cache: Cache | None = None,
    ) -> Tensor:  # fmt: skip
        """(B, T, D) -> (B, T, D)."""
        for place, (norm, gated, out) in enumerate(zip(self.norms, self.gated, self.outs, strict=True)):
            x_BTD = x_BTD + out(F.glu(gated(self._windows(norm(x_BTD), position_BT, gated, cache)), -1))
            if self.cross:
                x_BTD = x_BTD + attend(self.cross[place], x_BTD, memory_BSD, memory_view, cache)
        return self.norm(x_BTD)

    def _windows(self, x_BTD: Tensor, position_BT: Tensor, layer: nn.Module, cache: Cache | None) -> Tensor:
        """(B, T, K · D): each token with those around it."""
        if cache is None or layer not in cache.layers:
            seen = [near(x_BTD, position_BT, offset) for offset in self.offsets]
            if cache is not None:
                cache.layers[layer] = (torch.stack([one[:, -1] for one in seen[1:]], 1), x_BTD[:, :0])
            return torch.cat(seen, -1)
        before = len(self.offsets) - 1
        long_BTD = torch.cat([cache.layers[layer][0], x_BTD], 1)
        cache.layers[layer] = (long_BTD[:, -before:], x_BTD[:, :0])
        return long_BTD.unfold(1, before + 1, 1).transpose(2, 3).flatten(2)


class Recurrent(nn.Module):
    """Long short-term memory (Hochreiter and Schmidhuber 1997), forget gates open at first, in layers, one or both ways.

    memory: "start", the source is one vector, what a backward reader says at its first token (Sutskever et al. 2014); "attention", each
    token also reads all of it (Bahdanau et al. 2015, after the cells as in Luong et al. 2015).
    """

    def __init__(self, dim: int, hidden: int, depth: int, way: Way = "forward", memory: Memory = "none"):
        super().__init__()
        self.backward = {"forward": (False,), "backward": (True,), "both": (False, True)}[way]
        wide = hidden * len(self.backward)
        widths = [dim] + [wide] * (depth - 1)
        self.layers = nn.ModuleList(nn.ModuleList(_cell(width, hidden) for _ in self.backward) for width in widths)
        self.out = nn.Linear(wide, dim, bias=False)
        self.start = nn.Linear(dim, 2 * depth * hidden) if memory == "start" else None
        self.cross = _one_head(dim) if memory == "attention" else None
        self.norm = nn.RMSNorm(dim)

    def forward(
        self, x_BTD: Tensor, position_BT: Tensor, view: View, memory_BSD: Tensor | None = None, memory_view: View | None = None,
        cache: Cache | None = None,
    ) -> Tensor:  # fmt: skip
        """(B, T, D) -> (B, T, D)."""
        if cache is None:
            y_BTD = self.out(self._documents(x_BTD, position_BT, view, memory_BSD))
        else:
            y_BTD = self.out(self._going_on(x_BTD, memory_BSD, cache))
        if self.cross is not None:
            y_BTD = y_BTD + attend(self.cross, y_BTD, memory_BSD, memory_view, cache)
        return self.norm(y_BTD)

    def _documents(self, x_BTD: Tensor, position_BT: Tensor, view: View, memory_BSD: Tensor | None) -> Tensor:
        """(B, T, H): every document by itself, all at once."""
        laid = side_by_side(position_BT, view)
        y_RLH = laid.out(x_BTD)
        for layer, state in zip(self.layers, self._first(memory_BSD), strict=True):
            ways = [_read(cell, y_RLH, laid.length_R if back else None, state)[0] for cell, back in zip(layer, self.backward, strict=True)]
            y_RLH = torch.cat(ways, -1)
        return laid.home(y_RLH)

    def _going_on(self, x_BTD: Tensor, memory_BSD: Tensor | None, cache: Cache) -> Tensor:
        """(B, T, H): rows that go on from where the cache left them. Raises ValueError for a prompt of more than a token."""
        if x_BTD.shape[1] > 1 and self.layers[0] not in cache.layers:
            raise ValueError("a recurrence begins with one token where it has a cache; read a longer prompt without")
        for layer, state in zip(self.layers, self._first(memory_BSD), strict=True):
            x_BTD, cache.layers[layer] = _read(layer[0], x_BTD, None, cache.layers.get(layer, state))
        return x_BTD

    def _first(self, memory_BSD: Tensor | None) -> list[State | None]:
        """The state of each layer before the first token, (B, H) twice; None: zeros."""
        if self.start is None or memory_BSD is None:
            return [None] * len(self.layers)
        parts = self.start(memory_BSD[:, 0]).tanh().chunk(2 * len(self.layers), -1)
        return list(zip(parts[::2], parts[1::2], strict=True))


@dataclass(frozen=True)
class Laid:
    """Documents side by side. R = documents, L = the longest, N = tokens of all rows; one past the end stands for nothing."""

    index_RL: Tensor  # places in the flattened rows
    home_N: Tensor  # and back
    length_R: Tensor

    def out(self, x_BTD: Tensor) -> Tensor:
        """(B, T, D) -> (R, L, D)."""
        return _taken(x_BTD, self.index_RL)

    def home(self, y_RLH: Tensor) -> Tensor:
        """(R, L, H) -> (B, T, H)."""
        return _taken(y_RLH, self.home_N)


def side_by_side(position_BT: Tensor, view: View) -> Laid:
    """Each document of packed rows in a row of its own; rows that are not packed stay as they are.

    Raises ValueError for such rows that are padded on their left, as prompts of many lengths are.
    """
    every_BT = torch.arange(position_BT.numel()).view_as(position_BT)
    if view.packed is None:
        if bool(((position_BT[:, -1] > 0) & ((position_BT == 0).sum(1) > 1)).any()):
            raise ValueError("a recurrence would read the padding before a prompt; ask one prompt at a time")
        return Laid(every_BT, every_BT, position_BT.amax(1) + 1)
    shapes, count = view.packed.shapes, position_BT.numel()
    pieces = view.packed.order_P.split([rows * width for rows, width in shapes])
    longest = max(width for _, width in shapes)
    index_RL = torch.cat([F.pad(one.view(shape), (0, longest - shape[1]), value=count) for one, shape in zip(pieces, shapes, strict=True)])
    place_P = torch.arange(index_RL.numel())
    home_N = torch.full((count + 1,), len(place_P)).scatter(0, index_RL.flatten(), place_P)[:count]
    return Laid(index_RL, home_N.view_as(position_BT), (index_RL < count).sum(1))


def _taken(x_BTD: Tensor, index: Tensor) -> Tensor:
    flat_ND = x_BTD.flatten(0, 1)
    return torch.cat([flat_ND, flat_ND.new_zeros(1, flat_ND.shape[1])])[index]


def _cell(width: int, hidden: int) -> nn.LSTM:
    cell = nn.LSTM(width, hidden, batch_first=True)
    for bias in (cell.bias_ih_l0, cell.bias_hh_l0):
        nn.init.zeros_(bias)
        nn.init.constant_(bias[hidden : 2 * hidden], 0.5)  # two biases are added: 1 together (Jozefowicz et al. 2015)
    return cell


def _read(cell: nn.Module, x_RLD: Tensor, length_R: Tensor | None, state: State | None) -> tuple[Tensor, State]:
    """(R, L, H) and the state after it; with lengths each row is read from its end."""
    given = None if state is None else (state[0][None].contiguous(), state[1][None].contiguous())
    y_RLH, (h_1RH, c_1RH) = cell(x_RLD if length_R is None else _turned(x_RLD, length_R), given)
    return y_RLH if length_R is None else _turned(y_RLH, length_R), (h_1RH[0], c_1RH[0])


def _turned(x_RLD: Tensor, length_R: Tensor) -> Tensor:
    """Each row from its last token to its first; what is behind stays there."""
    place_L = torch.arange(x_RLD.shape[1])
    back_RL = length_R[:, None] - 1 - place_L
    return x_RLD[torch.arange(len(x_RLD))[:, None], torch.where(back_RL < 0, place_L, back_RL)]


def attend(cross: nn.Module, x_BTD: Tensor, memory_BSD: Tensor | None, view: View | None, cache: Cache | None) -> Tensor:
    """(B, T, D): what each token reads of the memory, whose keys are computed once a request."""
    assert isinstance(cross, Attention)
    if cache is not None and cross in cache.memory:
        return cross.read(x_BTD, cache.memory[cross], view or View())
    assert memory_BSD is not None
    keys = cross.keys(memory_BSD)
    if cache is not None:
        cache.memory[cross] = keys
    return cross.read(x_BTD, keys, view or View())


def _one_head(dim: int) -> Attention:
    return Attention(BlockRecipe(dim=dim, heads=1, position="none"))


def _largest(x_BTF: Tensor, position_BT: Tensor) -> Tensor:
    """(B, T, F): at each token the largest of its document."""
    document_N = (position_BT == 0).flatten().cumsum(0) - 1
    x_NF = x_BTF.flatten(0, 1)
    index_NF = document_N[:, None].expand_as(x_NF)
    most_RF = x_NF.new_zeros(int(document_N[-1]) + 1, x_NF.shape[1]).scatter_reduce(0, index_NF, x_NF, "amax", include_self=False)
    return most_RF[document_N].view_as(x_BTF)
