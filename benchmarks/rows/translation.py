"""Translation: an encoder-decoder of 2017's shape, with the same weights as a Marian of transformers and as CTranslate2 reads it."""

from collections.abc import Sequence
from typing import Any

import torch
from contest import OURS, Aim, Contest, Row, Setting, needed
from torch import Tensor

from duomo.data.collate import prompt
from duomo.data.render import Rendered
from duomo.generate.sampling import Sampling
from duomo.generate.tokens import generate
from duomo.model import Model
from duomo.recipe import BlockRecipe, ModelRecipe
from rows.decoding import Say
from rows.peers import NEVER, random_ids, same_ids

DEPTH, VOCAB, START = 4, 8192, 5  # the token at which a translation begins is the last of its source
BLOCK = BlockRecipe(dim=256, heads=8, ff_dim=1024, norm="layer", norm_first=False, feedforward="relu", position="sinusoidal",
                    bias=("q", "k", "v", "out", "up", "down"))  # fmt: skip
SOURCE, COUNT, ROWS_OF = 24, 32, 8


def marian() -> Any:
    """Drawn at random; the last id, which CTranslate2 takes for padding, has no weight."""
    import transformers

    torch.manual_seed(0)
    config = transformers.MarianConfig(
        vocab_size=VOCAB, d_model=BLOCK.dim, encoder_layers=DEPTH, decoder_layers=DEPTH, encoder_attention_heads=BLOCK.heads,
        decoder_attention_heads=BLOCK.heads, encoder_ffn_dim=BLOCK.ff_width, decoder_ffn_dim=BLOCK.ff_width, activation_function="relu",
        scale_embedding=True, max_position_embeddings=512, pad_token_id=VOCAB - 1, eos_token_id=0, decoder_start_token_id=START,
        forced_eos_token_id=None, dropout=0.0,
    )  # fmt: skip
    model = transformers.MarianMTModel(config).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim == 2 and "embed_positions" not in name:
                p.normal_(std=(1 if "shared" in name else 2) * p.shape[1] ** -0.5)
        model.model.shared.weight[-1] = 0
    model.generation_config.eos_token_id, model.generation_config.forced_eos_token_id = None, None
    model.generation_config.bad_words_ids = None
    return model


def ours(peer: Any) -> Model:
    """The same model as Duomo's."""
    recipe = ModelRecipe(shape="encoder_decoder", vocab_size=VOCAB, encoder_depth=DEPTH, decoder_depth=DEPTH, block=BLOCK,
                         max_positions=512, final_norm=False, embed_scale=BLOCK.dim**0.5)  # fmt: skip
    model, theirs = Model(recipe, {}).eval(), peer.state_dict()
    held = {"tokens.weight": theirs["model.shared.weight"]}
    names = {"attn.q": "self_attn.q_proj", "attn.k": "self_attn.k_proj", "attn.v": "self_attn.v_proj", "attn.out": "self_attn.out_proj",
             "attn_norm": "self_attn_layer_norm", "mlp.up": "fc1", "mlp.down": "fc2", "mlp_norm": "final_layer_norm"}  # fmt: skip
    cross = {f"cross.{a}": f"encoder_attn.{b}_proj" for a, b in (("q", "q"), ("k", "k"), ("v", "v"), ("out", "out"))}
    for part, more in (("encoder", {}), ("decoder", cross | {"cross_norm": "encoder_attn_layer_norm"})):
        for n in range(DEPTH):
            for mine, their in (names | more).items():
                for kind in ("weight", "bias"):
                    held[f"{part}.blocks.{n}.{mine}.{kind}"] = theirs[f"model.{part}.layers.{n}.{their}.{kind}"]
    model.load_state_dict({name: tensor.clone() for name, tensor in held.items()})
    for stack in (model.encoder, model.decoder):  # Marian's table holds sines in its first half, cosines in its second
        assert stack is not None and stack.positions is not None
        stack.positions.table.copy_(peer.model.encoder.embed_positions.weight[: len(stack.positions.table)])
    return model


def duomo(model: Model) -> Say:
    """Ours."""

    def say(sources: Sequence[Sequence[int]], count: int) -> list[list[int]]:
        batch = prompt([Rendered(list(ids), [False] * len(ids), turn=len(ids)) for ids in sources], "encoder_decoder")
        return torch.stack(list(generate(model, batch, Sampling(max_tokens=count), NEVER)), 1).tolist()

    return say


def hugging(peer: Any) -> Say:
    """`generate` of transformers."""

    def say(sources: Sequence[Sequence[int]], count: int) -> list[list[int]]:
        shown: Tensor = torch.tensor(sources)
        with torch.inference_mode():
            said = peer.generate(shown, attention_mask=torch.ones_like(shown), max_new_tokens=count, do_sample=False, num_beams=1)
        return said[:, 1:].tolist()

    return say


def ctranslate2(peer: Any, setting: Setting) -> Say:
    """CTranslate2's translator."""
    import ctranslate2 as other
    from ctranslate2.converters.transformers import MarianMTLoader

    folder, known = setting.folder / "marian-ct2", [f"<{number}>" for number in range(VOCAB - 1)]
    if not folder.exists():
        spec = MarianMTLoader().get_model_spec(peer)
        spec.decoder.start_from_zero_embedding = False  # a Marian's way; this one begins at a token
        spec.register_source_vocabulary(known)
        spec.register_target_vocabulary(known)
        spec.config.bos_token, spec.config.eos_token, spec.config.unk_token = known[1], known[0], known[2]
        spec.config.decoder_start_token, spec.config.add_source_eos = known[START], False
        spec.validate()
        spec.optimize()
        folder.mkdir(parents=True)
        spec.save(str(folder))
    translator = other.Translator(str(folder), compute_type="float32", inter_threads=1, intra_threads=setting.threads)

    def say(sources: Sequence[Sequence[int]], count: int) -> list[list[int]]:
        shown = [[known[id] for id in ids] for ids in sources]
        said = translator.translate_batch(shown, beam_size=1, max_decoding_length=count, min_decoding_length=count, sampling_topk=1)
        return [[int(token[1:-1]) for token in one.hypotheses[0]] for one in said]

    return say


def translate(setting: Setting) -> Contest:
    """Sources of 24 ids, eight at once, 32 ids each."""
    absent = needed({"transformers": "transformers", "CTranslate2": "ctranslate2"})
    if "transformers" in absent:
        raise ValueError("this row draws its weights with transformers; pip install 'duomo[bench]'")
    peer = marian()
    found = {OURS: duomo(ours(peer)), "transformers": hugging(peer)}
    if "CTranslate2" not in absent:
        found["CTranslate2"] = ctranslate2(peer, setting)
    sources = [[*ids, START] for ids in random_ids(ROWS_OF, SOURCE - 1, VOCAB - 1)]
    said = {name: one(sources, COUNT) for name, one in found.items()}
    told = [same_ids(name, said[OURS], ids) for name, ids in said.items() if name != OURS]

    def work(one: Say) -> Any:
        def timed() -> float:
            one(sources, COUNT)
            return float(ROWS_OF * COUNT)

        return timed

    return Contest({name: work(one) for name, one in found.items()}, "; ".join(told), absent=absent)


ROWS = (
    Row("translate", "translation, encoder-decoder of 10 M, batch 8", "tokens/s", translate,
        aims=(Aim("transformers", 2.0), Aim("CTranslate2", 1.0))),
)  # fmt: skip
