"""Hugging Face: a folder of config.json, safetensors and tokenizer.json, as transformers reads and writes it; or a hub's name.

Nothing that can run is read: no pickle, no code, no Jinja template. A chat template is looked at, to tell which format of the
fixed table it is.
"""

import importlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import yaml
from torch import Tensor

from duomo.disk import whole_folder
from duomo.interchange import families, sentences
from duomo.interchange.families import Config, Family
from duomo.interchange.format import Card, Format, Outside
from duomo.interchange.template import jinja
from duomo.interchange.tensors import PICKLES, WHOLE, read_json, tensors_in
from duomo.model import cuts
from duomo.recipe import ModelRecipe
from duomo.tokenizer import CHAT_FORMATS, CONTROL, PLAIN, Tokenizer, chat_format

CONFIG, TOKENIZER, TOKENIZER_CONFIG = "config.json", "tokenizer.json", "tokenizer_config.json"
TEMPLATE, ABOUT = "chat_template.jinja", "README.md"
FETCHED = ("*.safetensors", "*.json", TEMPLATE, "tokenizer.model", ABOUT)  # never code, never a pickle
SHORT, MOST_LANGUAGES, MOST_TEXT = 80, 200, 1 << 20  # characters of a title; languages; bytes of a card or a template
ENCODERS = ("bert", "roberta")  # chat formats of models that speak not


def known(path: Path) -> bool:
    """Whether a folder has a config and weights beside it."""
    beside = [file.name for file in path.iterdir()] if (path / CONFIG).is_file() else []
    return any(name.endswith(".safetensors") or (name.endswith(PICKLES) and name.startswith("pytorch_model")) for name in beside)


def read(folder: Path) -> Outside:
    """A folder as an outside model; its weights stay in their files until they are asked for.

    Raises ValueError for an unknown architecture, for a field of the config that would change its answers, and for anything hostile.
    """
    config = read_json(folder / CONFIG)
    family = families.family_of(config, folder / CONFIG)
    recipe = families.recipe_of(family, config, folder / CONFIG)
    tensors = tensors_in(folder)
    _refuse_sizes(recipe, len(tensors), folder)
    weights = families.inward(family, recipe, tensors, str(folder))
    tokenizer, chat, note = _words(family, recipe, folder)
    card = replace(_card(folder), **sentences.card(folder))
    return Outside(recipe, weights, tokenizer, chat, replace(card, note=" ".join(filter(None, (family.note, note)))))


def write(outside: Outside, folder: Path) -> None:
    """A folder that transformers opens; as which class follows from the recipe. Raises ValueError for a model that no family is."""
    if outside.model.senses:
        raise ValueError(f"{outside.card.title}: has senses ({', '.join(outside.model.senses)}); text models alone are written so")
    family, config = families.said(outside.model)
    tensors = families.outward(family, outside.model, outside.weights)
    with whole_folder(folder) as made:
        _write_json(made / CONFIG, config | _control(outside.tokenizer) | {"torch_dtype": "float32"})
        _write_json(made / "generation_config.json", _control(outside.tokenizer))
        _write_json(made / TOKENIZER_CONFIG, _tokenizer_config(outside))
        outside.tokenizer.save(made / TOKENIZER)
        (made / ABOUT).write_text(_about(outside.card), encoding="utf-8")
        held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        (made / WHOLE).write_bytes(safetensors.torch.save(held, {"format": "pt"}))


def peer(folder: Path, rows: Sequence[Sequence[int]]) -> Sequence[Tensor] | None:
    """What transformers computes from a folder: logits, or an encoder's hidden states; None where it is not installed."""
    try:
        transformers = importlib.import_module("transformers")
    except ImportError:
        return None
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    encoder = families.family_of(read_json(folder / CONFIG), folder).model_type == "bert"
    opened = transformers.AutoModel if encoder else transformers.AutoModelForCausalLM
    model = opened.from_pretrained(folder, local_files_only=True, trust_remote_code=False).float().eval()
    with torch.inference_mode():
        said = [model(input_ids=torch.tensor([list(row)])) for row in rows]
    return [(one.last_hidden_state if encoder else one.logits)[0].float() for one in said]


def fetch(name: str, folder: Path) -> Path:
    """Brings a model of the hub into a folder: safetensors, JSON, the tokenizer. Raises ValueError naming the extra to install."""
    try:
        hub = importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise ValueError(f"{name}: a hub's name needs huggingface_hub: pip install 'duomo[hub]'") from error
    try:
        return Path(hub.snapshot_download(name, allow_patterns=list(FETCHED), local_dir=folder))
    except (OSError, ValueError, hub.errors.HfHubHTTPError) as error:
        raise ValueError(f"{name}: can not be fetched from the hub ({' '.join(str(error).split()):.200})") from error


def _refuse_sizes(recipe: ModelRecipe, tensors: int, folder: Path) -> None:
    """A config may claim anything; nothing is made before it fits the files."""
    most = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    block, depth = recipe.block, max(recipe.encoder_depth, recipe.decoder_depth, *(sense.depth for sense in recipe.senses.values()))
    pieces = [max(math.prod(cut.size) // math.prod(cut.hop), cut.patch_features) for cut in cuts(recipe).values()]
    learned = recipe.max_positions if block.position == "learned" else 0
    if depth > tensors or max(block.dim, block.head_width, block.heads, block.ff_width, recipe.vocab_size, learned, *pieces) > most:
        raise ValueError(f"{folder / CONFIG}: claims a model of {depth} layers and width {block.dim}, more than its {tensors} tensors hold")


def _words(family: Family, recipe: ModelRecipe, folder: Path) -> tuple[Tokenizer, str, str]:
    """The tokenizer, the name of the chat format, and what is to be said about either."""
    if family.wordless is not None:
        tokenizer, note = family.wordless(folder)
        return tokenizer, PLAIN, note
    special, template = _special(folder), _template(folder)
    chat, note = _chat(recipe, special, template)
    return (family.tokenizer or partial(_tokenizer, chat))(folder / TOKENIZER, recipe.vocab_size), chat, note


def _tokenizer(chat: str, path: Path, vocab_size: int) -> Tokenizer:
    tokenizer = Tokenizer.load(path, chat)
    last = max(tokenizer.inner.get_vocab(with_added_tokens=True).values())
    if last >= vocab_size:
        raise ValueError(f"{path}: its ids go up to {last:,}, but the model knows {vocab_size:,} of them")
    return tokenizer


def _special(folder: Path) -> list[str]:
    added = read_json(folder / TOKENIZER).get("added_tokens", []) if (folder / TOKENIZER).is_file() else None
    if added is None:
        mend = "write one with transformers: AutoTokenizer.from_pretrained(…).save_pretrained(…)"
        raise ValueError(f"{folder}: has no {TOKENIZER}; {mend}")
    if not isinstance(added, list):
        raise ValueError(f"{folder / TOKENIZER}: not a tokenizer.json (added_tokens is no list)")
    return [str(token["content"]) for token in added if isinstance(token, dict) and "content" in token]


def _template(folder: Path) -> str:
    """The chat template as text, from wherever it stands; it is never run."""
    if template := _read_text(folder / TEMPLATE):
        return template
    told = read_json(folder / TOKENIZER_CONFIG).get("chat_template") if (folder / TOKENIZER_CONFIG).is_file() else None
    if isinstance(told, list):
        told = next((one.get("template") for one in told if isinstance(one, dict) and one.get("name") == "default"), None)
    return told if isinstance(told, str) else ""


def _chat(recipe: ModelRecipe, special: Sequence[str], template: str) -> tuple[str, str]:
    """The chat format, and what is to be said about it."""
    if recipe.shape == "encoder":
        return next((name for name in ENCODERS if CHAT_FORMATS[name].stop in special), PLAIN), ""
    if not template:
        return "duomo" if {*CONTROL} <= {*special} else PLAIN, ""
    found = chat_format(special, template)
    if found is None or CHAT_FORMATS[found].stop not in template:
        return PLAIN, "Its chat template is none of the known ones, so it only continues texts."
    return found, ""


def _card(folder: Path) -> Card:
    """Title, licence and languages, as README.md has them; without it the folder's name."""
    about = _read_text(folder / ABOUT)
    head: Any = {}
    if about.startswith("---\n"):
        try:  # every scalar is a string: "no" is Norwegian
            head = yaml.load(about[4:].partition("\n---")[0], yaml.BaseLoader)
        except (yaml.YAMLError, RecursionError):
            head = {}
    head = head if isinstance(head, dict) else {}
    licence, languages = head.get("license"), head.get("language")
    languages = languages if isinstance(languages, list) else [languages]
    title = next((line[2:].strip() for line in about.splitlines() if line.startswith("# ")), "") or folder.resolve().name
    known = tuple(name[:SHORT] for name in languages[:MOST_LANGUAGES] if isinstance(name, str) and name)
    return Card(title[:SHORT], licence[:SHORT] if isinstance(licence, str) else "", known)


def _read_text(path: Path) -> str:
    """The beginning of a text that lies beside a model, as far as anyone would read; "" where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(MOST_TEXT).decode("utf-8", errors="replace").replace("\r\n", "\n")


def _control(tokenizer: Tokenizer) -> Config:
    """Ids of begin, end and padding, as far as there are any."""
    begin = next((piece for piece in tokenizer.chat.begin if piece in tokenizer.special), None)
    pad = next((name for name in ("<|pad|>", "[PAD]", "<pad>") if name in tokenizer.special), tokenizer.chat.stop)
    named = {"bos_token_id": begin, "eos_token_id": tokenizer.chat.stop, "pad_token_id": pad}
    return {name: tokenizer.special[token] for name, token in named.items() if token is not None}


def _tokenizer_config(outside: Outside) -> Config:
    names = {id: token for token, id in outside.tokenizer.special.items()}
    tokens = {name.removesuffix("_id"): names[id] for name, id in _control(outside.tokenizer).items()}
    template = {} if outside.chat in (PLAIN, *ENCODERS) else {"chat_template": jinja(outside.tokenizer.chat)}
    longest = {"model_max_length": outside.model.max_positions, "clean_up_tokenization_spaces": False}
    return {"tokenizer_class": "PreTrainedTokenizerFast", **longest, **tokens, **template}


def _about(card: Card) -> str:
    head = {name: value for name, value in (("license", card.licence.lower()), ("language", list(card.languages))) if value}
    return f"---\n{yaml.safe_dump(head, sort_keys=False) if head else ''}---\n\n# {card.title}\n\n{card.note}\n"


def _write_json(path: Path, table: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(dict(table), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


HUGGINGFACE = Format("hf", "Hugging Face folder, as transformers reads it", known, read, write, peer=peer)
