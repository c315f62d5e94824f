"""Engine: a text decoder whose weights llama.cpp holds, for one answer at a time on a processor; `Reader` is its oracle. V = vocabulary."""

import ctypes
import weakref
from collections.abc import Sequence
from functools import cache
from os.path import commonprefix
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from duomo.batch import Batch, Stream

PART = 512  # tokens of a prompt that are read at once
SHORTEST = 1024  # tokens that the first cache has room for


class Engine:
    """A GGUF file, opened by the package llama-cpp-python; its keys and values are kept in float32.

    What it has read stays, so that the next turn of a conversation is read from where it differs. Not safe for threads.
    Raises ValueError where the package is not installed, does not open the file, or has no memory.
    """

    def __init__(self, path: Path, positions: int):
        self.library: Any = library()
        told = self.library.llama_model_default_params()
        told.n_gpu_layers = 0
        if hasattr(self.library, "LLAMA_LOAD_MODE_NONE"):  # read whole, so that the file may go
            told.load_mode = self.library.LLAMA_LOAD_MODE_NONE
        else:
            told.use_mmap = False
        self.model = self.library.llama_model_load_from_file(str(path).encode(), told)
        if not self.model:
            raise ValueError(f"{path}: llama.cpp does not open this file; leave out --engine")
        weakref.finalize(self, self.library.llama_model_free, self.model)
        self.vocab = self.library.llama_vocab_n_tokens(self.library.llama_model_get_vocab(self.model))
        self.positions, self.room, self.read = positions, 0, list[int]()
        self._context, self._free = None, lambda: None

    def begin(self, prompt: Batch, room: int) -> "Borrowed | None":
        """Reads a prompt after which `room` tokens may follow; None where this is no work for it: several rows, media, a source."""
        target = prompt.target
        if target is None or prompt.source is not None or target.media or len(target.ids_BT) != 1:
            return None
        if target.ids_BT.shape[1] + room > self.positions:
            return None
        self._make_room(target.ids_BT.shape[1] + room)
        return Borrowed(self, target)

    def logits(self, ids: Sequence[int]) -> Tensor:
        """(1, V), after all these ids; what it has read of them already is not read again."""
        kept = min(len(commonprefix([self.read, list(ids)])), len(ids) - 1)
        self.library.llama_memory_seq_rm(self.library.llama_get_memory(self._context), 0, kept, -1)
        self.read = list(ids[:kept])
        for start in range(kept, len(ids), PART):
            part = ids[start : start + PART]
            held = (self.library.llama_token * len(part))(*part)  # by a name: the batch only points to it
            if failed := self.library.llama_decode(self._context, self.library.llama_batch_get_one(held, len(part))):
                raise ValueError(f"llama.cpp could not go on ({failed}); leave out --engine")
            self.read += part
        pointer = self.library.llama_get_logits_ith(self._context, -1)
        return torch.from_numpy(np.ctypeslib.as_array(pointer, shape=(1, self.vocab)).copy())

    def _make_room(self, tokens: int) -> None:
        """A cache of so many tokens at least; one that grows is read anew."""
        if tokens <= self.room:
            return
        self._free()
        self.room, self.read, self._context, self._free = 0, [], None, lambda: None
        room = min(self.positions, max(SHORTEST, 1 << (tokens - 1).bit_length()))
        told = self.library.llama_context_default_params()
        told.n_ctx, told.n_batch, told.n_ubatch = room, PART, PART
        told.n_threads = told.n_threads_batch = torch.get_num_threads()
        told.type_k = told.type_v = self.library.GGML_TYPE_F32
        told.flash_attn_type = self.library.LLAMA_FLASH_ATTN_TYPE_DISABLED
        context = self.library.llama_init_from_model(self.model, told)
        if not context:
            raise ValueError(f"llama.cpp has no memory for {room:,} tokens; leave out --engine")
        self.room, self._context, self._free = room, context, weakref.finalize(self, self.library.llama_free, context)


class Borrowed:
    """A growing target, as `Reader` is one, but of one row: nothing is selected."""

    def __init__(self, engine: Engine, target: Stream):
        self.engine, self.target = engine, target
        self.ids: list[int] = target.ids_BT[0].tolist()

    def logits(self) -> Tensor:
        """(1, V) of the next token."""
        return self.engine.logits(self.ids)

    def add(self, ids_BT: Tensor) -> None:
        """Tokens that stand next."""
        self.ids += ids_BT[0].tolist()


def library() -> Any:
    """llama.cpp, which says nothing on the terminal. Raises ValueError where it is not installed."""
    try:
        import llama_cpp
    except ImportError as error:
        raise ValueError("--engine llama.cpp needs its package: pip install 'duomo[engine]' (it is built where it is installed)") from error
    llama_cpp.llama_log_set(_silence(llama_cpp), ctypes.c_void_p(0))
    return llama_cpp


@cache  # kept, for llama.cpp calls it for ever
def _silence(llama_cpp: Any) -> Any:
    return llama_cpp.llama_log_callback(lambda level, text, data: None)
