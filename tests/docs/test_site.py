"""`make docs` makes a whole site: each link leads somewhere, search works from a file, nothing is fetched."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from tests.clients.browser import find_chromium, read_document
from tests.servers.missing import skip_or_fail
from tests.servers.programs import ServerMissingError

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "docs" / "site" / "build.py"

SEARCH = """<script>
// As a reader does: a click on Search, a word, and a look at what is listed, once something is.
const field = (root) => [...root.querySelectorAll("*")].map((each) =>
  each.shadowRoot ? field(each.shadowRoot) : each.matches("input:not([type=checkbox]):not([type=radio])") ? each : null
).find((each) => each);
addEventListener("load", () => {
  document.querySelector(".md-search__button").click();
  const waiting = setInterval(() => {
    const input = field(document);
    if (!input) return;
    if (!input.value) {
      input.value = "clear_password";
      input.dispatchEvent(new InputEvent("input", {bubbles: true, composed: true}));
    }
    const listed = [...input.getRootNode().querySelectorAll("a[href]")].map((each) => each.getAttribute("href"));
    if (!listed.length) return;
    clearInterval(waiting);
    document.body.insertAdjacentHTML("beforeend", `<pre id="found">${listed.join("\\n")}</pre>`);
  }, 100);
});
</script>"""


def build(root: Path, into: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "docs" / "site" / "build.py"), str(into)]
    environ = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environ)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("docs") / "site"
    done = build(ROOT, into)
    assert done.returncode == 0, done.stdout + done.stderr
    return into


class Page(HTMLParser):
    """What a page refers to: what it loads, what it links to, and which places it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.places |= {found.get("id", ""), found.get("name", "")} - {""}
        if tag == "a":
            self.links.append(found.get("href", ""))
        elif tag in ("link", "script", "img", "iframe", "source", "object"):
            is_hint = found.get("rel") in ("canonical", "prev", "next")
            self.loads += [found[name] for name in ("src", "href", "data") if name in found and not is_hint]


def pages_of(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text("utf-8")) for path in site.rglob("*.html") if path.name != "404.html"}


def test_every_link_and_every_place_on_a_page_is_there(site: Path) -> None:
    pages = pages_of(site)
    assert len(pages) > 30
    lost = []
    for path, page in pages.items():
        for link in page.links + page.loads:
            to, place = urldefrag(link)
            if not link or re.match(r"[a-z]+:", to):
                continue
            there = (path.parent / unquote(to)).resolve() if to else path
            there = there / "index.html" if there.is_dir() else there
            if not there.exists() or (place and there in pages and unquote(place) not in pages[there].places):
                lost.append(f"{path.relative_to(site)}: {link}")
    assert lost == []


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    elsewhere = [load for page in pages_of(site).values() for load in page.loads if re.match(r"(?:[a-z]+:)?//", load)]
    assert elsewhere == []
    styles = "".join(path.read_text("utf-8") for path in site.rglob("*.css"))
    assert re.findall(r"(?:@import|url\()\s*['\"]?(?:https?:)?//[^)]*", styles) == []


def test_each_page_of_the_documents_is_in_the_navigation(site: Path) -> None:
    pages = pages_of(site)
    home = site / "index.html"
    reached = {(home.parent / unquote(urldefrag(link)[0])).resolve() for link in pages[home].links if ":" not in link}
    assert {path for path in pages if path.resolve() not in reached} - {home} == set()


def test_the_index_of_errors_has_what_a_user_sees_by_exit_code(site: Path) -> None:
    text = (site / "docs" / "errors.html").read_text("utf-8")
    refused, integrity = text.index('id="10-'), text.index('id="40-')
    assert refused < text.index("is a floating-point number") < integrity
    assert text.count("<tr>") > 250


def test_a_search_finds_a_word_of_a_page_that_was_opened_from_a_file(site: Path) -> None:
    try:
        find_chromium()
    except ServerMissingError as error:
        skip_or_fail(error)
    probe = site / "probe.html"
    probe.write_text((site / "index.html").read_text("utf-8").replace("</body>", f"{SEARCH}</body>"), "utf-8")
    shown = read_document(probe.as_uri(), width=1280, virtual_seconds=120)
    probe.unlink()
    found = shown.rsplit('<pre id="found">', 1)[1].split("</pre>")[0]
    assert "/docs/connect.html" in found
    assert "/docs/gentle.html" not in found


def test_a_broken_link_ends_the_build(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for path in ("docs/site", "docs/howto", "docs/decisions", "pipelines", "jobs_emulator"):
        for file in (ROOT / path).glob("*.*"):
            (copy / path).mkdir(parents=True, exist_ok=True)
            (copy / path / file.name).write_bytes(file.read_bytes())
    for file in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.*")):
        (copy / file.relative_to(ROOT)).write_bytes(file.read_bytes())
    with (copy / "docs" / "gentle.md").open("a") as page:
        page.write("\nSee [what is not there](not_there.md).\n")
    done = build(copy, tmp_path / "broken")
    assert done.returncode == 1
    assert "1 issue found" in done.stdout + done.stderr
    assert not (tmp_path / "broken").exists()
