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


def modules(*kinds):
    return [{"idx": n, "name": str(n), "path": f"{n}_{kind}" if n else "", "type": f"x.models.{kind}"} for n, kind in enumerate(kinds)]


@pytest.mark.parametrize(
    ("told", "content"),
    [
        ("go through 'Dense', which is not built", modules("Transformer", "Pooling", "Dense", "Normalize")),
        ("go through 'CLIPModel'", modules("CLIPModel")),
        ("its pooling lies in '2_Pooling'", modules("Transformer", "Normalize", "Pooling")),
        ("is no list of modules", ["Transformer"]),
        ("is no list of modules", [{"path": ""}]),
        ("is no list of modules", 3),
    ],
)
def test_parts_that_are_not_built_are_refused(told, content, tmp_path):
    with pytest.raises(ValueError, match=told) as fault:
        sentences.card(written(tmp_path, MODULES=content))
    assert str(tmp_path / sentences.MODULES) in str(fault.value) and "\n" not in str(fault.value)


def test_the_parts_of_most_are_read(tmp_path):
    for kinds in (("Transformer",), ("Transformer", "Pooling"), ("Transformer", "Pooling", "Normalize")):
        assert sentences.card(written(tmp_path, MODULES=modules(*kinds))) == {}


def test_small_letters_are_the_tokenizers_work(tmp_path):
    lowering = [
        {"type": "BertNormalizer", "lowercase": True},
        {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]},
    ]
    for normalizer in lowering:
        written(tmp_path, LONGEST={"do_lower_case": True}, TOKENIZER={"normalizer": normalizer})
        assert sentences.card(tmp_path) == {}
    for normalizer in (None, {"type": "BertNormalizer", "lowercase": False}, {"type": "Sequence", "normalizers": [{"type": "NFC"}]}):
        with pytest.raises(ValueError, match="do_lower_case"):
            sentences.card(written(tmp_path, TOKENIZER={"normalizer": normalizer}))
    assert sentences.card(written(tmp_path, LONGEST={"do_lower_case": False})) == {}
