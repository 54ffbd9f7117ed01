"""The HTML report in a browser without a network."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from irquant.ir import read_model
from irquant.passes import CompressionReport, QuantizationConfig, Report
from irquant.passes.infra.compressed_layers import CompressedLayer, WeightCheck
from irquant.passes.jobs.quantize_graph import quantize_graph
from irquant.passes.reporting.detail import Detail
from irquant.targets import load_target
from irquant.tools.options.planned import planned_by
from irquant.tools.report.compression_page import write_compression_page
from irquant.tools.report.quantization import Subject, write_quantization_page
from irquant.tools.zoo.page import BatchSubject, write_batch_page
from irquant.tools.zoo.record import State
from irquant.tools.zoo.rows import Row

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (BROWSER and DRIVER),
        reason="no chromium and chromedriver on this machine; on Debian: apt-get install chromium chromium-driver",
    ),
]
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
Open = Callable[..., Chrome]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = BROWSER or ""
    for each in (*QUIET, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(each)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options, Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def report(hostile_model: Path) -> Report:
    samples = list(np.random.default_rng(2).normal(size=(20, 1, 3, 8, 8)).astype(np.float32))
    return quantize_graph(
        read_model(hostile_model), samples, load_target("cpu"), QuantizationConfig(), detail=Detail.FULL
    )[1]


def thousandfold(report: Report) -> Report:
    """Of a model with a thousand layers, a few of them float."""
    layers = [
        dataclasses.replace(
            layer,
            name=f"{layer.name}/{index}",
            fallen="" if index % 7 else "no primitive",
            node=layer.node + 100 * index,
        )
        for index in range(500)
        for layer in report.layers
    ]
    effects = [
        dataclasses.replace(each, name=f"{each.name}/{index}", share=each.share / 500, node=each.node + 100 * index)
        for index in range(500)
        for each in report.effects
    ]
    return dataclasses.replace(report, layers=tuple(layers), effects=tuple(effects), ranges=report.ranges * 500)


@pytest.fixture
def opened(browser: Chrome, report: Report, tmp_path: Path) -> Open:
    """Opens a report, without a network, on a screen of that width."""

    def open_(width: int = 1200, scheme: str = "light", change: Callable[[Report], Report] = lambda it: it) -> Chrome:
        path = tmp_path / "r.html"
        subject = Subject(Path("model.xml"), Path("model_int8.xml"), planned_by(None, None, None, ()))
        write_quantization_page(path, change(report), subject)
        screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
        browser.get(path.as_uri())
        return browser

    return open_


def tiles(page: Chrome) -> list[WebElement]:
    return page.find_elements(By.CSS_SELECTOR, ".strip .tile")


def told(page: Chrome) -> str:
    return page.find_element(By.ID, "layer").text


def ranks(page: Chrome) -> list[str]:
    script = "return [...document.querySelectorAll('#layer-table tbody tr')].map((row) => row.dataset.rank)"
    return list(page.execute_script(script))


def visible(page: Chrome) -> int:
    """The number of layers that are shown."""
    script = "return [...document.querySelectorAll('#layer-table tbody tr')].filter((row) => !row.hidden).length"
    return int(page.execute_script(script))


def height(page: Chrome) -> int:
    return int(page.execute_script("return document.documentElement.scrollHeight"))


def complaints(page: Chrome) -> list[object]:
    """What the console holds."""
    log: Any = page.get_log
    return list(log("browser"))


def brightness(page: Chrome) -> float:
    """Of the background, from 0 to 255."""
    colour = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    return float(np.mean([float(part) for part in colour.removeprefix("rgb(").rstrip(")").split(",")]))


def test_it_opens_without_a_request_or_a_complaint(opened: Open) -> None:
    page = opened()
    assert page.title == "model.xml: quantization \N{EN DASH} irquant"
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert complaints(page) == []


def test_a_hostile_name_runs_no_script(opened: Open) -> None:
    page = opened()
    assert page.execute_script("return [typeof hacked, document.scripts.length, document.images.length]") == [
        "undefined",
        1,
        0,
    ]


def test_a_script_that_is_not_the_pages_own_does_not_run(opened: Open) -> None:
    page = opened()
    page.execute_script(
        "const script = document.createElement('script'); script.textContent = 'hacked = 1'; document.body.append(script)"
    )
    assert page.execute_script("return typeof hacked") == "undefined"
    assert "Content Security Policy" in str(complaints(page))


def test_rows_are_sorted_by_a_button(opened: Open, report: Report) -> None:
    page = opened()
    by_rank, by_place = page.find_elements(By.CSS_SELECTOR, "[data-table=layer-table] button")[:2]
    places = sorted(range(len(report.effects)), key=lambda index: report.effects[index].node)
    assert ranks(page) == ["1", "2"]
    by_place.click()
    assert ranks(page) == [str(index + 1) for index in places]
    assert [each.get_attribute("aria-pressed") for each in (by_rank, by_place)] == ["false", "true"]
    by_rank.send_keys(Keys.ENTER)
    assert ranks(page) == ["1", "2"]
    assert [each.get_attribute("aria-pressed") for each in (by_rank, by_place)] == ["true", "false"]


def test_rows_are_filtered_by_text_and_by_precision(opened: Open) -> None:
    page = opened(change=thousandfold)
    controls = page.find_element(By.CSS_SELECTOR, ".controls[data-table=layer-table]")
    search, kind = controls.find_element(By.TAG_NAME, "input"), controls.find_element(By.TAG_NAME, "select")
    search.send_keys("FIRST/12")
    assert visible(page) == 11, "first/12, first/120 to first/129"
    assert controls.find_element(By.TAG_NAME, "output").text == "11 of 1000 shown"
    Select(kind).select_by_visible_text("float")
    assert visible(page) == 1, "every seventh"
    search.clear()
    search.send_keys("no such layer")
    assert visible(page) == 0


def test_the_pointer_shows_why_a_layer_runs_as_it_does_and_nothing_moves(opened: Open, report: Report) -> None:
    page = opened()
    before = height(page)
    ActionChains(page).move_to_element(tiles(page)[0]).perform()
    assert told(page).startswith(f"1 Convolution 'first'\nint8: {report.layers[0].decision.reason}\nown SQNR ")
    assert height(page) == before


def test_so_does_the_keyboard(opened: Open) -> None:
    page = opened()
    page.execute_script("document.querySelector('.strip').tabIndex = -1; document.querySelector('.strip').focus()")
    ActionChains(page).send_keys(Keys.TAB).perform()
    assert page.switch_to.active_element == tiles(page)[0]
    assert told(page).startswith("1 Convolution 'first'\n")
    ActionChains(page).send_keys(Keys.ARROW_RIGHT).perform()
    assert told(page).startswith("2 Convolution '\"'</script>")
    assert [each.get_attribute("aria-selected") for each in tiles(page)] == ["false", "true"]
    assert [each.get_attribute("tabindex") for each in tiles(page)] == ["-1", "0"]
    ActionChains(page).send_keys(Keys.ARROW_RIGHT, Keys.HOME).perform()
    assert told(page).startswith("1 Convolution 'first'\n")


@pytest.mark.parametrize("change", [lambda it: it, thousandfold], ids=["small", "thousand layers"])
def test_a_phone_need_not_scroll_sideways(opened: Open, change: Callable[[Report], Report]) -> None:
    page = opened(360, change=change)
    assert page.execute_script("return document.documentElement.scrollWidth") == 360
    inner = "return [...document.querySelectorAll('.scroll')].filter((it) => it.scrollWidth > it.clientWidth).length"
    assert page.execute_script(inner) == 0
    labels = page.execute_script(
        "return [...document.querySelectorAll('#layer-table td')].map((it) => it.dataset.label)"
    )
    assert labels[:8] == ["output", "MACs", "runs", "float, ms", "int8, ms", "own, dB", "outputs, dB", "share"]
    assert page.execute_script(_SCROLLERS) == [], "nothing scrolls inside the page"
    assert page.execute_script(_SMALL) == [], "all text has 12 px or more"


def test_dark_surroundings_get_a_dark_page(opened: Open) -> None:
    assert brightness(opened(scheme="light")) > 220
    assert brightness(opened(scheme="dark")) < 40


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(opened: Open, scheme: str) -> None:
    """The contrast that WCAG 2.1 asks for at level AA: 4.5 to 1."""
    page = opened(scheme=scheme)
    assert page.execute_script(_CONTRASTS) == []


def test_precision_is_told_without_colours(opened: Open) -> None:
    page = opened(change=thousandfold)
    int8, float_ = (page.find_element(By.CSS_SELECTOR, f".strip .tile.{kind}") for kind in ("int8", "float"))
    assert (int8.text, float_.text) == ("8", "F")
    hatched = [each.value_of_css_property("background-image") for each in (int8, float_)]
    assert hatched[0] == "none"
    assert hatched[1].startswith("repeating-linear-gradient")


def test_a_thousand_layers_stay_in_bounds(opened: Open) -> None:
    page = opened(change=thousandfold)
    assert len(tiles(page)) == 1000
    assert page.find_element(By.CSS_SELECTOR, ".strip").size["height"] < 300
    assert height(page) < 9000
    assert len(page.page_source) < 4_000_000
    assert (len(ranks(page)), visible(page)) == (1000, 25)
    by_place = page.find_elements(By.CSS_SELECTOR, "[data-table=layer-table] button")[1]
    by_place.click()
    assert (len(ranks(page)), visible(page)) == (1000, 25)
    page.find_element(By.CSS_SELECTOR, ".scroll:has(#layer-table) + .more button").click()
    assert visible(page) == 50
    everything = page.find_elements(By.CSS_SELECTOR, ".scroll:has(#layer-table) + .more button")[1]
    assert everything.text == "all 1000"
    everything.click()
    assert visible(page) == 1000
    assert complaints(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_about_a_batch_can_be_sorted_and_read_on_a_phone(opened: Open, tmp_path: Path, scheme: str) -> None:
    page, message = opened(360, scheme), "x" * 300
    rows = [Row(name=f"model-{'long' * 20}-{index}", state=State.DONE, seconds=index, attempts=1) for index in range(9)]
    rows.append(Row(name="broken", state=State.FAILED, message=message, seconds=3, attempts=1))
    write_batch_page(tmp_path / "b.html", rows, BatchSubject(Path("batch.yaml"), tmp_path, []))
    page.get((tmp_path / "b.html").as_uri())
    assert page.execute_script("return document.documentElement.scrollWidth") == 360
    assert page.execute_script(
        "return [...document.querySelectorAll('.scroll')].map((it) => it.scrollWidth - it.clientWidth)"
    ) == [0]
    script = (
        "return [...document.querySelectorAll('#model-table tbody th')].map((it) => it.textContent.at(-1)).join('')"
    )
    assert page.execute_script(script) == "012345678n"
    for key, names in (("state", "n012345678"), ("seconds", "876543n210"), ("place", "012345678n")):
        page.find_element(By.CSS_SELECTOR, f"[data-key={key}]").click()
        assert page.execute_script(script) == names
    assert page.execute_script(_CONTRASTS) == []
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert complaints(page) == []


#: Elements that scroll in one direction or the other.
_SCROLLERS = """
const scrolls = (it) => /auto|scroll/.test(getComputedStyle(it).overflow)
  && (it.scrollHeight > it.clientHeight + 1 || it.scrollWidth > it.clientWidth + 1);
return [...document.body.querySelectorAll("*")].filter(scrolls).map((it) => it.className);
"""
#: Texts that are smaller than 12 px.
_SMALL = """
const found = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const node = texts.currentNode.parentElement, size = parseFloat(getComputedStyle(node).fontSize);
  if (texts.currentNode.data.trim() && size < 12 && !["SCRIPT", "STYLE"].includes(node.tagName)) found.push(`${size}: ${texts.currentNode.data.trim()}`);
}
return [...new Set(found)];
"""
#: Texts whose colour differs too little from the nearest background that is one colour.
_CONTRASTS = """
const parsed = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
const light = (colour) => {
  const [r, g, b] = colour.slice(0, 3).map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const back = (node) => {
  for (let each = node; each; each = each.parentElement) {
    const style = getComputedStyle(each), colour = parsed(style.backgroundColor);
    if (style.backgroundImage !== "none") return null;
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
};
const found = [];
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const node = texts.currentNode.parentElement, behind = back(node);
  if (!texts.currentNode.data.trim() || !behind || ["SCRIPT", "STYLE"].includes(node.tagName)) continue;
  const [one, other] = [light(parsed(getComputedStyle(node).color)), light(behind)].sort((a, b) => b - a);
  const ratio = (one + 0.05) / (other + 0.05);
  if (ratio < 4.5) found.push(`${ratio.toFixed(2)}: ${texts.currentNode.data.trim()}`);
}
return [...new Set(found)];
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_about_compressed_weights_can_be_sorted_and_read_on_a_phone(
    opened: Open, tmp_path: Path, scheme: str
) -> None:
    page, name = opened(360, scheme), "layer" * 60
    layers = [
        CompressedLayer(f"{name}{index}", "MatMul", "i4", 64, 10.0**index * 1e-6, "x" * 300) for index in range(1, 6)
    ]
    check = WeightCheck(kept=(layers[0].name,), folded=((layers[1].name, "f32 from Const 'w'"),))
    report = CompressionReport("int4", tuple(layers), check, "CPU", 0, 0, ("w" * 300,), 4000, 1000, {})
    write_compression_page(tmp_path / "c.html", report, Path("model.xml"), Path("model_weights_int4.xml"))
    page.get((tmp_path / "c.html").as_uri())
    assert page.execute_script("return document.documentElement.scrollWidth") == 360
    assert page.execute_script(_SCROLLERS) == []
    page.find_element(By.CSS_SELECTOR, "[data-key=rank]").click()
    assert ranks(page) == ["1", "2", "3", "4", "5"]
    assert page.execute_script(_CONTRASTS) == []
    assert complaints(page) == []
