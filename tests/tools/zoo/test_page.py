"""The page about a batch: that it says what the rows say, and what it must not become."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from irquant.tools.zoo.page import BatchSubject, batch_page, links_from
from irquant.tools.zoo.record import LatencyFigures, ModelFigures, State
from irquant.tools.zoo.rows import Row

HOSTILE = "\"'</script><script>hacked = 1</script><img src=x onerror=hacked=1>\u202e{{ 7 * 7 }}"
NONE = "\N{EN DASH}"
SUBJECT = BatchSubject(Path("batch.yaml"), Path("/models/results"), ["a"])


class Page(HTMLParser):
    """The elements of a page, the rows of its table, and its other texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.texts: list[str] = []
        self.is_in_cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")
            self.is_in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self.is_in_cell = self.is_in_cell and tag not in ("th", "td")

    def handle_data(self, data: str) -> None:
        if self.elements[-1:] and self.elements[-1][0] in ("style", "script"):
            return
        text = " ".join(data.split())
        self.texts += [text] if text else []
        if text and self.is_in_cell:
            self.rows[-1][-1] = f"{self.rows[-1][-1]} {text}".strip()

    def order(self, key: str) -> list[str]:
        """The names of the models in an order that a button gives."""
        found = [attributes for tag, attributes in self.elements if tag == "tr"][1:]
        places = [int(each[f"data-{key}"] or "") for each in found]
        return [name for _, name in sorted(zip(places, (row[0].split()[0] for row in self.rows[1:]), strict=True))]


def done(name: str, **more: Any) -> Row:
    """The row of a model that was quantized."""
    found = {"state": State.DONE, "int8_share": 0.5, "output": "logits", "sqnr": 25.0, "verdict": "good", "attempts": 1}
    found |= {"model": f"/models/{name}.xml", "verified": True, "good_from": 20.0, "held_out": 30}
    sizes = {"size_ratio": 4.0, "bytes_before": 4_000_000, "bytes_after": 1_000_000}
    return Row(name=name, **({**found, **sizes, "seconds": 2.0, "peak_mb": 100.0} | more))


ROWS = [
    done("a"),
    done("b", sqnr=31.0, verdict="poor", verified=False, int8_share=None, seconds=9.0, warnings=["mind the gap"]),
    Row(name="c", state=State.CRASHED, message="killed", seconds=3.0, peak_mb=900.0, attempts=2),
    done("d", state=State.MISSED, message="sqnr is 12, expected 15 or more", sqnr=12.0, verdict="fair"),
    done("e", sqnr=None, bytes_before=9_000_000, int8_share=0.25),
    Row(name="f", state=State.NOT_DONE),
]


def test_models_have_links_to_their_own_pages(tmp_path: Path) -> None:
    (tmp_path / "results" / "missed").mkdir(parents=True)
    rows = [done("a", result="a.xml"), done("b", result="missed/b.xml"), done("c", result="c.xml"), done("d")]
    for place in ("a", "missed/b"):
        (tmp_path / "results" / f"{place}.html").touch()
    links = links_from(tmp_path / "pages" / "all.html", tmp_path / "results", rows)
    assert links == {"a": "../results/a.html", "b": "../results/missed/b.html"}, "c has none"
    page = Page(batch_page(rows, BatchSubject(Path("b.yaml"), tmp_path / "results", [], links)))
    assert [each["href"] for tag, each in page.elements if tag == "a"] == [*links.values()]


def test_it_says_of_each_model_what_its_row_says() -> None:
    page = Page(batch_page(ROWS, SUBJECT))
    sizes = "4.00 MB → 1.00 MB"
    missed = "sqnr is 12, expected 15 or more"
    assert page.rows == [
        ["model", "state", "worst output", "int8", "size", "seconds", "peak memory", "warnings", "message"],
        ["a /models/a.xml", "✓ done", "✓ good 25.0 dB", "50.0%", sizes, "2.0", "100 MB", NONE, NONE],
        ["b /models/b.xml", "✓ done", "✕ poor 31.0 dB", "not verified", sizes, "9.0", "100 MB", "1", NONE],
        ["c", "✕ crashed", NONE, NONE, NONE, "3.0", "900 MB", NONE, "killed"],
        ["d /models/d.xml", "! missed", "≈ fair 12.0 dB", "50.0%", sizes, "2.0", "100 MB", NONE, missed],
        ["e /models/e.xml", "✓ done", "✓ good equal", "25.0%", "9.00 MB → 1.00 MB", "2.0", "100 MB", NONE, NONE],
        ["f", "… not done", NONE, NONE, NONE, NONE, NONE, NONE, NONE],
    ]


def test_few_samples_and_latencies_beside_others_are_marked() -> None:
    few = done("a", held_out=2, good_from=27.1)
    times = LatencyFigures(float_ms=5.0, int8_ms=6.25, threads=1, at_a_time=2)
    page = Page(batch_page([few, done("b", latency=times)], SUBJECT))
    assert [row[2] for row in page.rows[1:]] == ["✓ good 25.0 dB; few samples: 2, good from 27.1 dB", "✓ good 25.0 dB"]
    assert [row[5] for row in page.rows] == ["latency", NONE, "5 -> 6.25 ms"]
    assert any(text.startswith("latency: measured while up to 2 models ran at a time, ") for text in page.texts)
    alone = times.model_copy(update={"at_a_time": 1})
    assert not any(text.startswith("latency: ") for text in Page(batch_page([done("b", latency=alone)], SUBJECT)).texts)


def test_key_figures_failures_and_warnings_are_told() -> None:
    texts = " ".join(Page(batch_page(ROWS, SUBJECT)).texts)
    for fact in (
        "3 of 6 done 1 without a result. 1 worse than expected. 1 not done yet: the same command continues the run.",
        "models 6 1 up to date before this run done 3 missed 1 worse than expected failed 1 ",
        "worst output 31.0 dB poor, of b verdicts on the outputs ✕ 1 poor ≈ 1 fair ✓ 2 good size 4.00 MB 21.00 MB before",
        "Failures c : crashed after 2 attempts: killed",
        "Worse than expected d : missed: sqnr is 12, expected 15 or more",
        "Warnings 1 of b mind the gap",
        "results in /models/results",
        "irquant",
        "OpenVINO",
    ):
        assert fact in texts, fact


def test_where_all_is_well_that_is_all() -> None:
    texts = Page(batch_page([done("a")], SUBJECT)).texts
    assert texts[texts.index("1 of 1 done") + 1] == "No failures."
    assert not {"Failures", "Worse than expected", "Warnings"} & set(texts)


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("place", "abcdef"),
        ("state", "cdfabe"),
        ("quality", "bdaecf"),
        ("share", "eadbcf"),
        ("size", "eabdcf"),
        ("seconds", "bcadef"),
        ("memory", "cabdef"),
    ],
)
def test_each_order_is_there(key: str, names: str) -> None:
    page = Page(batch_page(ROWS, SUBJECT))
    assert "".join(page.order(key)) == names
    assert key in [attributes.get("data-key") for tag, attributes in page.elements if tag == "button"]


def test_metrics_have_a_column_where_there_are_some() -> None:
    kept = ModelFigures(name="f1", fp32=0.9, int8=0.89, max_drop=0.02, drop_type="absolute", kept=True, stopped="")
    lost = kept.model_copy(update={"int8": 0.5, "drop_type": "relative", "kept": False})
    page = Page(batch_page([done("a", metric=kept), done("b", metric=lost), done("c")], SUBJECT))
    assert [row[7] for row in page.rows] == [
        "metric", "f1 0.9 → 0.89: kept", "f1 0.9 → 0.5: drop of more than 2.00% of FP32", NONE
    ]  # fmt: skip


def test_hostile_texts_stay_texts() -> None:
    lost = ModelFigures(name=HOSTILE, fp32=1, int8=0, max_drop=0.0, drop_type="absolute", kept=False, stopped=HOSTILE)
    bad = {"message": HOSTILE, "warnings": [HOSTILE], "output": HOSTILE, "metric": lost}
    rows = [done(HOSTILE, **bad), done(HOSTILE, state=State.FAILED, **bad), done(HOSTILE, state=State.MISSED, **bad)]
    text = batch_page(rows, BatchSubject(Path(HOSTILE), Path(HOSTILE), [HOSTILE]))
    page = Page(text)
    assert [tag for tag, _ in page.elements if tag in ("script", "img")] == ["script"]
    assert "\u202e" not in text
    assert any("{{ 7 * 7 }}" in each for each in page.texts)


def test_it_asks_nobody_for_anything() -> None:
    page = Page(batch_page(ROWS, SUBJECT))
    (policy,) = [each["content"] or "" for tag, each in page.elements if tag == "meta" and "http-equiv" in each]
    assert policy.startswith("default-src 'none'; ")
    links = [each[key] or "" for _, each in page.elements for key in ("href", "src", "action") if key in each]
    assert [each for each in links if not re.match(r"data:,|#", each)] == []
