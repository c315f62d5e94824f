import json
from dataclasses import replace
from pathlib import Path

import pytest
import tokenizers
import torch
from tokenizers import models

from duomo import cli, load
from duomo.commands import interchange
from duomo.commands.models import keep, open_model
from duomo.data import lineage
from duomo.data.lineage import Lineage, Provenance
from duomo.interchange import FORMATS, HUGGINGFACE
from duomo.interchange.gguf import GGUF
from duomo.interchange.gguf_test import outside
from duomo.interchange.huggingface_test import of

ALONE = {"hf": replace(HUGGINGFACE, peer=None)}  # without transformers, whose import takes longer than these tests


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place with a Hugging Face folder "theirs" and a run "ours" of the same weights."""
    monkeypatch.chdir(tmp_path)
    HUGGINGFACE.write(of("LlamaForCausalLM"), Path("theirs"))
    keep(of("LlamaForCausalLM"), Path("runs/ours"))
    return tmp_path


def test_an_imported_model_is_a_model_by_its_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["import", "theirs", "small"]) == 0
    shown = capsys.readouterr().out
    assert "licence: cc-by-sa-4.0" in shown and "languages: en, zh; conversations are written as duomo" in shown
    for name in ("small", "theirs", "runs/ours", "ours"):
        weights = open_model(name).model.state_dict()
        assert all(torch.equal(weights[key], tensor) for key, tensor in of("LlamaForCausalLM").weights.items()), name
    assert load("small").sampled(max_tokens=4).ask("what?") == load("theirs").sampled(max_tokens=4).ask("what?")
    assert cli.main(["lineage", "small"]) == 0 and "cc-by-sa-4.0 is share-alike" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "name", "told"),
    [
        ("theirs", "../x", "is no name for a model"),
        ("theirs", "", "'': is no name for a model"),
        ("nowhere", "x", "no such file or folder, and no name of a hub's model"),
        ("./a/b", "x", "no such file or folder"),
        ("runs", "x", "is in no known format"),
    ],
)
def test_a_wrong_import_is_one_line_and_leaves_nothing(source: str, name: str, told: str, folder: Path) -> None:
    with pytest.raises(ValueError, match=told):
        interchange.bring(source, name, folder / "cache")
    assert not (folder / "cache" / "models").exists()


def test_a_folder_is_called_by_its_whole_name_and_a_file_without_its_suffix(folder: Path) -> None:
    Path("theirs").rename("Llama-3.2-1B")
    GGUF.write(outside(), Path("small-1.5.gguf"))
    assert open_model("Llama-3.2-1B").recipe.name == "Llama-3.2-1B"
    assert open_model("small-1.5.gguf").recipe.name == "small-1.5"


def test_a_name_is_taken_once(folder: Path) -> None:
    interchange.bring("theirs", "small", folder / "cache")
    with pytest.raises(ValueError, match="there is a model of this name already"):
        interchange.bring("theirs", "small", folder / "cache")


def test_what_is_exported_is_told_with_how_well_it_agrees_and_what_it_learned_from(folder: Path) -> None:
    told = (Provenance("hsk", "CC-BY-SA-4.0", False, 9), Provenance("mine", "MIT", False, 1))
    lineage.save([Lineage("zh-en", told, 10, {"train": 10}, {})], folder / "runs/ours" / lineage.NAME)
    report = interchange.send("ours", "hf", formats=ALONE)
    assert report.facts["agreement"] == {"again": 0.0}
    assert report.lines[-1] == "  hsk (CC-BY-SA-4.0) is share-alike: what you publish of this model may have to carry the same terms"
    assert sum("share-alike" in line for line in report.lines) == 1
    assert json.loads(Path("ours-hf/config.json").read_text())["architectures"] == ["LlamaForCausalLM"]


def test_an_export_that_computes_something_else_does_not_stand(folder: Path) -> None:
    def spoiled(outside, path):
        weights = dict(outside.weights)
        weights["decoder.blocks.1.attn.v.weight"] = weights["decoder.blocks.1.attn.v.weight"] * 1.01
        HUGGINGFACE.write(replace(outside, weights=weights), path)

    before = sorted(folder.rglob("*"))
    with pytest.raises(ValueError, match="read again, its logits differ by"):
        interchange.send("ours", "hf", formats={"hf": replace(ALONE["hf"], write=spoiled)})
    other = replace(ALONE["hf"], peer=lambda path, rows: [torch.zeros(len(row), 405) for row in rows])
    with pytest.raises(ValueError, match="read by the program that it is made for, its logits differ by"):
        interchange.send("ours", "hf", formats={"hf": other})
    assert sorted(folder.rglob("*")) == before


def test_a_wrong_export_is_one_line(folder: Path) -> None:
    with pytest.raises(ValueError, match="no format 'onnx' to export to"):
        interchange.send("ours", "onnx")
    with pytest.raises(ValueError, match="theirs: is there already"):
        interchange.send("ours", "hf", Path("theirs"))
    assert {"hf", "gguf"} <= {name for name, format in FORMATS.items() if format.write}


def test_its_tokens_are_shown_whatever_its_conversations_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inner = tokenizers.Tokenizer(models.WordPiece(vocab={"[CLS]": 0, "[SEP]": 1, "read": 2, "##ing": 3, "[UNK]": 4}, unk_token="[UNK]"))
    inner.add_special_tokens(["[CLS]", "[SEP]"])
    inner.save("tokenizer.json")
    assert cli.main(["tokenizer", "show", "tokenizer.json", "reading"]) == 0
    assert capsys.readouterr().out.startswith("read·2 ##ing·3\n2 tokens\n")
