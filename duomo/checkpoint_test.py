import json
import resource
from contextlib import contextmanager

import pytest
import torch

from duomo import checkpoint, recipe
from duomo.checkpoint import keep_newest, latest, load_model, open_run, resume, save, verify, weights_digest
from duomo.data.collate import collate
from duomo.objectives import cross_entropy
from duomo.recipe import Recipe, TrainRecipe
from duomo.train.loop import loop
from duomo.train.optimizer import optimizer
from tests.small import mixed, model, model_recipe, tokenizer


def trained(kind="muon"):
    m = model(model_recipe()).train()
    made = optimizer(m, TrainRecipe(optimizer=kind, lr=1e-3))
    batch = collate([[item] for item in mixed(count=3)], "decoder")
    list(loop(m, [[batch]] * 2, cross_entropy, made, lambda step: 0.5))
    return m, made


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    m, made = trained()
    return save(tmp_path_factory.mktemp("run") / "checkpoints" / "step-2", m, made, {"step": 2, "tokens": 123}), m, made


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_what_is_saved_is_restored_bit_for_bit(tmp_path, kind):
    m, made = trained(kind)
    folder, drawn = save(tmp_path / "step-2", m, made, {"step": 2}), torch.rand(3)
    other = model(model_recipe(), seed=9).train()
    fresh = optimizer(other, TrainRecipe(optimizer=kind, lr=1e-3))
    assert weights_digest(other) != weights_digest(m)
    assert resume(folder, other, fresh) == {"step": 2}
    assert torch.equal(torch.rand(3), drawn), "torch's generator goes on where it was"
    assert weights_digest(other) == weights_digest(m)
    before, after = made.state_dict(), fresh.state_dict()
    assert [{k: v for k, v in g.items() if k != "betas"} for g in after["param_groups"]] == [
        {k: v for k, v in g.items() if k != "betas"} for g in before["param_groups"]
    ]
    for number, entry in before["state"].items():
        assert all(torch.equal(value, after["state"][number][key]) for key, value in entry.items())


def test_a_checkpoint_is_safetensors_and_json_with_a_manifest(saved):
    folder, *_ = saved
    names = {path.name for path in folder.iterdir()}
    assert names == {"model.safetensors", "optimizer.safetensors", "optimizer.json", "state.json", "manifest.json"}
    manifest = verify(folder)
    assert set(manifest["files"]) == names - {"manifest.json"}
    assert manifest["torch"] == torch.__version__ and manifest["threads"] == torch.get_num_threads() and manifest["world_size"] == 1


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "optimizer.json", "state.json", "manifest.json"])
def test_one_flipped_byte_in_any_file_is_refused(saved, name):
    folder, m, made = saved
    path, good = folder / name, (folder / name).read_bytes()
    step = 1 if name == "manifest.json" else max(1, len(good) // 5)
    try:
        for place in range(0, len(good), step):
            path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
            with pytest.raises(ValueError, match="checkpoint"):
                verify(folder)
        with pytest.raises(ValueError, match="use an earlier checkpoint"):
            resume(folder, m, made)
    finally:
        path.write_bytes(good)
    verify(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "state.json", "manifest.json"])
def test_a_missing_or_cut_file_is_refused(saved, name):
    folder, *_ = saved
    path, good = folder / name, (folder / name).read_bytes()
    try:
        path.write_bytes(good[:-1])
        with pytest.raises(ValueError, match="use an earlier checkpoint"):
            verify(folder)
        path.unlink()
        with pytest.raises(ValueError, match="use an earlier checkpoint"):
            verify(folder)
    finally:
        path.write_bytes(good)


def test_a_manifest_can_not_name_files_elsewhere(saved, tmp_path):
    (tmp_path / "manifest.json").write_text(checkpoint._sealed({"files": {"../x": "0"}}))
    with pytest.raises(ValueError, match="missing"):
        verify(tmp_path)


def test_weights_of_another_shape_are_refused_in_one_line(saved):
    folder, *_ = saved
    with pytest.raises(ValueError, match="does not fit the recipe") as fault:
        load_model(folder, model(model_recipe(depth=3)))
    assert "\n" not in str(fault.value)


def test_a_checkpoint_without_optimizer_can_be_loaded_and_not_resumed(tmp_path):
    m = model(model_recipe())
    folder = save(tmp_path / "step-1", m, None, {})
    load_model(folder, m)
    with pytest.raises(ValueError, match="holds no optimizer to resume with"):
        resume(folder, m, optimizer(m, TrainRecipe()))


@contextmanager
def small_disk(size):
    """No file may grow past `size` bytes: writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [1_000, 100_000])
def test_a_full_disk_leaves_nothing_and_harms_nothing(saved, tmp_path, size):
    _, m, made = saved
    old = save(tmp_path / "step-1", m, None, {"step": 1})
    before = tree(tmp_path)
    for target in (tmp_path / "step-2", old):
        with small_disk(size), pytest.raises(OSError, match="large|space"):
            save(target, m, made, {"step": 2})
        assert tree(tmp_path) == before and [path.name for path in tmp_path.iterdir()] == ["step-1"]


def test_the_newest_is_of_the_most_steps_and_the_rest_goes(tmp_path):
    assert latest(tmp_path) is None
    for step in (9, 100, 20):
        (tmp_path / "checkpoints" / f"step-{step}").mkdir(parents=True)
    (tmp_path / "checkpoints" / ".step-200.1.writing").mkdir()
    (tmp_path / "checkpoints" / "step-x").mkdir()
    assert latest(tmp_path).name == "step-100"
    keep_newest(tmp_path, 2)
    assert {path.name for path in (tmp_path / "checkpoints").glob("step-*")} == {"step-20", "step-100", "step-x"}


def test_a_digest_sees_every_weight_and_its_name():
    m = model(model_recipe())
    first = weights_digest(m)
    with torch.no_grad():
        m.tokens.weight[-1, -1] += 1e-7
    assert weights_digest(m) != first == weights_digest(model(model_recipe()))


def test_a_run_is_opened_whole(tmp_path):
    m = model(model_recipe())
    for missing in ("not a run", "can not be read", "no checkpoint yet"):
        with pytest.raises(ValueError, match=missing):
            open_run(tmp_path)
        if missing == "not a run":
            recipe.save(Recipe(name="x", model=model_recipe()), tmp_path / "recipe.json")
        elif missing == "can not be read":
            tokenizer().save(tmp_path / "tokenizer.json")
    save(tmp_path / "checkpoints" / "step-7", m, None, {})
    run = open_run(tmp_path)
    assert run.step == 7 and not run.model.training and run.tokenizer.special == tokenizer().special
    assert weights_digest(run.model) == weights_digest(m)


def test_no_state_is_lost_on_its_way_through_json(saved):
    folder, _, made = saved
    groups = json.loads((folder / "optimizer.json").read_text())["groups"]
    assert [group["lr"] for group in groups] == [group["lr"] for group in made.param_groups]
    assert all(group["full_lr"] == 2 * group["lr"] for group in groups)


def test_an_id_that_only_the_model_has_is_as_likely_as_ids_are_on_the_average():
    m = model(model_recipe())
    held = {name: tensor - 5.0 if name == "tokens.weight" else tensor for name, tensor in m.state_dict().items()}
    longer = model(model_recipe().model_copy(update={"vocab_size": 403}))
    found = checkpoint.wider(held, longer)["tokens.weight"]
    assert torch.equal(found[:400], held["tokens.weight"]) and torch.allclose(found[400:], held["tokens.weight"].mean(0).expand(3, -1))
    hidden = torch.ones(found.shape[1])
    assert (found @ hidden)[400:].max() < (found @ hidden)[:400].max()
