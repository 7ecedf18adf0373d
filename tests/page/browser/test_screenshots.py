"""The pictures of the page in docs/: `make screenshots` takes them, of prices that the sandbox invents."""

import os
from pathlib import Path

import pytest

FOLDER = os.environ.get("SCREENSHOTS", "")
PAGES = {
    "overview": "/?sort=price&order=desc",
    "symbol": "/s/IBM?range=1y&mode=split",
    "compare": "/s/IBM?range=1y&mode=total&vs=MSFT,TSCO.LON",
    "operations": "/operations",
}
SCREEN = {"viewport": {"width": 1280, "height": 1000}}
LIGHT, DARK = SCREEN | {"color_scheme": "light"}, SCREEN | {"color_scheme": "dark"}
PHONE = LIGHT | {"viewport": {"width": 390, "height": 844}}

pytestmark = pytest.mark.skipif(not FOLDER, reason="make screenshots takes the pictures")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("context", [LIGHT, DARK, PHONE], indirect=True, ids=["light", "dark", "phone"])
def test_take_the_pictures(tab, name, used_quota, request):
    """Each page is drawn in both themes and on a phone."""
    page = tab.open(PAGES[name])
    page.wait_for_load_state("networkidle")
    theme = request.node.callspec.id.split("-")[0]
    picture = Path(FOLDER) / f"{name}-{theme}.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    assert page.screenshot(path=picture)
