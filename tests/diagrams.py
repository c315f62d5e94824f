"""The pictures of the manual, drawn from the code: `python -m tests.diagrams` writes them, tests/test_living_article.py holds them to it.

Plain SVG on a card of its own, which is dark where the reader's screen is.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from xml.sax.saxutils import escape

import torch

from duomo import recipe as recipes
from duomo.batch import Stream
from duomo.blocks import Attention, FeedForward, Stack, self_mask
from duomo.commands.resolve import recipe_folder
from duomo.data.collate import collate, stream
from duomo.data.render import Rendered
from duomo.modalities import MODALITIES
from duomo.model import Model, cuts
from duomo.recipe import CutRecipe, ModelRecipe, SenseRecipe
from tests.house import modules
from tests.test_layers import LAYERS

DOCS = Path(__file__).parents[1] / "docs"
STYLE = """
.card{fill:#ffffff}.ink{fill:#263238}.dim{fill:#546e7a}.line{stroke:#78909c;fill:none}.box{fill:#eceff1;stroke:#90a4ae}
.attn{fill:#b2dfdb;stroke:#00897b}.cross{fill:#ffe0b2;stroke:#ef6c00}.mlp{fill:#d1d9f0;stroke:#5c6bc0}
.sees{fill:#00897b}.blind{fill:#dfe5e8}.none{fill:none;stroke:#90a4ae;stroke-dasharray:4 3}
@media (prefers-color-scheme:dark){
.card{fill:#1d2327}.ink{fill:#eceff1}.dim{fill:#b0bec5}.line{stroke:#90a4ae}.box{fill:#37474f;stroke:#78909c}
.attn{fill:#00564d;stroke:#4db6ac}.cross{fill:#7a3c00;stroke:#ffb74d}.mlp{fill:#303f74;stroke:#9fa8da}
.sees{fill:#4db6ac}.blind{fill:#37474f}.none{stroke:#78909c}
}"""
TALL, APART = 18, 4  # of a box, and between two blocks
READS = {  # what stands below a stack
    "encoder": ("all of it, some words hidden",),
    "decoder": ("all tokens but the last",),
    "encoder_decoder": ("the source", "the target but its last"),
}
GIVES = {  # and above it
    "encoder": "the hidden words",
    "decoder": "all tokens but the first",
    "encoder_decoder": "the target but its first",
}
HEADS = ("", "cut", "front", "stack, projector", "tokens")  # of the columns of the picture of senses
LEFT, WIDE = (20, 104, 262, 440, 618), (56, 130, 150, 150, 110)
DECODER = 760  # where it begins
PANELS: Sequence[tuple[str, Sequence[int], bool]] = (  # name, tokens of each document, whether each sees only what came before
    ("encoder", (6,), False),
    ("decoder", (6,), True),
    ("packed decoder", (3, 3), True),
)


def picture(width: int, height: int, about: str, parts: Iterable[str]) -> str:
    """A whole file."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11" role="img"'
    marker = '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
    tip = f'{marker}<path d="M0 0L8 4L0 8z" class="dim"/></marker></defs>'
    card = f'<rect class="card" width="{width}" height="{height}" rx="8"/>'
    return "\n".join([f'{head} aria-label="{escape(about)}">', f"<style>{STYLE}\n</style>", tip, card, *parts, "</svg>", ""])


def box(x: int, y: int, width: int, height: int = TALL, kind: str = "box") -> str:
    """A rectangle; its kind is its colour."""
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="3"/>'


def words(x: int, y: int, text: str, kind: str = "ink", anchor: str = "middle", more: str = "") -> str:
    """Text whose middle, start or end is at x."""
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}"{more}>{escape(text)}</text>'


def boxed(x: int, y: int, width: int, text: str, kind: str = "box") -> list[str]:
    """A box with a word in it."""
    return [box(x, y, width, TALL, kind), words(x + width // 2, y + 13, text)]


def arrow(*points: tuple[int, int]) -> str:
    """A line through these points, with a tip at its end."""
    path = "L".join(f"{x} {y}" for x, y in points)
    return f'<path class="line" d="M{path}" marker-end="url(#tip)"/>'


def named(name: str) -> tuple[ModelRecipe, Model]:
    """The model of a recipe that ships, without weights."""
    recipe = recipes.load(recipe_folder() / f"{name}.yaml").model
    with torch.device("meta"):
        return recipe, Model(recipe, {kind: place for place, kind in enumerate(MODALITIES)})


Rows = list[tuple[str, str]]  # text and kind, from below; ("", "") is a gap


def column(x: int, bottom: int, width: int, rows: Rows) -> tuple[list[str], dict[str, list[int]], int]:
    """Boxes one above the other. Gives what is drawn, the middles of each kind, and the top."""
    drawn, middles, y = list[str](), dict[str, list[int]](), bottom
    for text, kind in rows:
        y -= TALL if text else APART
        if text:
            drawn += boxed(x, y, width, text, kind)
            middles.setdefault(kind, []).append(y + TALL // 2)
    return drawn, middles, y


def rows_of(stack: Stack, sees: str) -> Rows:
    """A stack's parts as they follow one another; `sees` is what collate calls its mask."""
    names = {Attention: {"attn": f"attention, {sees}", "cross": "attention to the source"}, FeedForward: {"mlp": "feed-forward"}}
    rows: Rows = [("+ positions", "box")] if stack.positions is not None else []
    for block in stack.blocks:
        parts = [(name, names[type(part)][name]) for name, part in block.named_children() if type(part) in names]
        rows += [("", ""), *((text, name) for name, text in parts)]
    return [*rows, ("", ""), ("norm", "box")] if list(stack.norm.parameters()) else rows


def shape(name: str, x: int, bottom: int, wide: int = 150) -> tuple[list[str], int]:
    """One recipe's stacks from the token vectors to the head. Gives what is drawn and how wide it is."""
    recipe, model = named(name)
    item = Rendered([5, 6, 7, 8], [False, False, True, True], turn=2)
    batch = collate([[item]], recipe.shape)
    drawn, at, tops = list[str](), x, list[int]()
    for stack, read in ((model.encoder, batch.source), (model.decoder, batch.target)):
        if stack is None or read is None:
            continue
        last = stack is (model.encoder if model.decoder is None else model.decoder)
        kind = read.layout.kind + (", rotary" if stack.recipe.position == "rotary" else "")
        rows: Rows = [("token vectors", "box"), *rows_of(stack, kind), *([("", ""), ("head: logits", "box")] if last else [])]
        made, middles, top = column(at, bottom, wide, rows)
        if at > x:  # the decoder beside its encoder
            drawn += [arrow((at - 36, tops[-1] + 9), (at - 14, tops[-1] + 9), (at - 14, y), (at, y)) for y in middles["cross"]]
        drawn += [*made, words(at + wide // 2, bottom + 16, READS[recipe.shape][len(tops)], "dim")]
        tops, at = [*tops, top], at + wide + 36
    whole, middle = at - 36 - x, (x + at - 36) // 2
    size = sum(p.numel() for p in model.parameters())
    depth = " + ".join(str(n) for n in (recipe.encoder_depth, recipe.decoder_depth) if n)
    told = (f"recipe {name}: {depth} blocks", f"width {recipe.block.dim}, {size / 1e6:.1f} M weights")
    head = [words(middle, 26, recipe.shape, more=' font-weight="bold" font-size="13"')]
    head += [words(middle, 43 + 15 * line, text, "dim") for line, text in enumerate(told)]
    return [*head, *drawn, words(at - 36 - wide // 2, tops[-1] - 8, GIVES[recipe.shape], "dim")], whole


def shapes() -> str:
    """The three shapes, each as a recipe has it."""
    drawn, x = list[str](), 28
    for name in ("bert", "four_senses", "article"):
        made, wide = shape(name, x, 346)
        drawn, x = drawn + made, x + wide + 40
    return picture(x - 12, 378, "The three shapes: an encoder, a decoder, and both, from token vectors below to logits above", drawn)


def senses() -> str:
    """How the demo's four kinds of input become tokens of one decoder."""
    recipe, model = named("four_senses")
    sizes = cuts(recipe)
    rows = [("text", ("tokenizer", "byte-level BPE", "", f"{recipe.vocab_size:,} ids"))]
    rows += [(name, sense_told(recipe.senses[name], sizes[name], recipe.senses)) for name in model.senses]
    drawn = [words(x + w // 2, 22, text, "dim") for text, x, w in zip(HEADS, LEFT, WIDE, strict=True)]
    for number, (name, cells) in enumerate(rows):
        y = 34 + 44 * number
        drawn += boxed(LEFT[0], y, WIDE[0], name, "mlp")
        for text, x, width in zip(cells, LEFT[1:], WIDE[1:], strict=True):
            if text:
                drawn += [*boxed(x, y, width, text), arrow((end_of(cells, x), y + 9), (x, y + 9))]
        drawn.append(arrow((LEFT[-1] + WIDE[-1], y + 9), (DECODER, y + 9)))
    tall = 44 * (len(rows) - 1) + TALL
    middle, half = DECODER + 60, 34 + tall // 2
    drawn += [box(DECODER, 34, 120, tall, "attn"), words(middle, half - 6, "decoder", more=' font-weight="bold"')]
    drawn += [words(middle, half + 10, f"{recipe.decoder_depth} blocks, width {recipe.block.dim}")]
    drawn += [arrow((DECODER + 120, half), (DECODER + 152, half)), *boxed(DECODER + 152, half - 9, 60, "text", "mlp")]
    return picture(
        DECODER + 232, 34 + tall + 20, "Text, pictures, sound and clips become tokens of one decoder, which answers in text", drawn
    )


def end_of(cells: Sequence[str], x: int) -> int:
    """Where the last filled box before x ends."""
    return [place + width for place, width, text in zip(LEFT, WIDE, ("name", *cells), strict=True) if text and place < x][-1]


def sense_told(sense: SenseRecipe, cut: CutRecipe, others: dict[str, SenseRecipe]) -> tuple[str, str, str, str]:
    """What a sense does, in a few words: cut, front, stack, tokens of the largest item."""
    lender = others.get(sense.inflates)
    size = " × ".join(map(str, cut.size)) + (f" × {cut.features}" if cut.features > 1 else "")
    channels = "·".join(map(str, sense.channels))
    front = f"{sense.front} {channels}" if lender is None else f"that of {sense.inflates}, over time"
    depth = (lender or sense).depth
    stack = f"{depth} block{'s' * (depth != 1)}, projector" if lender is None else f"those of {sense.inflates}"
    return size, front, stack, f"at most {math.prod(cut.sides)}"


def house() -> str:
    """The layers of the code, as the test of imports holds them; what is not built yet is dashed."""
    built = {module.room for module in modules().values()}
    named_rooms = [sorted((room for room in layer if not room.startswith("__main")), key=lambda r: (r not in built, r)) for layer in LAYERS]
    layers = [rooms for rooms in named_rooms if rooms]
    drawn, width = list[str](), 680
    for number, rooms in enumerate(layers):
        y = 20 + 38 * (len(layers) - 1 - number)
        drawn += [words(16, y + 13, f"layer {number}", "dim", "start")]
        x = 76
        for room in rooms:
            text = "duomo" if room == "__init__" else room
            wide = 16 + 7 * len(text)
            drawn += boxed(x, y, wide, text, "box" if room in built else "none")
            x += wide + 8
    foot = 20 + 38 * len(layers)
    drawn += [
        arrow((width - 22, 24), (width - 22, foot - 22)),
        words(width - 34, foot - 8, "imports go down; dashed: not yet", "dim", "end"),
    ]
    return picture(width, foot + 8, "The rooms of the code by layer; a room imports only what lies below it", drawn)


def groups() -> str:
    """Who sees whom, by the one rule: rows look, columns are looked at."""
    drawn, x = list[str](), 26
    for name, lengths, causal in PANELS:
        row = [Rendered([5] * length, [True] * length) for length in lengths]
        read = stream([row], causal)
        drawn += panel(x, name, read.group_BT[0].tolist(), read.segment_BT[0].tolist())
        x += 146
    drawn += panel(x, "prefix decoder", [0, 0, 0, 1, 2, 3], [1] * 6)
    drawn += panel(x + 146, "padded encoder", [0] * 6, [1, 1, 1, 1, 0, 0])
    return picture(x + 146 + 112, 164, "Who sees whom: each row a token that looks, each column a token that is looked at", drawn)


def panel(x: int, name: str, group: list[int], segment: list[int]) -> list[str]:
    """One mask, computed by the model's own function, with the groups at its sides and the segments below."""
    mask = self_mask(stream_of(group, segment))[0, 0].tolist()
    drawn = [words(x + 48, 18, name, more=' font-weight="bold"')]
    for place, number in enumerate(group):
        drawn += [words(x + 8 + 16 * place, 38, str(number), "dim"), words(x - 8, 55 + 16 * place, str(number), "dim")]
    for seen, kind in ((False, "blind"), (True, "sees")):
        places = [(r, c) for r, line in enumerate(mask) for c, here in enumerate(line) if here == seen]
        path = "".join(f"M{x + 16 * c} {43 + 16 * r}h15v15h-15z" for r, c in places)
        drawn += [f'<path class="{kind}" d="{path}"/>'] if path else []
    return [*drawn, words(x + 48, 154, f"segments {' '.join(map(str, segment))}", "dim", more=' font-size="10"')]


def stream_of(group: list[int], segment: list[int]) -> Stream:
    """A stream of one row with these numbers."""
    made = stream([[Rendered([5] * len(group), [True] * len(group))]], causal=False)
    return replace(made, group_BT=torch.tensor([group]), segment_BT=torch.tensor([segment]))


PICTURES: dict[str, Callable[[], str]] = {"shapes.svg": shapes, "senses.svg": senses, "house.svg": house, "groups.svg": groups}


def main() -> None:
    """Writes every picture into docs/."""
    for name, draw in PICTURES.items():
        (DOCS / name).write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
