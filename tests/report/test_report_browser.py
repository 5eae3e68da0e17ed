"""The report in Chromium: it renders, logs nothing, asks for nothing, fits a phone, and needs no scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seamount.compiler.report.gather import gather
from seamount.workflows.report import rendered
from tests.browser import Page, browser
from tests.program_samples import small_program
from tests.report.test_report import hostile_report, priced_report, run_of


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(rendered(gather(run_of(small_program())), "html"), encoding="utf-8")
    return path


def is_quiet(page: Page, file: Path) -> bool:
    """Whether nothing but the file was loaded, and nothing was logged, since it was opened."""
    assert set(page.requests) == {file.resolve().as_uri()} and page.logged == []
    return True


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_renders(page: Page, file: Path, width: int, dark: bool) -> None:
    page.requests.clear()
    page.open(file, width=width, dark=dark)
    assert page.value("document.title") == "small: Seamount report"
    assert page.value("document.querySelector('h1').getBoundingClientRect().height") > 20
    charts = page.value(
        "[...document.querySelectorAll('svg.chart')].filter(c => c.getBoundingClientRect().height > 50).length"
    )
    assert charts > 4
    assert page.value("document.documentElement.scrollWidth") == width, "the page scrolls sideways"
    paper = page.value("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") is not dark
    assert len(set(page.picture())) > 50 and is_quiet(page, file)


def test_the_watch_would_notice(page: Page, tmp_path: Path) -> None:
    """A page that does ask, log and throw is seen doing so; else the tests above say nothing."""
    bad = tmp_path / "bad.html"
    bad.write_text("<img src='http://127.0.0.1:9/x.png'><script>console.error('told'); throw new Error('x')</script>")
    page.open(bad)
    assert any(url.startswith("http://127.0.0.1:9/") for url in page.requests)
    assert any("told" in entry for entry in page.logged)
    page.requests.clear()
    page.logged.clear()


def test_tables_sort(page: Page, file: Path) -> None:
    page.open(file)
    column = "[...document.querySelectorAll('#table-populations tbody tr')].map(r => Number(r.cells[3].dataset.v))"
    before = page.value(column)
    page.value("document.querySelectorAll('#table-populations thead button')[3].click()")
    assert page.value(column) == sorted(before, reverse=True) != before
    page.value("document.querySelectorAll('#table-populations thead button')[3].click()")
    assert page.value(column) == sorted(before)


def test_it_is_whole_without_scripts(page: Page, file: Path) -> None:
    """The same text and charts; only the buttons for sorting are missing."""
    page.requests.clear()
    page.open(file)
    words = page.value("document.querySelector('main').innerText")
    page.open(file, scripts=False)
    assert page.value("document.querySelectorAll('th button').length") == 0
    assert page.value("document.querySelector('main').innerText") == words
    assert page.value("document.querySelectorAll('details.sample[open] svg.chart').length") > 2
    assert is_quiet(page, file)
    page.call("Emulation.setScriptExecutionDisabled", value=False)


def test_samples_open_one_at_a_time(page: Page, file: Path) -> None:
    page.open(file)
    opened = "[...document.querySelectorAll('details.sample')].map(d => d.open)"
    assert page.value(opened) == [True, False]
    page.value("document.querySelectorAll('details.sample summary')[0].parentElement.nextElementSibling.open = true")
    assert page.value(opened) == [False, True]


def test_it_prints(page: Page, file: Path) -> None:
    page.open(file, dark=True)
    document = page.printed()
    assert document.startswith(b"%PDF") and document.count(b"/Type /Page\n") >= 2
    page.call("Emulation.setEmulatedMedia", media="print")
    assert page.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.call("Emulation.setEmulatedMedia", media="screen")


def test_hostile_names_run_nothing(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "hostile.html"
    file.write_text(rendered(hostile_report(), "html"), encoding="utf-8")
    page.requests.clear()
    page.open(file, width=390)
    assert page.value("document.querySelector('h1').textContent").startswith('"><script>alert(1)')
    assert page.value("document.scripts.length") == 1 and page.value("document.images.length") == 0
    assert page.value("document.documentElement.scrollWidth") == 390 and is_quiet(page, file)


@pytest.mark.parametrize("scripts", [True, False])
def test_energies_lead_to_what_they_are_made_of(page: Page, tmp_path: Path, scripts: bool) -> None:
    """Two clicks: to the lines, which open for it, and to the cost with its source."""
    file = tmp_path / "priced.html"
    file.write_text(rendered(priced_report(), "html"), encoding="utf-8")
    page.requests.clear()
    page.open(file, scripts=scripts)
    assert page.value("document.documentElement.scrollWidth") == 1280
    page.value("document.querySelector('#table-totals-45nm td a').click()")
    there = "document.querySelector(':target').getBoundingClientRect()"
    wait = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    if scripts:
        page.value(wait)
    assert page.value("location.hash") == "#table-lines-45nm" and page.value(f"{there}.height") > 50
    page.value("document.querySelector(':target td.n a').click()")
    if scripts:
        page.value(wait)
    assert page.value("location.hash").startswith("#cost-45nm-") and page.value(f"{there}.height") > 10
    assert "Horowitz" in page.value("document.querySelector(':target').closest('tr').innerText")
    assert {url.partition("#")[0] for url in page.requests} == {file.resolve().as_uri()} and page.logged == []
    page.call("Emulation.setScriptExecutionDisabled", value=False)
