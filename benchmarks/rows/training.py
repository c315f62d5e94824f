"""Training: tokens a second of whole steps: forward, loss, backward, clipping, AdamW."""

import math
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from contest import OURS, Aim, Contest, Differ, Row, Setting, Work, needed, peak_megabytes
from torch import Tensor, nn

from duomo.batch import Batch
from duomo.compress.lora import lora
from duomo.data.collate import collate
from duomo.data.load import fill_rate
from duomo.data.pack import balance
from duomo.data.render import Rendered
from duomo.model import Model
from duomo.objectives.cross_entropy import cross_entropy
from duomo.recipe import AdaptRecipe, ModelRecipe, TrainRecipe
from duomo.train.loop import loop
from duomo.train.optimizer import optimizer
from rows.peers import drawn, exported, outside, ten_million, transformers_model, words
from rows.plain import Plain

ROWS_OF, TOKENS = 8, 256
RECIPE = TrainRecipe(lr=1e-4)  # small, so that losses of many steps stay comparable
IGNORE = -100
APART, HALF_APART = 1e-3, 1e-2  # of losses, in float32 and in bfloat16
# Every second sample of the first step of recipes/four_senses.yaml, media included, by its length in tokens.
FOUR_SENSES = tuple(
    map(
        int,
        "11 12 12 12 13 14 14 14 14 14 14 15 15 15 16 16 16 17 17 18 18 18 18 18 19 20 20 21 21 22 22 23 23 23 23 24 24 "
        "24 25 26 27 28 29 30 31 32 37 42 43 43 43 46 47 48 48 48 52 53 58 62 79 85 95 134".split(),
    )
)
Step = Callable[[], float]  # one step; gives its loss a target


def ours(model: Model, batches: Sequence[Batch], compiled: bool = False) -> Step:
    """A step as `duomo train` does it."""
    model.train()
    if compiled:
        assert model.decoder is not None
        model.decoder.compile(dynamic=True)
    solver = optimizer(model, RECIPE)
    return lambda: next(loop(model, [list(batches)], cross_entropy, solver, lambda step: 1.0, clip=RECIPE.clip)).loss


def theirs(model: nn.Module, loss: Callable[[], Tensor]) -> Step:
    """A step around any module, with torch's own AdamW over the same groups."""
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": RECIPE.weight_decay},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    solver = torch.optim.AdamW(groups, lr=RECIPE.lr, betas=RECIPE.betas)
    model.train()

    def step() -> float:
        solver.zero_grad()
        value = loss()
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), RECIPE.clip)
        solver.step()
        return value.item()

    return step


def items(lengths: Sequence[int], vocab_size: int, supervised: float = 1.0) -> list[Rendered]:
    """Documents of ids drawn at random, of which the last share is learned."""
    random = torch.Generator().manual_seed(2)
    made = []
    for length in lengths:
        ids = torch.randint(0, vocab_size, (length + 1,), generator=random).tolist()
        silent = length + 1 - max(1, math.ceil(length * supervised))
        made.append(Rendered(ids, [False] * silent + [True] * (length + 1 - silent)))
    return made


def padded(documents: Sequence[Rendered]) -> dict[str, Tensor]:
    """What transformers reads: ids, labels that are shifted already, and which are real."""
    longest = max(len(one.ids) for one in documents) - 1
    ids, labels, mask = (torch.full((len(documents), longest), fill) for fill in (0, IGNORE, 0))
    for row, one in enumerate(documents):
        size = len(one.ids) - 1
        ids[row, :size], mask[row, :size] = torch.tensor(one.ids[:-1]), 1
        labels[row, :size] = torch.tensor([id if learn else IGNORE for id, learn in zip(one.ids[1:], one.learn[1:], strict=True)])
    return {"input_ids": ids, "labels": labels, "attention_mask": mask}


def hugging(model: nn.Module, data: Mapping[str, Tensor], masked: bool) -> Callable[[], Tensor]:
    """The loss that transformers computes of a batch."""
    more = {"attention_mask": data["attention_mask"]} if masked else {}
    return lambda: model(input_ids=data["input_ids"], labels=data["labels"], shift_labels=data["labels"], use_cache=False, **more).loss


def straight(model: nn.Module, data: Mapping[str, Tensor]) -> Callable[[], Tensor]:
    """The loss of a model that gives logits."""
    return lambda: F.cross_entropy(model(data["input_ids"]).flatten(0, 1), data["labels"].flatten(), ignore_index=IGNORE)


def litgpt(model: Model) -> nn.Module:
    """The same model in litgpt."""
    from litgpt.config import Config
    from litgpt.model import GPT

    recipe, block = model.recipe, model.recipe.block
    config = Config(
        name="benchmark", block_size=recipe.max_positions, vocab_size=recipe.vocab_size, padded_vocab_size=recipe.vocab_size,
        n_layer=recipe.decoder_depth, n_head=block.heads, n_embd=block.dim, rotary_percentage=1.0, parallel_residual=False, bias=False,
        norm_class_name="RMSNorm", norm_eps=block.eps, mlp_class_name="LLaMAMLP", intermediate_size=block.ff_width,
    )  # fmt: skip
    peer, mine = GPT(config), model.state_dict()
    held = {"lm_head.weight": mine["head.weight"], "transformer.wte.weight": mine["tokens.weight"]}
    held["transformer.ln_f.weight"] = mine["decoder.norm.weight"]
    for n in range(recipe.decoder_depth):
        of, to = f"decoder.blocks.{n}.", f"transformer.h.{n}."
        held[f"{to}norm_1.weight"], held[f"{to}norm_2.weight"] = mine[f"{of}attn_norm.weight"], mine[f"{of}mlp_norm.weight"]
        held[f"{to}attn.qkv.weight"] = torch.cat([mine[f"{of}attn.{name}.weight"] for name in "qkv"])
        held[f"{to}attn.proj.weight"] = mine[f"{of}attn.out.weight"]
        for name, their in (("gate", "fc_1"), ("up", "fc_2"), ("down", "proj")):
            held[f"{to}mlp.{their}.weight"] = mine[f"{of}mlp.{name}.weight"]
    peer.load_state_dict({name: tensor.clone() for name, tensor in held.items()}, strict=False)
    return peer


def steps(recipe: ModelRecipe, documents: Sequence[Rendered], setting: Setting, masked: bool = False) -> dict[str, Callable[[], Step]]:
    """Every program's step, made when it is asked for; all begin with the same weights."""
    data = padded(documents)

    def peer() -> Any:
        model = drawn(recipe)
        folder = exported(outside(model, words(recipe.vocab_size)), "hf", setting.folder / f"hf-{recipe.vocab_size}")
        return transformers_model(folder)

    def plain(compiled: bool) -> Step:
        model: Any = Plain.of(drawn(recipe))
        return theirs(model, straight(torch.compile(model) if compiled else model, data))

    def compiled() -> Step:
        model = peer()
        return theirs(model, hugging(torch.compile(model), data, masked))  # type: ignore[arg-type]

    def eager() -> Step:
        model = peer()
        return theirs(model, hugging(model, data, masked))

    def lit() -> Step:
        model = litgpt(drawn(recipe))
        return theirs(model, straight(model, data))

    return {"transformers": eager, "transformers, compiled": compiled, "plain loop": lambda: plain(False),
            "plain loop, compiled": lambda: plain(True), "litgpt": lit}  # fmt: skip


def contest(
    found: Mapping[str, Step], useful: int, flops: float, absent: Mapping[str, str], facts: Mapping[str, object], allowed: float = APART
) -> Contest:
    """Checks that two steps of all programs lose the same, within so many nats, then times them."""
    losses = {name: [step() for _ in range(2)] for name, step in found.items()}
    mine = losses[next(iter(losses))]
    for name, values in losses.items():
        apart = max(abs(a - b) for a, b in zip(mine, values, strict=True))
        if not apart < allowed:
            raise Differ(f"{name}: losses of two steps {values} differ from {mine}")
    told = f"losses of two steps within {allowed:g} nats ({mine[0]:.4f} at first)"

    works = {name: _work(step, useful) for name, step in found.items()}
    return Contest(works, told, flops=flops, absent=absent, facts=facts)


def _work(step: Step, useful: int) -> Work:
    def one() -> float:
        step()
        return float(useful)

    return one


def flops_of(recipe: ModelRecipe, length: float, supervised: float = 1.0) -> float:
    """FLOPs a token of a training step at least: 6 for each number of a matrix product, and causal attention's half square."""
    block = recipe.block
    matrices = 4 * block.dim**2 + 3 * block.dim * block.ff_width
    body = recipe.decoder_depth * (6 * matrices + 6 * block.dim * length)
    return body + 6 * block.dim * recipe.vocab_size * supervised


def dense(setting: Setting) -> Contest:
    """Every token is a target."""
    return _equal(setting, ten_million(), 1.0)


def compiled(setting: Setting) -> Contest:
    """The same, each through torch.compile, which takes a minute or two of its own a program."""
    return _equal(setting, ten_million(), 1.0, ", compiled")


def half(setting: Setting) -> Contest:
    """The same in bfloat16 over float32 weights, beside float32: what `train.precision=fast` chooses between."""
    recipe = ten_million()
    documents = items([TOKENS] * ROWS_OF, recipe.vocab_size)
    absent, batch = needed({"transformers": "transformers"}), collate([[one] for one in documents], "decoder")
    found = {f"{OURS}, bfloat16": halved(ours(drawn(recipe), [batch])), f"{OURS}, float32": ours(drawn(recipe), [batch])}
    if not absent:
        peer = steps(recipe, documents, setting)["transformers"]
        found |= {"transformers, bfloat16": halved(peer()), "transformers": peer()}
    return contest(found, ROWS_OF * TOKENS, flops_of(recipe, TOKENS), absent, {}, HALF_APART)


def halved(step: Step) -> Step:
    """The same step, its products in bfloat16."""

    def one() -> float:
        with torch.autocast("cpu", torch.bfloat16):
            return step()

    return one


def supervised(setting: Setting) -> Contest:
    """A quarter of the tokens are targets, of 32,768 words."""
    made = _equal(setting, ten_million(32768), 0.25)
    peaks = memory((OURS, "transformers", "plain loop"))
    return replace(made, facts={"peak memory above the libraries, MB": peaks})


def _equal(setting: Setting, recipe: ModelRecipe, share: float, how: str = "") -> Contest:
    documents = items([TOKENS] * ROWS_OF, recipe.vocab_size, share)
    absent = needed({"transformers": "transformers", "litgpt": "litgpt.model"})
    made, batch = steps(recipe, documents, setting), collate([[one] for one in documents], "decoder")
    found = {OURS + how: ours(drawn(recipe), [batch], compiled=bool(how))}
    for name, make in made.items():
        if name.split(",")[0] not in absent and name.endswith(", compiled") == bool(how):
            found[name] = make()
    return contest(found, ROWS_OF * TOKENS, flops_of(recipe, TOKENS, share), absent, {})


def mixed(setting: Setting) -> Contest:
    """Samples of four senses' lengths: packed by Duomo, padded to the longest by its peers. Useful tokens are counted."""
    recipe, lengths = ten_million(), FOUR_SENSES
    documents = items(lengths, recipe.vocab_size)
    rows = balance([(0, n) for n in range(len(lengths))], lengths, 2)
    packed = collate([[documents[n] for _, n in row] for row in rows], "decoder")
    single = collate([[one] for one in documents], "decoder")
    found = {OURS: ours(drawn(recipe), [packed]), "duomo, padded": ours(drawn(recipe), [single])}
    absent = needed({"transformers": "transformers"})
    if not absent:
        found["transformers"] = steps(recipe, documents, setting, masked=True)["transformers"]()
    facts = {"samples": len(lengths), "tokens": sum(lengths), "longest": max(lengths), "filled when packed": round(fill_rate([packed]), 3),
             "filled when padded": round(fill_rate([single]), 3)}  # fmt: skip
    return contest(found, sum(lengths), flops_of(recipe, sum(n * n for n in lengths) / sum(lengths)), absent, facts)


def adapted(setting: Setting) -> Contest:
    """A step of adapters of rank 8 beside a step of all weights; all lose the same at first, for adapters begin as nothing."""
    recipe = ten_million()
    documents = items([TOKENS] * ROWS_OF, recipe.vocab_size)
    batch = collate([[one] for one in documents], "decoder")
    found = {OURS + ", LoRA": ours(lora(drawn(recipe), AdaptRecipe()), [batch]), OURS + ", all weights": ours(drawn(recipe), [batch])}
    absent = needed({"transformers": "transformers", "peft": "peft"})
    if not absent:
        found |= {"transformers with peft": with_peft(recipe, documents, setting),
                  "transformers, all weights": steps(recipe, documents, setting)["transformers"]()}  # fmt: skip
    losses = {name: step() for name, step in found.items()}
    if max(losses.values()) - min(losses.values()) > APART:
        raise Differ(f"first losses differ: {losses}")
    works = {name: _work(step, ROWS_OF * TOKENS) for name, step in found.items()}
    return Contest(works, f"first losses within {APART:g} nats", absent=absent)


def with_peft(recipe: ModelRecipe, documents: Sequence[Rendered], setting: Setting) -> Step:
    """The same adapters on the same maps of the same model in transformers."""
    import peft

    data = padded(documents)
    folder = exported(outside(drawn(recipe), words(recipe.vocab_size)), "hf", setting.folder / f"hf-{recipe.vocab_size}")
    adapt = AdaptRecipe()
    maps = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = peft.get_peft_model(transformers_model(folder), peft.LoraConfig(r=adapt.rank, lora_alpha=int(adapt.alpha), target_modules=maps))
    return theirs(model, hugging(model, data, masked=False))


def memory(names: Sequence[str]) -> dict[str, int]:
    """The most that a process holds in two steps of a quarter supervised, above what it held with all libraries loaded; a process each."""
    code = "import sys; sys.path.insert(0, 'benchmarks'); from rows.training import peak; peak(sys.argv[1])"
    found = {}
    for name in names:
        told = subprocess.run([sys.executable, "-c", code, name], capture_output=True, text=True, check=False)
        if not told.returncode:
            found[name] = round(float(told.stdout.split()[-1]))
    return found


def peak(name: str) -> None:
    """Prints what two steps of one program need; for a process of its own."""
    import importlib
    import tempfile

    torch.set_num_threads(1)
    importlib.import_module("transformers")
    importlib.import_module("transformers.models.llama.modeling_llama")
    recipe = ten_million(32768)
    documents = items([TOKENS] * ROWS_OF, recipe.vocab_size, 0.25)
    before = peak_megabytes()
    with tempfile.TemporaryDirectory() as folder:
        if name == OURS:
            step = ours(drawn(recipe), [collate([[one] for one in documents], "decoder")])
        else:
            step = steps(recipe, documents, Setting(1, 0, Path(folder), Path()))[name]()
        for _ in range(2):
            step()
    print(peak_megabytes() - before)


ROWS = (
    Row("train", "training, 10 M, 8 × 256 tokens", "tokens/s", dense, aims=(Aim("transformers", 1.25), Aim("sgemm", 0.8)), weight=2),
    Row("train-compiled", "training, 10 M, compiled", "tokens/s", compiled, headline=False, weight=2),
    Row("train-half", "training, 10 M, bfloat16", "tokens/s", half, headline=False),
    Row("train-lora", "training, 10 M, LoRA of rank 8", "tokens/s", adapted, headline=False),
    Row("train-25", "training, a quarter supervised, 32 k words", "tokens/s", supervised, aims=(Aim("transformers", 1.7),), weight=1.5),
    Row("train-mixed", "training, the mixed lengths of four senses", "useful tokens/s", mixed, aims=(Aim("transformers", 3.0),)),
)
