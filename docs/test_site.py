"""The built documentation, opened in Chromium: ``make docs-test`` runs this after ``make docs``.

The whole site is walked along its links from the landing page, once; then each test looks at one
kind of fault. The last tests show on a small page of their own that faults are found.
"""

import functools
import os
import re
import shutil
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

import pytest
from playwright.sync_api import sync_playwright

BUILT = Path(__file__).parent / "_build" / "html"

#: Whichever of these is installed; without any, the browser that `playwright install` brings.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

#: Pages to which the theme's own buttons lead, not links.
BY_BUTTON = {"search.html"}

#: No page leads Chromium out of this machine.
ARGUMENTS = ["--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]

#: What is asked of a page once its formulas are set and its pictures decoded.
LOOK = """async () => {
    if (window.MathJax?.startup?.promise) await MathJax.startup.promise;
    const decoded = async image => {
        image.loading = "eager";
        try { await image.decode(); } catch { return image.src; }
    };
    const broken = await Promise.all([...document.images].map(decoded));
    const unset = element =>
        !element.querySelector("mjx-container") || element.querySelector("mjx-merror, merror");
    const formulas = [...document.querySelectorAll(".math")];
    const links = [...document.querySelectorAll("a[href]")].map(link => link.getAttribute("href"));
    return {
        pictures: document.images.length,
        broken_pictures: broken.filter(Boolean),
        formulas: formulas.length,
        broken_formulas: formulas.filter(unset).map(element => element.textContent),
        links: links.map(link => new URL(link, document.baseURI).href),
        outputs: [...document.querySelectorAll(".sphx-glr-script-out")].map(e => e.textContent),
        anchors: [...document.querySelectorAll("[id]")].map(element => element.id),
        overflow: document.documentElement.scrollWidth - window.innerWidth,
    };
}"""


@dataclass
class SiteReport:
    """What was seen of a site, by the address of the page relative to its root."""

    root: str
    pages: dict = field(default_factory=dict)
    faults: list = field(default_factory=list)

    def each(self, what):
        """Return what was seen of that kind on any page, with the page's name."""
        return [(name, item) for name, page in self.pages.items() for item in page[what]]


class Quiet(SimpleHTTPRequestHandler):
    """Serves files over connections that stay open, and prints nothing."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def browser():
    # Chromium refuses to sandbox what root runs, as in containers.
    arguments = ARGUMENTS if os.geteuid() else [*ARGUMENTS, "--no-sandbox"]
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def serve():
    """Return a function that serves a folder and returns its address."""
    servers = []

    def start(folder):
        handler = functools.partial(Quiet, directory=folder)
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def site(serve):
    assert (BUILT / "index.html").exists(), "There is no site to look at: run make docs first."
    return serve(BUILT)


@pytest.fixture
def page(browser, site):
    """Return the landing page in a window of a desktop's width."""
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    page.goto(site)
    yield page
    page.close()


def walk(browser, root, width=1300):
    """Open every page that links lead to from the landing page, and return what was seen."""
    seen = SiteReport(root)
    page = browser.new_page(viewport={"width": width, "height": 900})

    def note(kind, what):
        seen.faults.append(f"{page.url.removeprefix(root)}: {kind}: {what}")

    def asked(request):  # readers may be offline: a site brings all that it shows
        if not request.url.startswith((root, "data:", "blob:")):
            note("from elsewhere", request.url)

    def answered(response):
        if response.status >= 400:
            note(response.status, response.url)

    page.on("request", asked)
    page.on("console", lambda line: line.type == "error" and note("console", line.text))
    page.on("pageerror", lambda error: note("script", error))
    page.on("response", answered)

    ahead, known = deque(["index.html"]), {"index.html"}
    while ahead:
        name = ahead.popleft()
        page.goto(root + name)
        seen.pages[name] = looks = page.evaluate(LOOK)
        for link in inner(looks["links"], root):
            target = urldefrag(link).url
            if target.endswith(".html") and target not in known | BY_BUTTON:
                known.add(target)
                ahead.append(target)
    page.close()
    return seen


def inner(links, root):
    """Return the links that stay on the site, relative to its root."""
    names = [link.removeprefix(root) for link in links if link.startswith(root)]
    return [name if urlsplit(name).path else f"index.html{name}" for name in names]


def dead_links(browser, seen):
    """Return the links that lead to no file, or to no place on their page."""
    api = browser.new_context().request
    status = functools.cache(lambda name: api.get(seen.root + name).status)
    dead = set()
    for name, page in seen.pages.items():
        for link in inner(page["links"], seen.root):
            target, anchor = urldefrag(link)
            if target in seen.pages:
                there = not anchor or anchor in seen.pages[target]["anchors"]
            else:
                there = status(target) == 200
            dead |= set() if there else {f"{name}: {link}"}
    return sorted(dead)


@pytest.fixture(scope="session")
def seen(browser, site):
    return walk(browser, site)


def test_every_page_can_be_reached(seen):
    built = {str(path.relative_to(BUILT)) for path in BUILT.rglob("*.html")}
    built = {name for name in built if not name.startswith("_static/")}
    assert built - set(seen.pages) - BY_BUTTON == set()
    assert len(seen.pages) > 50


def test_no_page_reports_an_error_or_needs_another_site(seen):
    assert seen.faults == []


def test_every_picture_is_shown(seen):
    assert seen.each("broken_pictures") == []
    assert seen.pages["index.html"]["pictures"] >= 1
    assert sum(page["pictures"] for page in seen.pages.values()) > 20


def artists_in_outputs(seen):
    """Return the outputs of gallery scripts that show artists of matplotlib as text."""
    artist = re.compile(r"\bText\(|\bLine2D\(|<matplotlib\.|<BarContainer")
    return [output for output in seen.each("outputs") if artist.search(output[1])]


def test_no_output_of_the_gallery_lists_artists(seen):
    assert artists_in_outputs(seen) == []
    assert seen.each("outputs")


def test_every_formula_is_set(seen):
    assert seen.each("broken_formulas") == []
    assert sum(page["formulas"] for page in seen.pages.values()) > 50


def test_every_link_leads_somewhere(browser, seen):
    assert dead_links(browser, seen) == []


def test_no_page_is_wider_than_its_window(seen):
    assert [name for name, page in seen.pages.items() if page["overflow"] > 0] == []


PAGES_ON_A_TELEPHONE = [
    "index.html",
    "choosing.html",
    "benchmarks.html",
    "api.html",
    "auto_examples/index.html",
    "auto_examples/plot_animation.html",
    "auto_examples/plot_lecture.html",
]


def test_pages_fit_a_telephone(browser, site):
    """Wide tables, code and formulas scroll by themselves; the page does not."""
    seen = walk_some(browser, site, PAGES_ON_A_TELEPHONE)
    assert {name: page["overflow"] for name, page in seen.items() if page["overflow"] > 0} == {}


def walk_some(browser, root, names, width=390):
    """Return what is seen of a few pages in a narrow window."""
    page = browser.new_page(viewport={"width": width, "height": 800})
    seen = {}
    for name in names:
        page.goto(root + name)
        seen[name] = page.evaluate(LOOK)
    page.close()
    return seen


def test_the_bar_at_the_top_leads_to_each_part(page, site):
    bar = "header .bd-header__inner nav .bd-navbar-elements"
    entries = page.locator(f"{bar} a.nav-link, {bar} a.dropdown-item")
    parts = [link.get_attribute("href") for link in entries.all()]
    assert len(parts) >= 9
    for k in range(len(parts)):
        link = entries.nth(k)
        if not link.is_visible():
            page.locator(f"{bar} .dropdown-toggle").click()
        name = link.inner_text().strip()
        link.click()
        page.wait_for_load_state()
        assert page.locator("h1").first.inner_text().startswith(name[:6]), name
    page.locator("header .navbar-brand").first.click()
    page.wait_for_load_state()
    assert page.url in (site, site + "index.html")


def test_the_side_leads_through_the_guide(page):
    page.locator("header a.nav-link", has_text="User guide").first.click()
    entries = page.locator(".bd-sidebar-primary nav.bd-links a")
    entries.first.wait_for()
    assert entries.count() >= 8
    for k in range(entries.count()):
        name = entries.nth(k).inner_text()
        entries.nth(k).click()
        page.wait_for_load_state()
        assert page.locator("h1").inner_text().rstrip("#") == name


def test_a_telephone_has_the_same_parts_behind_a_button(browser, site):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(site)
    page.locator("button.primary-toggle").click()
    page.locator("#pst-primary-sidebar-modal a.nav-link", has_text="Choosing").click()
    page.wait_for_load_state()
    assert page.locator("h1").inner_text().startswith("Choosing")
    page.close()


def test_search_finds_a_class(page):
    page.locator("button.search-button").first.click()
    page.locator("#pst-search-dialog input[type=search]").fill("MiniBatchGDRegressor")
    page.keyboard.press("Enter")
    page.locator("#search-results li a", has_text="MiniBatchGDRegressor").first.wait_for()


FAULTY = """<!doctype html><html><head><link rel="icon" href="data:,">
<script src="{mathjax}"></script></head><body>
<p id="here">{body}</p></body></html>"""


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<a href='#here'>fine</a> <span class='math'>\\(x^2\\)</span>", None),
        ("<img src='gone.png'>", "picture"),
        ("<img src='page.css'>", "picture"),
        ("<span class='math'>\\(\\frac{1}\\)</span>", "formula"),
        ("<span class='math'>x^2, and nobody set it</span>", "formula"),
        ("<a href='gone.html#x'>gone</a>", "link"),
        ("<a href='#elsewhere'>no such place</a>", "link"),
        ("<a href='gone.py'>no such file</a>", "link"),
        ("<div class='sphx-glr-script-out'>[Text(0.5, 0, 'x')]</div>", "artist"),
        ("<script>console.error('oh')</script>", "report"),
        ("<script>undefined.oh</script>", "report"),
        ("<script src='https://example.org/lib.js'></script>", "report"),
    ],
)
def test_faults_are_found(body, fault, tmp_path, browser, serve):
    (tmp_path / "page.css").write_text("p {}")
    mathjax = next(BUILT.glob("_static/**/tex-*.js")).relative_to(BUILT)
    (tmp_path / "_static").symlink_to(BUILT / "_static")
    page = FAULTY.replace("{mathjax}", str(mathjax)).replace("{body}", body)
    (tmp_path / "index.html").write_text(page)
    seen = walk(browser, serve(tmp_path))
    found = {
        "picture": seen.each("broken_pictures"),
        "formula": seen.each("broken_formulas"),
        "link": dead_links(browser, seen),
        "artist": artists_in_outputs(seen),
        "report": seen.faults,
    }
    assert bool(found[fault] if fault else any(found.values())) is (fault is not None)
