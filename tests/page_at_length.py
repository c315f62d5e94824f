"""The page at every width, in every language and light, tab by tab, with a picture of each in page/: `make page`. Not in `make test`."""

from pathlib import Path

import pytest

from duomo.page import TABS
from tests.paged import CHROMIUM, browser, nameless, opened
from tests.test_page import files, served  # noqa: F401  fixtures

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}; apt-get install chromium")
PICTURES = Path(__file__).parents[1] / "page"


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_tab_fits_and_every_control_has_a_name(served, width, scheme, language):  # noqa: F811
    place = ("en", "zh").index(language)
    PICTURES.mkdir(exist_ok=True)
    with browser() as chromium, opened(chromium, served[0], f"/?lang={language}", width, color_scheme=scheme) as (page, seen):
        for tab in (one for one in TABS if not one.wants):
            show(page, tab.title[place])
            page.wait_for_timeout(1000)
            assert page.evaluate("document.scrollingElement.scrollWidth") <= width, tab.name
            assert not nameless(page), tab.name
            page.screenshot(path=PICTURES / f"{tab.name}-{language}-{scheme}-{width}.png", full_page=True)
        assert (seen.faults, seen.outside, seen.refused) == ([], [], [])


def show(page, title):
    """Opens a tab, where there is no room for all of them behind the button with three dots."""
    tab = page.get_by_role("tab", name=title, exact=True)
    if not tab.is_visible():
        page.locator(".overflow-menu > button").click()
        tab = page.locator(".overflow-dropdown button", has_text=title)
    tab.first.click()
