import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duomo.data import markup
from duomo.data.markup import read_page

PIECES = """< <a </ <p> </p> <!-- --> <![foo[ <![CDATA[x]]> &am &amp; ' " > = <script> </script> 字 <svg> </title>""".split()


def words(page: str) -> list[str]:
    return [block.words for block in read_page(page).blocks]


def test_a_block_knows_its_links_and_where_it_stands():
    page = read_page("""<title>Pool &amp; more</title><header>Site</header><nav><a href="/">Home</a></nav>
<article><header>By Ann</header><h2>Hours</h2><p>We open <a href="x">at nine</a>.<p>关门<br>六点</article><footer>©</footer>""")
    assert page.title == "Pool & more"
    told = [(block.words, block.depth, block.linked, block.body, block.around) for block in page.blocks]
    assert told == [
        ("Site", 0, 0, False, True),
        ("Home", 0, 4, False, True),
        ("By Ann", 0, 0, True, False),
        ("Hours", 2, 0, True, False),
        ("We open at nine.", 0, 6, True, False),
        ("关门", 0, 0, True, False),
        ("六点", 0, 0, True, False),
        ("©", 0, 0, False, True),
    ]
    assert [block.line for block in page.blocks] == [1, 1, 2, 2, 2, 2, 2, 2]


@given(st.lists(st.sampled_from([*PIECES, " ", "<a "]), max_size=40).map("".join), st.integers(1, 7))
def test_chunks_change_nothing_and_nothing_fails(page, size):
    def blocks(chunk: int) -> list[tuple[str, int]]:
        parser = markup._Parser()
        for start in range(0, len(page), chunk):
            parser.feed(page[start : start + chunk])
            parser.bound()
        parser.finish()
        return [block.words for block in parser.blocks]

    assert blocks(size) == blocks(len(page) + 1)


@pytest.mark.parametrize("piece", ["<a ", "<!--", "<a b='", "<p", "<a x=", "</", "<![x[", "<svg>", "<a \"'", "&#"])
def test_open_tags_take_no_longer_than_text(piece):
    start = time.process_time()
    read_page(piece * (1_000_000 // len(piece)))
    assert time.process_time() - start < 8, "the parser's own time grows with the square of what stays open: hours"


def test_what_is_long_is_cut_and_the_rest_is_read():
    picture = f'<p>before<img src="data:image/png;base64,{"iVBOR/" * 200_000}">after'
    script = f"<p>one<script>{'if (a < b) x();' * 50_000}</script>two"
    assert words(picture) == ["beforeafter"]
    assert words(script) == ["onetwo"]
    assert words("<p>AT&T") == ["AT&T"] and words("<p>a < b and <b>c</b> <b") == ["a < b and c"]
