import hashlib
from pathlib import Path

import pytest

from duomo import recipe as recipes
from duomo.commands import data, lineage, prepare, ready
from duomo.data.read_test import picture, write
from duomo.sample import Part, ask, to_json

RECIPE = """
name: mine
model:
  decoder_depth: 1
  vocab_size: 400
  block: {dim: 32, heads: 2}
  senses: {image: {block: {dim: 32, heads: 2, position: none}}}
data:
  cache: CACHE
  files:
    - {path: FOLDER/pairs.csv, licence: MIT}
    - {path: FOLDER/photos, question: "what?", weight: 2, valid_share: 0.2}
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    write(tmp_path / "in/pairs.csv", "question,answer", *(f"what is {i}?,it is {i * i}" for i in range(200)), "broken")
    for i in range(40):
        picture(tmp_path / f"in/photos/{'dark' if i < 20 else 'light'}/{i}.png", 6 * i)
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE.replace("CACHE", str(tmp_path / "cache")).replace("FOLDER", str(tmp_path / "in")))
    return path


def tree(folder: Path) -> str:
    content = [(p.relative_to(folder).as_posix(), p.read_bytes() if p.is_file() else b"") for p in sorted(folder.rglob("*"))]
    return hashlib.sha256(repr(content).encode()).hexdigest()


def test_the_users_own_files_are_prepared_once(mine):
    found, shares = prepare.prepared(recipes.load(mine), 1)
    assert shares == {"pairs": 1.0, "photos": 2.0}
    assert [one.name for one in found.lineage] == ["pairs", "photos"]
    pairs, photos = found.lineage
    assert (pairs.read, pairs.quarantined, photos.read) == (200, 1, 40)
    assert all(found.path(name, split).is_file() for name in shares for split in ("train", "valid", "test"))
    before = tree(mine.parent)
    assert prepare.prepared(recipes.load(mine), 1)[0] == found and tree(mine.parent) == before
    report = ready.run(recipes.load(mine), 1)
    assert "1 quarantined" in report.lines[0] and report.facts["licences"] == ["MIT", "not stated"]
    shown = "\n".join(lineage.run(found.folder).lines)
    assert "pairs.csv" in shown and "MIT" in shown
    follower = mine.parent / "follower"
    follower.mkdir()
    (follower / "lineage.json").write_text((found.folder / "lineage.json").read_text().replace("pairs", "doubles"))
    recipes.save(recipes.load(mine, [f"train.start_from={found.folder}"]), follower / "recipe.json")
    shown = "\n".join(lineage.run(follower).lines)
    assert "pairs.csv" in shown and "doubles.csv" in shown, "what the run learned from whose weights it took"


@pytest.mark.parametrize(
    "override, reason",
    [
        ("data.files=[{path: none.csv}]", "none.csv: no such file"),
        ("data.files=[{path: PAIRS, question: q}]", "no column 'q'; the columns are: question, answer"),
        ("data.files=[{path: EMPTY}]", "an empty data set"),
        ("data.files=[]", "no data; name tasks"),
        ("data.tasks={sentimnt: 1}", "did you mean 'sentiment'"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(mine, override, reason):
    (mine.parent / "in/empty.jsonl").write_text("")
    before = tree(mine.parent)
    override = override.replace("PAIRS", str(mine.parent / "in/pairs.csv")).replace("EMPTY", str(mine.parent / "in/empty.jsonl"))
    with pytest.raises(ValueError, match=reason) as error:
        ready.run(recipes.load(mine, [override]), 1)
    assert "\n" not in str(error.value) and tree(mine.parent) == before


def test_check_lists_faults_and_describes_what_is_sound(tmp_path):
    path = write(tmp_path / "a.csv", "q,a", "1,2", "3", ",4")
    with pytest.raises(ValueError) as error:
        data.check(path, ["question=q", "answer=a"])
    assert str(error.value).splitlines() == [
        f"{path}:3: 1 fields where the header has 2; quote fields that hold ','",
        f"{path}:4: column 'q' is empty",
        f"{path}: 2 faults; 1 good records",
    ]
    with pytest.raises(ValueError) as error:
        data.check(tmp_path / "nowhere.csv")
    assert str(error.value) == f"{tmp_path}/nowhere.csv: no such file or folder"
    path = write(tmp_path / "b.csv", "question,answer", "1,2")
    assert data.check(path).lines[0] == f"{path}: no fault"
    with pytest.raises(ValueError, match="unknown key 'qestion'"):
        data.check(path, ["qestion=q"])


def test_show_a_recipe_with_its_pictures(mine):
    shown = "\n".join(data.show(recipes.load(mine), 2, workers=1).lines)
    assert "pairs 2: " in shown and "photos 1: " in shown and "▀" in shown and "learned" in shown


def test_show_a_data_set_without_a_recipe(tmp_path):
    picture(tmp_path / "a.png")
    texts = [to_json(ask(f"the question number {i} of many", answer=f"其答案是{i}")) for i in range(300)]
    path = write(tmp_path / "a.jsonl", to_json(ask(Part("image", "a.png"), "what?", answer="black")), *texts)
    shown = "\n".join(data.show_file(path, (), 2).lines)
    assert "a.jsonl 1: " in shown and "▀" in shown
