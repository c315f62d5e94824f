"""Runs that start from another run: adapters on it, preferences, rewards and teachers, through the command line."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from duomo import checkpoint
from duomo.commands.begin import begin
from duomo.data.collate import prompt
from duomo.data.render import render
from duomo.model import Model
from duomo.sample import ask
from tests import own
from tests.small import media

pytest.importorskip("peft")

TREE = """
model: {decoder_depth: 1, vocab_size: 300, max_positions: 128, block: {dim: 32, heads: 2}}
data: {max_tokens: 48, row_tokens: 96, files: [{path: own.jsonl, valid_share: 0.2}]}
train: {steps: 6, rows: 4, warmup: 2, lr: 1.0e-2, validate_every: 6, validate_rows: 1, save_every: 3, threads: 1}
evaluate: {samples: 8, resamples: 20}
"""
LORA = "train.start_from=runs/base adapt.rank=4"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with a base model, and an adapted one on it."""
    made = tmp_path_factory.mktemp("adapt")
    rows = [
        {"messages": [{"role": "user", "content": f"after {n}?"}, {"role": "assistant", "content": str(n + 1)}], "rejected": "no"}
        for n in range(80)
    ]
    (made / "own.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (made / "own.yaml").write_text("name: base\n" + TREE)
    assert train(made, "name=base") == 0
    assert train(made, f"name=lora {LORA} adapt.train=[tokens]") == 0
    return made


def train(folder: Path, words: str, *more: str) -> int:
    return own.duomo(folder, "train", "own.yaml", *words.split(), *more)


def opened(folder: Path, name: str) -> checkpoint.Run:
    return checkpoint.open_run(folder / "runs" / name)


def held(folder: Path, name: str) -> Path:
    newest = checkpoint.latest(folder / "runs" / name)
    assert newest is not None
    return newest


@torch.no_grad()
def logits(model: Model, run: checkpoint.Run) -> torch.Tensor:
    items = [render(ask(f"after {n}?"), run.tokenizer, {}, Path(), answer=False) for n in (3, 50)]
    return model.eval()(prompt(items, "decoder"))


def test_a_run_of_adapters_holds_them_alone_and_is_opened_with_its_base(folder: Path) -> None:
    assert (held(folder, "lora") / "model.safetensors").stat().st_size < 0.75 * (held(folder, "base") / "model.safetensors").stat().st_size
    run, base = opened(folder, "lora"), opened(folder, "base")
    with own.inside(folder):
        adapted = Model(run.recipe.model, {})
        begin(adapted, run.recipe, Path("runs/lora"))
        checkpoint.load_model(held(folder, "lora"), adapted)
    assert float((logits(run.model, run) - logits(adapted, run)).abs().max()) <= 1e-5
    assert float((logits(run.model, run) - logits(base.model, base)).abs().max()) > 0.1
    frozen = "decoder.norm.weight"
    assert torch.equal(run.model.state_dict()[frozen], base.model.state_dict()[frozen])


def test_a_share_of_what_was_learned_lies_on_the_way(folder: Path) -> None:
    for name, share in (("all", 1.0), ("part", 0.25)):
        assert train(folder, f"name={name} {LORA} adapt.share={share} adapt.targets=[q,down]") == 0
    before, part, whole = (opened(folder, name).model.state_dict() for name in ("base", "part", "all"))
    for name, tensor in before.items():
        assert torch.allclose(part[name], tensor + 0.25 * (whole[name] - tensor), atol=1e-6), name
    assert not torch.equal(whole["decoder.blocks.0.attn.q.weight"], before["decoder.blocks.0.attn.q.weight"])
    assert own.duomo(folder, "export", "runs/part", "quarter", "--to", "peft") == 0
    assert json.loads((folder / "quarter" / "adapter_config.json").read_text())["lora_alpha"] == 4.0


def test_a_resumed_run_of_adapters_is_an_unbroken_one(folder: Path) -> None:
    words = f"name=parted {LORA} train.keep=9 adapt.dropout=0.1"
    assert train(folder, words) == 0
    whole = checkpoint.digest(held(folder, "parted") / "model.safetensors")
    shutil.rmtree(held(folder, "parted"))
    assert held(folder, "parted").name == "step-3" and train(folder, words, "--resume") == 0
    assert checkpoint.digest(held(folder, "parted") / "model.safetensors") == whole


def test_merged_is_whole_and_says_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert own.duomo(folder, "merge", "runs/lora", "runs/whole") == 0
    shutil.copytree(folder / "runs/whole", folder / "elsewhere/whole")
    run = checkpoint.open_run(folder / "elsewhere/whole")
    assert torch.equal(logits(run.model, run), logits(opened(folder, "lora").model, run)) and run.recipe.adapt is None
    for words, told in (("runs/base runs/x", "there are no adapters to merge"), ("runs/lora runs/whole", "runs/whole exists")):
        assert own.duomo(folder, "merge", *words.split()) == 2
        assert told in capsys.readouterr().err


def test_a_base_that_was_changed_or_is_gone_is_told_in_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder, tmp_path / "all")
    there = tmp_path / "all"
    assert own.duomo(there, "ask", "runs/lora", "after 3?") == 0, "the runs were moved together"
    assert train(there, "name=base seed=1 data.cache=cache", "--fresh") == 0
    capsys.readouterr()
    told = ("runs/base was changed after the adapters were trained", "runs/base is not there; put it back")
    for line in told:
        assert own.duomo(there, "ask", "runs/lora", "after 3?") == 2
        err = capsys.readouterr().err
        assert line in err and err.count("\n") == 1
        shutil.rmtree(there / "runs/base", ignore_errors=True)


@pytest.mark.parametrize(
    "words",
    [
        "train.objective=dpo train.options.beta=0.2 train.start_from=runs/base",
        f"train.objective=dpo {LORA}",
        "train.objective=grpo train.start_from=runs/base train.rollouts.answers=2 train.rollouts.max_tokens=4 train.micro_batches=2",
        f"train.objective=grpo {LORA} train.options.kl=0.1 train.rollouts.updates=2 train.rollouts.max_tokens=4",
        "train.objective=distillation train.teacher=runs/base model.block.dim=16",
    ],
    ids=["dpo", "dpo-lora", "grpo", "grpo-lora", "distillation"],
)
def test_every_objective_trains_and_resumes_alike(folder: Path, words: str) -> None:
    words = f"name=other {words} tokenizer.path=runs/base/tokenizer.json train.steps=4 train.save_every=2 train.keep=9"
    assert train(folder, words, "--fresh") == 0
    whole = checkpoint.digest(held(folder, "other") / "model.safetensors")
    lines = [json.loads(line) for line in (folder / "runs/other/log.jsonl").read_text().splitlines()]
    assert all(("reward" in line) == ("grpo" in words) for line in lines if "loss" in line) and "valid" in lines[-1]
    if "dpo" in words:
        assert lines[0]["loss"] == pytest.approx(0.6931, abs=1e-3)
    shutil.rmtree(held(folder, "other"))
    assert train(folder, words, "--resume") == 0
    assert checkpoint.digest(held(folder, "other") / "model.safetensors") == whole
    assert opened(folder, "other").step == 4


def test_a_question_that_leaves_no_room_for_an_answer_is_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = (folder / "own.jsonl").read_text().splitlines()
    rows[::2] = [row.replace("after", "after " * 100) for row in rows[::2]]
    (folder / "long.jsonl").write_text("\n".join(rows))
    words = "train.objective=grpo train.start_from=runs/base tokenizer.path=runs/base/tokenizer.json train.rollouts.answers=2"
    files = "data.files=[{path: long.jsonl, valid_share: 0.2}]"
    assert train(folder, f"name=long {words} train.rollouts.max_tokens=4", files) == 0
    capsys.readouterr()
    for most, told in ((126, "none of a step's questions leaves room for 126 tokens"), (128, "an answer of 128 tokens leaves no room")):
        assert train(folder, f"name=full{most} {words} train.rollouts.max_tokens={most}", files) == 2
        assert told in capsys.readouterr().err and (folder / f"runs/full{most}").exists() == (most == 126)


SEEN = "name=seen train.start_from=runs/looking adapt.rank=0 data.workers=0 train.steps=2 train.validate_every=2"


def test_a_frozen_sense_sees_each_item_once_and_the_loss_is_the_same(tmp_path: Path) -> None:
    for n in range(40):
        (tmp_path / "pictures" / str(n % 2)).mkdir(parents=True, exist_ok=True)
        (tmp_path / "pictures" / str(n % 2) / f"{n}.png").write_bytes(media("image", n))
    own.lay(tmp_path)
    tree = yaml.safe_load((tmp_path / "own.yaml").read_text())
    tree["data"] |= {"files": [{"path": "pictures", "question": "which?", "valid_share": 0.2}], "pack": False}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(tree | {"name": "looking"}))
    assert train(tmp_path, "train.steps=2 train.rows=1") == 0
    words, losses = f"{SEEN} train.rows=1 adapt.train=[senses.image.project]", []
    for cached in ("false", "true", "true"):
        assert train(tmp_path, f"{words} data.cache_senses={cached}", "--fresh") == 0
        losses.append([json.loads(line)["loss"] for line in (tmp_path / "runs/seen/log.jsonl").read_text().splitlines() if "loss" in line])
        files = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache/seen").rglob("*.npy")}
        assert bool(files) == (cached == "true")
        before = before if len(losses) == 3 else files  # noqa: F821
    assert losses[0] == losses[1] == losses[2] and before == files, "read again, not made again"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("train.objective=dop", "no objective 'dop'; did you mean 'dpo'"),
        ("train.objective=dpo", "objective dpo compares with another model; name it in train.start_from"),
        ("train.objective=distillation", "objective distillation compares with another model; name it in train.teacher"),
        ("train.objective=dpo train.start_from=runs/base train.options.bta=1", "objective dpo has no option 'bta'; did you mean 'beta'"),
        ("train.objective=distillation train.teacher=runs/base model.vocab_size=310", "has another shape or vocab_size than model"),
        ("data.cache_senses=true", "data.cache_senses: no sense is frozen but for its projector"),
        ("adapt.rank=4", "adapt trains on top of other weights; name their run in train.start_from"),
        ("train.start_from=runs/base model.block.dim=16", "runs/base: there block.dim is 32, here 16; make them the same"),
        (f"{LORA} model.block.theta=100", "runs/base: there block.theta is 10000.0, here 100.0"),
        (f"{LORA} model.decoder_depth=3", "runs/base: there decoder_depth is 1, here 3"),
        ("train.start_from=runs/bose", "runs/bose: no such model; did you mean 'runs/base'"),
    ],
)
def test_what_can_not_be_is_told_in_one_line_and_nothing_is_written(
    folder: Path, words: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(folder, f"name=never {words}") == 2
    err = capsys.readouterr().err
    assert told in err and err.strip().splitlines()[-1].startswith("error: ") and not (folder / "runs/never").exists()


def test_adapters_leave_and_come_back_as_peft_keeps_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(folder, f"name=pure {LORA}") == 0
    assert own.duomo(folder, "export", "runs/pure", "out", "--to", "peft") == 0
    assert {path.name for path in (folder / "out").iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    assert own.duomo(folder, "import", "out", "back", "--base", "runs/base") == 0
    back, run = checkpoint.open_run(folder / "cache/models/back"), opened(folder, "pure")
    assert torch.equal(logits(back.model, back), logits(run.model, run))
    for words, told in (
        ("export runs/lora there --to peft", "trained tokens too, which is no adapter"),
        ("export runs/base there --to peft", "holds no adapters; export it whole"),
        ("import out other", "name it, as in --base"),
    ):
        capsys.readouterr()
        assert own.duomo(folder, *words.split()) == 2
        assert told in capsys.readouterr().err and not (folder / "there").exists() and not (folder / "cache/models/other").exists()


EYES = "model.senses.image={channels: [8, 16], strides: [[4, 4], [4, 4]], block: {dim: 16, heads: 2, position: none}, START}"


def test_a_sense_comes_from_another_model_and_all_but_its_projector_stays(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder, tmp_path / "all")
    there = tmp_path / "all"
    for n in range(20):
        (there / "pictures" / str(n % 2)).mkdir(parents=True, exist_ok=True)
        (there / "pictures" / str(n % 2) / f"{n}.png").write_bytes(media("image", n))
    shown = "data.files=[{path: pictures, question: which, valid_share: 0.2}]"
    assert train(there, "name=eyes train.steps=2", EYES.replace("START", ""), shown, "model.block.dim=16") == 0
    started, words = EYES.replace("START", "start_from: runs/eyes, frozen: true"), "name=seeing train.steps=4 adapt.rank=0"
    base = "train.start_from=runs/base tokenizer.path=runs/base/tokenizer.json adapt.train=[senses.image.project] data.cache_senses=true"
    assert train(there, f"{words} {base}", started, shown) == 0
    eyes, seeing, alone = (opened(there, name).model.state_dict() for name in ("eyes", "seeing", "base"))
    kept = [name for name in eyes if name.startswith("senses.image.") and ".project." not in name]
    assert kept and all(torch.equal(eyes[name], seeing[name]) for name in kept)
    assert all(torch.equal(tensor, seeing[name]) for name, tensor in alone.items())
    capsys.readouterr()
    for key, value, told in (
        ("norm", "true", "start_from: runs/eyes: there norm is False, here True; make them the same"),
        ("start_from", "runs/base", "start_from: runs/base: has no sense 'image'; it has: none"),
    ):
        assert train(there, f"name=never {base} adapt.rank=0", started, shown, f"model.senses.image.{key}={value}") == 2
        assert told in capsys.readouterr().err and not (there / "runs/never").exists()


def test_adapters_of_any_name_come_back_and_merged_keep_the_card_of_their_base(folder: Path) -> None:
    assert train(folder, f"name=named {LORA}") == 0
    assert own.duomo(folder, "export", "runs/named", "named", "--to", "peft") == 0
    card = json.dumps({"title": "A base", "licence": "MIT", "languages": ["en"], "pooling": "first", "prefixes": {"query": "q: "}})
    shutil.copytree(folder / "runs/base", folder / "runs/carded")
    (folder / "runs/carded/card.json").write_text(card)
    for name, plain in (("my adapters", "my-adapters"), ("模型", "model"), ("_a", "a")):
        assert own.duomo(folder, "import", "named", name, "--base", "runs/carded") == 0
        assert checkpoint.open_run(folder / "cache/models" / name).recipe.name == plain
    assert own.duomo(folder, "merge", "cache/models/_a", "runs/merged") == 0
    assert (folder / "runs/merged/card.json").read_text() == card
