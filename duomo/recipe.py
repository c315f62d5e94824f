"""Recipe: every choice of a run, frozen and validated; load from YAML, override by dotted keys, save as JSON."""

import difflib
import hashlib
import json
import types
from collections.abc import Iterable, Iterator
from math import ceil
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Shape = Literal["encoder", "decoder", "encoder_decoder"]
Projection = Literal["q", "k", "v", "out", "up", "down", "gate"]


class Part(BaseModel):
    """A part of a recipe: frozen; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


P = TypeVar("P", bound=Part)
LARGEST = 1_000_000  # bytes of a recipe


class RopeScaling(Part):
    """How rotary angles are stretched beyond the trained length."""

    kind: Literal["linear", "llama3", "yarn"]
    factor: float = Field(gt=0)
    original_positions: int = 8192
    low: float = 1.0  # llama3: low_freq_factor; yarn: beta_slow
    high: float = 4.0  # llama3: high_freq_factor; yarn: beta_fast


class BlockRecipe(Part):
    """The closed list of variants of the one Block (design section 4); each is there because a model family needs it."""

    dim: int = Field(256, gt=0)
    heads: int = Field(4, gt=0)
    kv_heads: int | None = Field(None, gt=0)  # None: as many as heads
    head_dim: int | None = Field(None, gt=0)  # None: dim / heads
    ff_dim: int | None = Field(None, gt=0)  # None: 8/3 dim for swiglu, else 4 dim
    norm: Literal["rms", "layer"] = "rms"
    eps: float = Field(1e-5, gt=0)
    norm_first: bool = True
    feedforward: Literal["swiglu", "gelu_erf", "gelu_tanh", "relu"] = "swiglu"
    position: Literal["rotary", "learned", "sinusoidal", "none"] = "rotary"
    theta: float = Field(10_000.0, gt=1)
    scaling: RopeScaling | None = None
    bias: tuple[Projection, ...] = ()
    norm_bias: bool = True  # of a layer norm
    qk_norm: bool = False
    dropout: float = Field(0.0, ge=0, lt=1)

    @property
    def head_width(self) -> int:
        """Numbers per head."""
        return self.head_dim or self.dim // self.heads

    @property
    def ff_width(self) -> int:
        """Numbers between the two maps of the feed-forward."""
        if self.feedforward == "swiglu":
            return self.ff_dim or -(-self.dim * 8 // 3 // 16) * 16
        return self.ff_dim or 4 * self.dim

    @model_validator(mode="after")
    def _heads_fit(self) -> "BlockRecipe":
        if self.head_dim is None and self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}; set head_dim or change one")
        if self.heads % (self.kv_heads or self.heads):
            raise ValueError(f"heads {self.heads} is not a multiple of kv_heads {self.kv_heads}")
        return self


class CutRecipe(Part):
    """How a modality is cut; lengths are per axis (time | rows, columns | time, rows, columns)."""

    size: tuple[int, ...]  # the largest item, in raw units: 10 ms frames, pixels, video frames
    hop: tuple[int, ...]  # raw units per patch
    merge: tuple[int, ...]  # patches per token, done by the front's strides
    features: int = Field(gt=0)  # numbers per raw unit: 80 mel bands, 1 grey, 3 RGB
    rate: float = Field(1.0, gt=0)  # raw units per second along time

    @property
    def sides(self) -> tuple[int, ...]:
        """Tokens of the largest item along each axis: every stride rounds up."""
        return tuple(ceil(ceil(size / hop) / merge) for size, hop, merge in zip(self.size, self.hop, self.merge, strict=True))

    @property
    def patch_features(self) -> int:
        """Numbers per patch."""
        count = self.features
        for hop in self.hop:
            count *= hop
        return count


class SenseRecipe(Part):
    """front (patch | conv) -> Stack with a mutual mask (depth 0: none) -> projector to the model's width."""

    modality: str = ""  # "": the name it stands under
    cut: CutRecipe | None = None  # None: the modality's default
    front: Literal["patch", "conv"] = "conv"
    channels: tuple[int, ...] = ()  # of the convolutions; the last equals block.dim
    strides: tuple[tuple[int, ...], ...] = ()  # per convolution and axis; their product is cut.merge
    inflates: str = ""  # a sense of pictures: this one is that sense with a time axis, and of its own has cut and strides over time
    norm: bool = False  # of each convolution's channels, by their root mean square
    outside: float = 0.0  # the value that stands for nothing there, within an item and around it: -1 for black and for silence
    place: Literal["sines", "table"] = "sines"  # added to a token: sines of its coordinates, mapped; or its place's own vector
    leading: int = Field(0, ge=0)  # learned vectors before an item's tokens, which its tokens attend to; they are not given to the model
    depth: int = Field(0, ge=0)
    block: BlockRecipe = BlockRecipe(dim=128, heads=4, position="none")
    join: int = Field(1, gt=0)  # so many tokens of the stack, side by side, are one of the model's
    project: bool = True  # false: block.dim is the model's, and what the stack gives stays as it is
    frozen: bool = False
    start_from: str = ""  # a model whose sense of this name gives the weights, those of the projector excepted

    @model_validator(mode="after")
    def _says_what_it_has(self) -> "SenseRecipe":
        idle = sorted(self.model_fields_set - {"modality", "cut", "inflates", "strides", "frozen", "start_from"}) if self.inflates else []
        if idle and self != self.model_copy(update={key: SenseRecipe.model_fields[key].default for key in idle}):
            raise ValueError(f"a sense that inflates {self.inflates} takes {', '.join(idle)} from it; leave them out")
        return self


class ModelRecipe(Part):
    """One transformer in one of its three shapes."""

    shape: Shape = "decoder"
    vocab_size: int = Field(8192, gt=0)
    encoder_depth: int = Field(0, ge=0)
    decoder_depth: int = Field(0, ge=0)
    block: BlockRecipe = BlockRecipe()
    max_positions: int = Field(2048, gt=0)
    final_norm: bool = True
    embed_norm: bool = False
    embed_scale: float = 1.0
    token_types: int = Field(0, ge=0)
    tied: bool = True
    head_bias: bool = False
    senses: dict[str, SenseRecipe] = {}

    @model_validator(mode="after")
    def _inflates_what_is_there(self) -> "ModelRecipe":
        for name, sense in self.senses.items():
            lender = self.senses.get(sense.inflates)
            if sense.inflates and (lender is None or lender.inflates):
                others = ", ".join(other for other, their in self.senses.items() if other != name and not their.inflates)
                raise ValueError(f"sense {name} inflates {sense.inflates!r}, which is no sense that stands alone; there are: {others}")
        return self

    @model_validator(mode="after")
    def _depth_fits_shape(self) -> "ModelRecipe":
        wants = {"encoder": (True, False), "decoder": (False, True), "encoder_decoder": (True, True)}[self.shape]
        has = (self.encoder_depth > 0, self.decoder_depth > 0)
        if self.shape == "encoder_decoder" and self.senses and has == (False, True):
            return self  # what the senses give is the memory
        if self.shape == "encoder" and has == (False, False) and self.senses and not any(s.project for s in self.senses.values()):
            return self  # a sense alone, for another model to take
        if has != wants:
            encoder, decoder = ("> 0" if want else "0" for want in wants)
            raise ValueError(f"shape {self.shape} wants encoder_depth {encoder} and decoder_depth {decoder}")
        return self


class TokenizerRecipe(Part):
    """A byte-level BPE learned on the training text, or a tokenizer.json that exists."""

    path: str | None = None
    bytes_per_language: int = Field(2_000_000, gt=0)
    unit: Literal["word", "character"] = "word"  # what no token goes beyond; by characters, a name is cut alike wherever it stands
    chat: Literal["duomo", "chatml", "smollm2", "qwen2", "qwen2.5", "llama3", "llama3.1", "bert", "roberta", "plain"] = "duomo"


class FileData(Part):
    """A data set of the user: one of the formats that `data/read` knows."""

    path: str
    format: str = "auto"
    weight: float = Field(1.0, gt=0)
    question: str | None = None  # column or template for tables; question text for folders
    answer: str | None = None
    valid_share: float = Field(0.05, ge=0, lt=1)
    licence: str = ""


class CleanRecipe(Part):
    """What is dropped before the split, and counted."""

    repair: bool = True
    exact: bool = True
    near: float | None = Field(None, gt=0, le=1)  # Jaccard of shingles above which two texts are one
    min_chars: int = Field(1, ge=0)
    max_chars: int = Field(100_000, gt=0)
    languages: tuple[str, ...] = ()
    quality: bool = False  # of documents: what does not read like prose is dropped


class DataRecipe(Part):
    """What is learned, in what proportion, in rows of what size."""

    tasks: dict[str, float] = {}  # task -> share of the training tokens
    options: dict[str, dict[str, Any]] = {}  # task -> its own options
    files: tuple[FileData, ...] = ()
    clean: CleanRecipe = CleanRecipe()
    max_tokens: int = Field(512, gt=0)  # longer samples are cut
    row_tokens: int = Field(1024, gt=0)  # a packed row
    pack: bool = True
    workers: int = Field(1, ge=0)
    cache: str = "cache"
    cache_senses: bool = False  # what frozen senses make of each item is kept there too
    label_weights: dict[str, float] = {}  # data set -> how much each of its labels counts; 1 where not said
    mask_words: bool = False  # an encoder learns words hidden in the assistant's texts; false: all of its answers, one mask a token
    mask_share: float = Field(0.15, gt=0, lt=1)  # of an encoder's masked words


class AdaptRecipe(Part):
    """Low-rank adapters beside weights that stay as they are (Hu et al., LoRA, 2021)."""

    rank: int = Field(8, ge=0)  # of each adapter; 0: none, only `train`
    alpha: float = Field(16.0, gt=0)  # an adapter's product counts alpha / rank times
    share: float = Field(1.0, gt=0, le=1)  # of what the adapters have learned counts once the run is opened
    dropout: float = Field(0.0, ge=0, lt=1)  # of what an adapter reads
    targets: tuple[Projection, ...] = ("q", "k", "v", "out", "gate", "up", "down")  # of the blocks of encoder and decoder
    train: tuple[str, ...] = ()  # parts that are trained whole, as senses.image.project


class RolloutRecipe(Part):
    """The answers that a model gives while it trains, for an objective that learns from rewards."""

    answers: int = Field(8, ge=2)  # to each question
    temperature: float = Field(1.0, gt=0)
    max_tokens: int | None = Field(None, gt=0)  # None: what the task allows
    updates: int = Field(1, gt=0)  # optimizer steps on the same answers


class EmbeddingsRecipe(Part):
    """Word vectors that token vectors begin as, in GloVe's text form."""

    path: str
    fit: Literal["exact", "project", "crop"] = "exact"  # how vectors longer than the model's are made to fit


class TrainRecipe(Part):
    """How the weights are found."""

    objective: str = "cross_entropy"
    options: dict[str, Any] = {}  # of the objective
    teacher: str | None = None  # the model that a student is to be like
    rollouts: RolloutRecipe = RolloutRecipe()
    steps: int = Field(1000, gt=0)
    minutes: float | None = Field(None, gt=0)  # for them; a machine that would take longer does fewer
    rows: int = Field(4, gt=0)  # packed rows (or samples, unpacked) per optimizer step
    micro_batches: int = Field(1, gt=0)
    optimizer: Literal["adamw", "muon"] = "adamw"
    lr: float = Field(1e-3, gt=0)  # of embeddings, norms and biases when the optimizer is muon
    muon_lr: float = Field(0.02, gt=0)
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = Field(0.05, ge=0)
    schedule: Literal["cosine", "wsd", "constant"] = "cosine"
    warmup: int = Field(50, ge=0)
    decay_share: float = Field(0.2, gt=0, le=1)  # of wsd
    min_lr_share: float = Field(0.05, ge=0, le=1)
    clip: float = Field(1.0, gt=0)
    precision: Literal["auto", "fast", "fp32", "bf16"] = "auto"  # fast: as auto; on a processor bf16, if it is quicker
    compile: bool | None = None  # the blocks of encoder and decoder; None: where there is a GPU
    checkpoint_blocks: bool = False  # recompute activations in the backward pass
    validate_every: int = Field(200, gt=0)
    validate_rows: int = Field(8, ge=0)
    save_every: int = Field(200, gt=0)
    keep: int = Field(2, gt=0)
    threads: int | None = Field(None, gt=0)
    start_from: str | None = None  # a run, or a fetched model, whose weights are taken first
    embeddings: EmbeddingsRecipe | None = None  # None: token vectors begin at random


class EvaluateRecipe(Part):
    """How the model is measured."""

    samples: int = Field(500, gt=0)  # per task at most
    resamples: int = Field(1000, gt=0)
    batch: int = Field(32, gt=0)
    tasks: tuple[str, ...] = ()  # none: those of data.tasks
    extra: tuple[str, ...] = ()  # measured but not learned
    beams: int = Field(1, gt=0)


class Recipe(Part):
    """One run."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    about: str = ""
    seed: int = 0
    model: ModelRecipe
    tokenizer: TokenizerRecipe = TokenizerRecipe()
    data: DataRecipe = DataRecipe()
    train: TrainRecipe = TrainRecipe()
    adapt: AdaptRecipe | None = None  # None: every weight is trained
    evaluate: EvaluateRecipe = EvaluateRecipe()
    asks: tuple[str, ...] = ()  # questions of one's own that the demo puts to the model at its end
    then: tuple[str, ...] = ()  # recipes that the demo trains after this one; it compares the last two

    @model_validator(mode="after")
    def _adapters_lie_on_something(self) -> "Recipe":
        if self.adapt and not self.train.start_from:
            raise ValueError("adapt trains on top of other weights; name their run in train.start_from")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 of the recipe as JSON."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def load(path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Reads a YAML or JSON recipe and applies `key.sub=value` overrides.

    Raises ValueError with one line per fault: the file, the key, the nearest right key.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such recipe{_nearest(path.name, [p.name for p in path.parent.glob('*.y*ml')])}")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path}: larger than any recipe; name a YAML file as in recipes/tiny.yaml")
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise ValueError(f"{path}: a recipe is a mapping of keys, as in recipes/tiny.yaml")
    for override in overrides:
        _set(tree, override)
    return parse(tree, str(path))


def parse(tree: dict[str, Any], where: str) -> Recipe:
    """A Recipe from plain data; `where` names the file in errors."""
    return parse_part(tree, where, Recipe)


def parse_part(tree: dict[str, Any], where: str, kind: type[P]) -> P:
    """A Recipe or one of its parts from plain data. Raises ValueError as `load` does."""
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise ValueError("\n".join(f"{where}: {_explain(fault, kind)}" for fault in error.errors())) from None


def save(recipe: Recipe, path: Path) -> None:
    """Writes the whole recipe, defaults included, as JSON."""
    path.write_text(json.dumps(recipe.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _set(tree: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ValueError(f"{override!r}: an override is key=value, as in train.steps=100")
    *path, last = key.split(".")
    for name in path:
        tree = tree.setdefault(name, {})
        if not isinstance(tree, dict):
            raise ValueError(f"{override!r}: {name} has no keys below it")
    try:
        tree[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ValueError(f"{override!r}: the value is not YAML") from error


def _explain(fault: Any, kind: type[Part]) -> str:
    key = ".".join(map(str, fault["loc"]))
    if fault["type"] == "extra_forbidden":
        *path, last = fault["loc"]
        return f"unknown key {key!r}{_nearest(str(last), _keys_at(path, kind))}"
    given = f" (it is {fault['input']!r})" if len(repr(fault["input"])) < 60 else ""
    return f"{key}: {fault['msg'].removeprefix('Value error, ')}{given}"


def _keys_at(path: list[Any], kind: type[Part]) -> list[str]:
    models: list[Any] = [kind]
    for name in path:
        models = [m for model in models for m in _models(model.model_fields[name].annotation if name in model.model_fields else model)]
    return [key for model in models for key in model.model_fields]


def _models(annotation: Any) -> Iterator[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, types.UnionType, tuple, dict, list):
        for inner in get_args(annotation):
            yield from _models(inner)


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1, 0.4)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}" if known else ""
