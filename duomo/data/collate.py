"""Collate: rendered samples become a Batch. One of the two places that know what each shape reads."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from duomo.batch import IGNORE, Batch, Layout, Media, Patches, Stream
from duomo.data.render import Rendered
from duomo.recipe import Shape

PAD = 0
Row = list[Rendered]  # the documents packed in one row, in order
Mask = Callable[[Rendered], tuple[Rendered, list[int]]]  # what an encoder is shown of a document, and its labels


def collate(rows: Sequence[Row], shape: Shape, mask: Mask | None = None) -> Batch:
    """Rows of one or more documents become a training batch.

    decoder: inputs are all but the last id, labels all but the first. encoder: ids with some hidden by `mask`, labels
    what was hidden. encoder_decoder: the source ends where the last assistant turn begins; one document a row.
    """
    if shape == "decoder":
        cut = [[_cut(item, 0, -1) for item in row] for row in rows]
        return Batch(None, stream(cut, causal=True), labels([[_shifted(item) for item in row] for row in rows]), weights(cut))
    if shape == "encoder":
        masker = mask or Masker.answers()
        hidden = [[masker(item) for item in row] for row in rows]
        source = stream([[shown for shown, _ in row] for row in hidden], causal=False)
        return Batch(source, None, labels([[wanted for _, wanted in row] for row in hidden]), weights(rows))
    flat = [_alone(row) for row in rows]
    target = [[_cut(replace_media(item, []), item.turn - 1, -1)] for item in flat]
    wanted = [[_shifted(_cut(item, item.turn - 1, None))] for item in flat]
    source = stream([[_cut(item, 0, item.turn)] for item in flat], causal=False)
    return Batch(source, stream(target, causal=True), labels(wanted), weights(target))


def prompt(items: Sequence[Rendered], shape: Shape) -> Batch:
    """Open conversations, one a row, padded left: nothing is dropped, the last token is where the answer begins."""
    if shape == "encoder":
        return Batch(stream([[item] for item in items], causal=False), None, torch.empty(0))
    none = torch.empty(0)
    if shape == "decoder":
        return Batch(None, stream([[item] for item in items], causal=True, left=True), none)
    target = [[_cut(replace_media(item, []), item.turn - 1, None)] for item in items]
    return Batch(stream([[_cut(item, 0, item.turn)] for item in items], causal=False), stream(target, causal=True, left=True), none)


def stream(rows: Sequence[Row], causal: bool, left: bool = False) -> Stream:
    """Tokens with their groups, segments, positions, media and layout."""
    length = max(sum(len(item.ids) for item in row) for row in rows)
    ids = np.full((len(rows), length), PAD)
    group, segment, position = np.zeros_like(ids), np.zeros_like(ids), np.zeros_like(ids)
    places: list[tuple[int, int]] = []  # start in the flattened stream, length
    for r, row in enumerate(rows):
        at = length - sum(len(item.ids) for item in row) if left else 0
        for number, item in enumerate(row, 1):
            end = at + len(item.ids)
            ids[r, at:end], segment[r, at:end] = item.ids, number
            position[r, at:end] = np.arange(end - at)
            places.append((r * length + at, end - at))
            at = end
    if causal:
        group = position.copy()
    layout = _layout(rows, places, causal, left, padded=bool((segment == 0).any()))
    ids_BT, group_BT, segment_BT, position_BT = (torch.from_numpy(x) for x in (ids, group, segment, position))
    return Stream(ids_BT, group_BT, segment_BT, position_BT, collate_media(rows), layout, _tokens(rows))


def labels(rows: Sequence[Sequence[list[int]]]) -> Tensor:
    """(B, T): labels of the rows' documents, one after the other, padded with IGNORE."""
    joined = [[label for document in row for label in document] for row in rows]
    length = max(map(len, joined))
    return torch.tensor([row + [IGNORE] * (length - len(row)) for row in joined], dtype=torch.long)


def weights(rows: Sequence[Row]) -> Tensor | None:
    """(B, T): the weight of each document at its tokens; None where all weigh 1."""
    if all(item.weight == 1.0 for row in rows for item in row):
        return None
    joined = [np.repeat([item.weight for item in row], [len(item.ids) for item in row]) for row in rows]
    out = np.zeros((len(rows), max(map(len, joined))), dtype=np.float32)
    for r, row in enumerate(joined):
        out[r, : len(row)] = row
    return torch.from_numpy(out)


def check(batch: Batch, placeholder: Mapping[str, int]) -> Batch:
    """The same batch. Raises ValueError where placeholders and patches differ in number, before any model sees it."""
    for s in filter(None, (batch.source, batch.target)):
        for name, id in placeholder.items():
            here, there = int((s.ids_BT == id).sum()), s.tokens.get(name, 0)
            if here != there:
                raise ValueError(f"{name}: {here} placeholders but {there} patches; render the sample again")
    return batch


def collate_media(rows: Sequence[Row]) -> dict[str, Media]:
    """Media of all rows by modality, items as rows, in reading order."""
    found: dict[str, list[tuple[int, Patches]]] = defaultdict(list)
    for r, row in enumerate(rows):
        for item in row:
            for name, patches in item.media:
                found[name].append((r, patches))
    return {name: _items(items) for name, items in found.items()}


def replace_media(item: Rendered, media: list[tuple[str, Patches]]) -> Rendered:
    """The same tokens with other media."""
    return replace(item, media=media)


def unmasked(item: Rendered) -> tuple[Rendered, list[int]]:
    """Nothing is hidden: for an objective to which labels say only what a document counts."""
    return item, [id if learn else IGNORE for id, learn in zip(item.ids, item.learn, strict=True)]


class Masker:
    """Masked language modelling: which tokens are hidden is drawn from (seed, step); labels tell what they were.

    Of the chosen, 80 % become the mask token, 10 % a random one, 10 % stay (Devlin et al., BERT, 2018). Ids below `first_id`
    are control tokens: never hidden, never put.
    """

    def __init__(self, share: float, mask_id: int, vocab_size: int, seed: tuple[int, ...], first_id: int = 0):
        self.share, self.mask_id, self.vocab = share, mask_id, (first_id, vocab_size)
        self.random = np.random.default_rng(seed)

    @classmethod
    def answers(cls, mask_id: int = 3) -> "Masker":
        """Hides exactly what is learned: a one-token cloze when the answer is one token."""
        return cls(1.0, mask_id, 0, (0,))

    def __call__(self, item: Rendered) -> tuple[Rendered, list[int]]:
        """What is shown, and the labels."""
        ids, learn = np.array(item.ids), np.array(item.learn, dtype=bool)
        chosen = learn & (ids >= self.vocab[0]) & (self.random.random(len(ids)) < self.share)
        shown = ids.copy()
        fate = self.random.random(len(ids)) if self.vocab[1] else np.zeros(len(ids))
        shown[chosen & (fate < 0.8)] = self.mask_id
        random = chosen & (fate >= 0.9)
        shown[random] = self.random.integers(*self.vocab, random.sum()) if random.any() else shown[random]
        return replace(item, ids=shown.tolist()), np.where(chosen, ids, IGNORE).tolist()


def _layout(rows: Sequence[Row], places: list[tuple[int, int]], causal: bool, left: bool, padded: bool) -> Layout:
    if left and padded:
        return Layout("dense")
    if max(map(len, rows)) == 1:
        return Layout("causal" if causal else "mutual", causal, padded)
    return Layout("packed", causal, padded, tuple(_buckets(places)))


def _buckets(places: list[tuple[int, int]]) -> list[Tensor]:
    """Documents by like length: within a bucket the shortest is at least 3/4 of the longest, or 8 tokens shorter."""
    buckets, ordered = [], sorted(places, key=lambda place: -place[1])
    while ordered:
        longest = ordered[0][1]
        same = [place for place in ordered if place[1] >= min(longest * 3 // 4, longest - 8)]
        starts, lengths = np.array(same).T
        index = starts[:, None] + np.arange(longest)
        buckets.append(torch.from_numpy(np.where(np.arange(longest) < lengths[:, None], index, -1)))
        ordered = ordered[len(same) :]
    return buckets


def _items(items: list[tuple[int, Patches]]) -> Media:
    """In NumPy: torch would start threads of its own here, in a loader's thread, and slow every kernel of the training."""
    counts = [len(patches.values_NF) for _, patches in items]
    features, axes = items[0][1].values_NF.shape[1], items[0][1].coords_NA.shape[1]
    values = np.zeros((len(items), max(counts), features), np.float32)
    coords = np.zeros((len(items), max(counts), axes), np.int64)
    for m, (_, patches) in enumerate(items):
        values[m, : counts[m]], coords[m, : counts[m]] = patches.values_NF.numpy(), patches.coords_NA.numpy()
    rows = np.array([row for row, _ in items])
    values_MNF, coords_MNA, count_M, row_M = (torch.from_numpy(x) for x in (values, coords, np.array(counts), rows))
    return Media(values_MNF, coords_MNA, count_M, row_M, items[0][1].seen)


def _tokens(rows: Sequence[Row]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for name, patches in (media for row in rows for item in row for media in item.media):
        counts[name] += patches.tokens
    return dict(counts)


def _cut(item: Rendered, start: int, end: int | None) -> Rendered:
    return replace(item, ids=item.ids[start:end], learn=item.learn[start:end])


def _shifted(item: Rendered) -> list[int]:
    return [id if learn else IGNORE for id, learn in zip(item.ids[1:], item.learn[1:], strict=True)]


def _alone(row: Row) -> Rendered:
    if len(row) != 1:
        raise ValueError("an encoder-decoder reads one document a row; set data.pack=false")
    if not row[0].turn:
        raise ValueError("an encoder-decoder writes what the assistant says; a sample without an assistant message teaches it nothing")
    return row[0]
