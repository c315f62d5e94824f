"""Speech: recordings to text by the same Whisper in every program."""

from collections.abc import Callable, Sequence
from pathlib import Path

import jiwer
import numpy as np
import torch
from contest import OURS, Aim, Contest, Differ, Row, Setting, Work, needed
from whisper_normalizer.english import EnglishTextNormalizer

from duomo.checkpoint import Run
from duomo.commands.models import open_model
from duomo.commands.transcribe import ears
from duomo.data.store import Store
from duomo.generate.script import script_of
from duomo.generate.transcript import transcribe
from duomo.interchange import families
from duomo.modalities.audio import RATE, blocks
from duomo.sources import SOURCES

NAME, CLIPS, LEAST = "whisper-tiny.en", 4, 8  # recordings, and the words of the shortest
PARTS = ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt", "vocabulary.json")  # of CTranslate2's folder
MOST_ERRORS = 0.05  # of words between two programs
Hear = Callable[[Sequence[bytes]], list[str]]


def recordings(setting: Setting) -> list[bytes]:
    """Telephone prompts of at least eight words."""
    found = [(next(s.media()).value, s.answer) for s in Store(setting.cache).open("asterisk")]
    long = [bytes(sound) for sound, words in found if len(words.split()) >= LEAST]
    return long[:: max(1, len(long) // CLIPS)][:CLIPS]


def duomo(run: Run) -> Hear:
    """What `duomo transcribe` hears."""
    hearing = ears(run, "en", False)

    def hear(sounds: Sequence[bytes]) -> list[str]:
        told = transcribe([blocks(sound) for sound in sounds], hearing.hear, hearing.longest, hearing.language, 1)
        texts: dict[int, str] = dict.fromkeys(range(len(sounds)), "")
        for number, text in told:
            texts[number] += text.text
        return list(texts.values())

    return hear


def faster(setting: Setting) -> Hear:
    """faster-whisper, on CTranslate2."""
    import zipfile

    from faster_whisper import WhisperModel

    folder = setting.folder / NAME
    if not folder.exists():
        folder.mkdir(parents=True)
        for file in SOURCES[NAME].files:
            with zipfile.ZipFile(setting.cache / "packages" / file.name) as archive:
                for name in (name for name in archive.namelist() if name.endswith(PARTS)):
                    (folder / Path(name).name).write_bytes(archive.read(name))
    peer = WhisperModel(str(folder), device="cpu", compute_type="float32", cpu_threads=setting.threads)

    def hear(sounds: Sequence[bytes]) -> list[str]:
        found = []
        for sound in sounds:
            pieces, _ = peer.transcribe(heard(sound), beam_size=1, language="en")
            found.append("".join(piece.text for piece in pieces))
        return found

    return hear


def hugging(run: Run) -> Hear:
    """transformers, greedy with timestamps, as the others are."""
    import transformers

    script, recipe = script_of(run.tokenizer), run.recipe.model
    assert script is not None
    block, depth = recipe.block, recipe.decoder_depth
    config = transformers.WhisperConfig(
        vocab_size=recipe.vocab_size, d_model=block.dim, encoder_layers=depth, decoder_layers=depth, encoder_attention_heads=block.heads,
        decoder_attention_heads=block.heads, encoder_ffn_dim=block.ff_width, decoder_ffn_dim=block.ff_width, pad_token_id=script.end,
        bos_token_id=script.end, eos_token_id=script.end, decoder_start_token_id=script.start,
    )  # fmt: skip
    peer = transformers.WhisperForConditionalGeneration(config)
    family = next(family for family in families.FAMILIES.values() if family.model_type == "whisper")
    held = families.outward(family, recipe, dict(run.model.state_dict()))
    lacking = peer.load_state_dict({name: tensor.clone() for name, tensor in held.items()}, strict=False)
    if [name for name in lacking.missing_keys if "embed_positions" not in name and "proj_out" not in name]:
        raise ValueError(f"weights that transformers lacks: {lacking.missing_keys}")
    peer.tie_weights()
    peer.eval()
    extract, told = transformers.WhisperFeatureExtractor(feature_size=80), peer.generation_config
    for name, value in {
        "is_multilingual": False,
        "no_timestamps_token_id": script.stamps.start - 1,
        "decoder_start_token_id": script.start,
        "eos_token_id": script.end,
        "pad_token_id": script.end,
        "bos_token_id": script.end,
        "suppress_tokens": list(script.mute),
        "begin_suppress_tokens": [220, script.end],
        "max_initial_timestamp_index": 50,
        "forced_decoder_ids": None,
        "max_length": 448,
    }.items():
        setattr(told, name, value)

    def hear(sounds: Sequence[bytes]) -> list[str]:
        found = []
        for sound in sounds:
            features = extract(heard(sound), sampling_rate=RATE, return_tensors="pt").input_features
            with torch.inference_mode():
                ids = peer.generate(features, return_timestamps=True, do_sample=False, num_beams=1)[0].tolist()
            found.append(run.tokenizer.decode(id for id in ids if id < script.end))
        return found

    return hear


def heard(sound: bytes) -> np.ndarray:
    """The samples of a recording, as every program gets them."""
    return np.concatenate(list(blocks(sound)))


def agreed(name: str, ours: Sequence[str], theirs: Sequence[str]) -> str:
    """A line that says how many words differ. Raises Differ where too many do."""
    clean = EnglishTextNormalizer()
    errors = jiwer.wer([clean(text) for text in theirs], [clean(text) for text in ours])
    if errors > MOST_ERRORS:
        raise Differ(f"{name}: {errors:.1%} of words differ: {list(ours)} and {list(theirs)}")
    return f"{name}: {errors:.1%} of words differ"


def listen(setting: Setting) -> Contest:
    """Whisper tiny.en over telephone prompts, one at a time."""
    run, sounds = open_model(setting.cache / "models" / NAME), recordings(setting)
    seconds = sum(len(heard(sound)) for sound in sounds) / RATE
    absent = needed({"transformers": "transformers", "faster-whisper": "faster_whisper"})
    found: dict[str, Hear] = {OURS: duomo(run)}
    if "transformers" not in absent:
        found["transformers"] = hugging(run)
    if "faster-whisper" not in absent:
        found["faster-whisper"] = faster(setting)
    said = {name: one(sounds) for name, one in found.items()}
    told = [agreed(name, said[OURS], texts) for name, texts in said.items() if name != OURS]
    works = {name: _work(one, sounds, seconds) for name, one in found.items()}
    return Contest(works, "; ".join(told), absent=absent, facts={"recordings": len(sounds), "seconds of sound": round(seconds, 1)})


def _work(one: Hear, sounds: Sequence[bytes], seconds: float) -> Work:
    def timed() -> float:
        one(sounds)
        return seconds

    return timed


ROWS = (
    Row("transcribe", "transcription, Whisper tiny.en", "× real time", listen,
        aims=(Aim("transformers", 2.5), Aim("faster-whisper", 1.0)), weight=1.5),
)  # fmt: skip
