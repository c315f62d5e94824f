import json

import pytest

from duomo.interchange import sentences


def written(folder, **files):
    for name, content in files.items():
        path = folder / getattr(sentences, name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    return folder


def test_what_the_files_say_is_on_the_card(tmp_path):
    pooling = {"word_embedding_dimension": 8, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    prompts = {"prompts": {"query": "Find: ", "document": "", "clustering": "x"}}
    written(tmp_path, POOLING=pooling, LONGEST={"max_seq_length": 128}, PROMPTS=prompts)
    assert sentences.card(tmp_path) == {"pooling": "first", "longest": 128, "prefixes": {"query": "Find: ", "passage": ""}}


def test_a_pooling_that_is_not_built_keeps_its_name(tmp_path):
    modes = {"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}
    assert sentences.card(written(tmp_path, POOLING=modes)) == {"pooling": "mean and max_tokens"}


def test_without_such_files_and_without_prompts_nothing_is_said(tmp_path):
    assert sentences.card(tmp_path) == {}
    assert sentences.card(written(tmp_path, PROMPTS={"prompts": {}}, LONGEST={"max_seq_length": None})) == {}


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / sentences.LONGEST).write_text("{")
    with pytest.raises(ValueError, match=sentences.LONGEST):
        sentences.card(tmp_path)
