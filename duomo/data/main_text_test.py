import pytest

from duomo.data.main_text import main_lines, main_text
from duomo.data.markup import read_page

ENGLISH = "The pool opens at nine in the morning and closes at six, except on Sundays, when it stays open until eight in the evening."
CHINESE = "游泳池早上九点开门，晚上六点关门；星期天例外，一直开到晚上八点。孩子们可以免费入场，但是必须有大人陪同。"
LINKS = "".join(f'<li><a href="/{n}">Read more about our offer of week {n}</a></li>' for n in range(9))


def text(page: str) -> str:
    return main_text(read_page(page))


@pytest.mark.parametrize("told", [ENGLISH, CHINESE])
def test_menus_lists_of_links_and_footers_are_left_out_with_and_without_tags_that_say_so(told):
    bare = f"<div><a href=/>Home</a> | <a href=/s>Shop</a></div><ul>{LINKS}</ul><p>{told}</p><p>{told}</p><ul>{LINKS}</ul><div>© 2024</div>"
    said = f"<header>{told}</header><nav>{told}</nav><main><p>{told}</p><p>{told}</p></main><aside>{told}</aside><footer>{told}</footer>"
    assert text(bare) == text(said) == f"{told}\n\n{told}"


def test_headings_stay_over_text_and_go_with_links():
    page = f"<h1>Pool</h1><h2>Hours</h2><p>{ENGLISH}</p><h2>Prices</h2><h3>Children</h3><p>{CHINESE}</p><h2>Offers</h2><ul>{LINKS}</ul>"
    assert text(page) == f"Pool\n\nHours\n\n{ENGLISH}\n\nPrices\n\nChildren\n\n{CHINESE}"


def test_what_is_short_between_two_texts_stays():
    page = f"<p>{ENGLISH}</p><ul><li>towel<li>cap<li>soap</ul><p>{ENGLISH}</p>"
    assert text(page) == f"{ENGLISH}\n\ntowel\n\ncap\n\nsoap\n\n{ENGLISH}"
    assert "offer" not in text(page.replace("<ul>", f"<ul>{LINKS}"))


def test_an_article_is_all_that_counts_where_it_holds_a_quarter_of_the_words():
    other = f"<div><p>{ENGLISH}</p></div>"
    assert text(f"{other}<article><p>{CHINESE}</p></article>{other}") == CHINESE
    assert text(f"{other}<article></article>{other}") == f"{ENGLISH}\n\n{ENGLISH}"


@pytest.mark.parametrize("page", ["", "<p>", LINKS, "<h1>Only a title</h1>", "<script>var text = 'a long text';</script>", "<p>Loading…"])
def test_a_page_without_a_text_gives_none(page):
    assert text(page) == ""


def test_lines_are_kept_that_are_sentences():
    lines = ["Home", "Read more.", ENGLISH, "Copyright by all of the people of the pool", f"“{ENGLISH}”", "欢迎光临。", CHINESE, " ", "…"]
    assert main_lines("\n".join(lines)) == f"{ENGLISH}\n“{ENGLISH}”\n{CHINESE}"
