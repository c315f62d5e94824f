"""Fields: a config.json whose every field is honoured, known to be harmless, or refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Training, generation, files and names: nothing of the mathematics of one forward pass.
HARMLESS = frozenset(
    """
    architectures model_type transformers_version torch_dtype dtype use_cache initializer_range initializer_factor
    bos_token_id eos_token_id pad_token_id sep_token_id decoder_start_token_id forced_bos_token_id forced_eos_token_id
    attention_dropout hidden_dropout_prob attention_probs_dropout_prob resid_pdrop embd_pdrop attn_pdrop classifier_dropout
    summary_type summary_use_proj summary_activation summary_proj_to_labels summary_first_dropout n_ctx max_window_layers
    gradient_checkpointing chunk_size_feed_forward output_attentions output_hidden_states output_past return_dict return_dict_in_generate
    torchscript use_bfloat16 tf_legacy_loss id2label label2id problem_type finetuning_task task_specific_params tokenizer_class prefix
    max_length min_length do_sample early_stopping num_beams num_beam_groups diversity_penalty temperature top_k top_p typical_p
    repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids num_return_sequences
    exponential_decay_length_penalty suppress_tokens begin_suppress_tokens remove_invalid_values is_llama_config
    forced_decoder_ids transformers.js_config
    _name_or_path _commit_hash _attn_implementation _attn_implementation_autoset _flash_attn_2_enabled _num_labels
    """.split()
)

MOST = 2**62  # of any number: what a size of memory can be


class Fields:
    """The fields of one config; each is taken by name, and `finish` refuses what nobody took.

    Every method raises ValueError naming the file, the field and its value.
    """

    def __init__(self, config: Mapping[str, Any], where: str | Path = "config.json"):
        self.config, self.where = config, where
        self.taken: set[str] = set()

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number above 0; without a default it must stand there."""
        value = self._take(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MOST:
            raise ValueError(f"{self.where}: {name} is {_shown(value)}, but must be a whole number above 0")
        return value

    def maybe(self, name: str) -> int | None:
        """A whole number above 0, or None where the field is null or not there."""
        return None if self._take(name, None) is None else self.whole(name)

    def real(self, name: str, default: float | None = None) -> float:
        """A finite number above 0."""
        value = self._take(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= MOST:
            raise ValueError(f"{self.where}: {name} is {_shown(value)}, but must be a number above 0")
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        """true or false."""
        value = self._take(name, default)
        if not isinstance(value, bool):
            raise ValueError(f"{self.where}: {name} is {_shown(value)}, but must be true or false")
        return value

    def one(self, name: str, table: Mapping[str, Any], default: str | None = None) -> Any:
        """What the table says to a word."""
        value = self._take(name, default)
        if not isinstance(value, str) or value not in table:
            raise ValueError(f"{self.where}: {name} is {_shown(value)}; known here: {', '.join(table)}")
        return table[value]

    def only(self, name: str, *allowed: Any) -> None:
        """Refuses a field that has any value but these, the first of which it has where it is not there."""
        value = self._take(name, allowed[0])
        if not any(value == one and type(value) is type(one) for one in allowed):
            told = " or ".join(map(_shown, allowed))
            raise ValueError(f"{self.where}: {name} is {_shown(value)}, which changes what the model computes; read here is only {told}")

    def table(self, name: str) -> "Fields | None":
        """The fields of a field, or None where it is null, empty or not there."""
        value = self._take(name, None)
        if value is not None and not isinstance(value, dict):
            raise ValueError(f"{self.where}: {name} is {_shown(value)}, but must be a table")
        return Fields(value, f"{self.where}: {name}") if value else None

    def value(self, name: str, default: Any = None) -> Any:
        """A field as it stands."""
        return self._take(name, default)

    def finish(self) -> None:
        """Refuses what nobody took, is not harmless and says anything at all."""
        for name, value in self.config.items():
            # What is off, empty or null says nothing: every switch that a family has on by default is taken (a test holds this).
            silent = value is None or value is False or value == {} or value == [] or value == ""
            if not (silent or name in self.taken or name in HARMLESS or name.endswith("_version")):
                mend = "take it out of the file if it changes nothing"
                raise ValueError(f"{self.where}: field {name} ({_shown(value)}) is not known, so it may change what is computed; {mend}")

    def _take(self, name: str, default: Any) -> Any:
        self.taken.add(name)
        value = self.config.get(name)
        return default if value is None else value


def _shown(value: Any) -> str:
    told = repr(value)
    return told if len(told) < 60 else f"{told[:57]}…"
