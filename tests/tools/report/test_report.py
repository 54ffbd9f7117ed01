"""The HTML report: what it says, what it must not become, and where it may be written."""

import dataclasses
import html
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from irquant.ir import read_model
from irquant.passes import QuantizationConfig, Report
from irquant.passes.accuracy.guard import GuardStep
from irquant.passes.accuracy.metric_goals import MetricGoals
from irquant.passes.accuracy.metrics import Metric
from irquant.passes.analysis.bias_cross_validation import Correction
from irquant.passes.analysis.data_findings import DataFindings
from irquant.passes.analysis.image_findings import DataMistake
from irquant.passes.infra.execution import Check
from irquant.passes.jobs.quantize_graph import quantize_graph
from irquant.passes.placement.plan import FloatSum
from irquant.passes.reporting.detail import Detail
from irquant.targets import load_target
from irquant.tools.cli import run
from irquant.tools.options.planned import planned_by
from irquant.tools.report.page import PageError, check_page, render, write_page
from irquant.tools.report.quantization import Subject, quantization_page
from irquant.tools.report.scale import Scale
from irquant.tools.terminal.summary import report_lines

SAMPLES = list(np.random.default_rng(2).normal(size=(20, 1, 3, 8, 8)).astype(np.float32))


class Outline(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements[-1:] and self.elements[-1][0] not in ("style", "script") and data.strip():
            self.texts.append(" ".join(data.split()))

    def tags(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


@pytest.fixture(scope="module")
def report(model: Path) -> Report:
    config = QuantizationConfig.checked(ignored={"scope": ["second"]})
    return quantize_graph(read_model(model), SAMPLES, load_target("cpu"), config, detail=Detail.FULL)[1]


def page_of(report: Report, *, result: Path | None = Path("model_int8.xml"), advice: str = "") -> str:
    return quantization_page(report, Subject(Path("model.xml"), result, planned_by(None, None, None, ()), advice))


# ------------------------------------------------------------------------------------------------------- what it says


@pytest.mark.slow
def test_sums_that_stay_float_are_in_the_page_and_the_first_of_them_in_the_text(report: Report) -> None:
    title = "Sums of int8 results that stay float, and why"
    assert title not in Outline(page_of(report)).texts
    sums = tuple(FloatSum(f"sum_{number}", f"reason {number}") for number in range(5))
    found = dataclasses.replace(report, float_sums=sums)
    assert title in (texts := Outline(page_of(found)).texts)
    assert [each.reason for each in sums if f": {each.reason}" not in texts] == []
    assert [line for line in report_lines(found, "o.xml") if line.startswith("sum")] == [
        *(f"sum in float: Add 'sum_{number}': reason {number}" for number in range(3)),
        "sums in float: 2 more; to_json() and save() list all of them",
    ]


def test_data_that_look_wrong_are_told_before_the_verdict_with_the_next_step(report: Report) -> None:
    wrong = DataMistake("all 20 samples are equal", "check how they are read")
    found = dataclasses.replace(report, data=DataFindings("20 samples", (str(wrong),), (wrong,)))
    texts = Outline(page_of(found)).texts
    first = texts.index("Unknown, since the data look wrong:")
    assert texts[first + 1] == "all 20 samples are equal. All that follows was measured with them."
    assert first < texts.index("No loss of accuracy was seen at this level, on 1 sample only.")
    assert "mend the data first: check how they are read" in texts
    assert "Unknown, since the data look wrong:" not in Outline(page_of(report)).texts


@pytest.mark.slow
def test_quantize_writes_a_report_beside_the_model(
    model: Path, arrays: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["quantize", str(model), "--data", str(arrays), "-o", str(tmp_path / "o.xml")]
    assert run(command) == 0
    plain, before = capfd.readouterr().out, [(tmp_path / f"o{suffix}").read_bytes() for suffix in (".xml", ".bin")]
    assert run([*command, "--report", str(tmp_path / "r.html")]) == 0
    said = capfd.readouterr().out
    assert [(tmp_path / f"o{suffix}").read_bytes() for suffix in (".xml", ".bin")] == before
    about_latency = r"^(time:|latency in|throughput in|  \d+ threads, models in turn).*\n"
    assert re.sub(about_latency, "", said, flags=re.MULTILINE) == re.sub(about_latency, "", plain, flags=re.MULTILINE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.bin", "o.xml", "r.html"]
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_analyze_writes_a_report_and_no_model(model: Path, arrays: Path, tmp_path: Path) -> None:
    assert run(["analyze", str(model), "--data", str(arrays), "--report", str(tmp_path / "r.html")]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    texts = Outline((tmp_path / "r.html").read_text(encoding="utf-8")).texts
    assert "irquant analysis report" in texts
    assert "next: give 80 samples or more, so that 8 or more are held out to check the result" in texts
    assert "The guard" not in texts, "there was none"


def test_it_has_the_facts_of_the_run(report: Report) -> None:
    texts = Outline(page_of(report)).texts
    assert report.check.outputs is not None
    (output,) = report.check.outputs
    for fact in (
        "model.xml",
        "good",
        "No loss of accuracy was seen at this level, on 1 sample only.",
        f"{output.sqnr:.1f} dB",
        f"{output.cosine:.4f}",
        "1 of 2",
        "and 1 held out to check",
        "1 of 2 executed ones ran in int8",
        "It had nothing to do: no output is poor.",
        "layer: you ignore 'second'",
        "set-ranges",
        "; preset performance",
        "OpenVINO",
    ):
        assert any(fact in text for text in texts), fact


def test_it_says_that_a_metric_judges_instead_of_the_guard(model: Path) -> None:
    wanted = MetricGoals((Metric("constant", lambda predict: 1.0),))
    _, judged = quantize_graph(read_model(model), SAMPLES, load_target("cpu"), QuantizationConfig(), wanted=wanted)
    assert "It did not run: your own metric decides." in Outline(page_of(judged)).texts


def test_each_layer_of_the_strip_says_what_it_is_and_why(report: Report) -> None:
    first, second = (each for each in Outline(page_of(report)).tags("li") if each.get("role") == "option")
    assert first["aria-label"] == f"1: Convolution first, int8: {report.layers[0].decision.reason}"
    assert second["aria-label"] == "2: Convolution second, float: you ignore 'second'"
    assert [each["tabindex"] for each in (first, second)] == ["0", "-1"]
    assert first["data-cost"] == f"own SQNR {report.effects[0].own:.1f} dB, 100.0% of the error"


def test_what_the_guard_tried_is_told(report: Report) -> None:
    steps = (
        GuardStep("wider ranges", True, 5.0, 12.5, 2, 2, why_kept="a gain of 7.5 dB"),
        GuardStep("float: 'first'", False, 12.5, 12.25, 1, 2, "no gain"),
    )
    texts = Outline(page_of(dataclasses.replace(report, guard=steps))).texts
    assert "The guard began with an output of 5.0 dB. Trials, in this order" in texts
    assert texts[texts.index("wider ranges") :][:5] == ["wider ranges", "5.0 dB", "12.5 dB", "2 of 2", "✓ kept"]
    assert texts[texts.index("wider ranges") + 5] == ": a gain of 7.5 dB"
    assert texts[texts.index("float: 'first'") :][4] == "dropped: no gain"
    line = "  float: 'first': 12.5 dB -> 12.2 dB, 1 of 2 layers int8: dropped: no gain"
    assert line in report_lines(dataclasses.replace(report, guard=steps), "m.xml", None)


def test_what_the_guard_tried_for_speed_is_told(report: Report) -> None:
    step = GuardStep("no zero points", True, 31.5, 30.25, 2, 2, why_kept="outputs stay good")
    told = " ".join(Outline(page_of(dataclasses.replace(report, speed_trial=step))).texts)
    assert (
        "less time: no zero points. The worst output had 31.5 dB before it and 30.2 dB with it: kept: outputs stay good."
        in told
    )
    line = "the guard tried for speed: no zero points: worst output 31.5 dB -> 30.2 dB: kept: outputs stay good"
    assert line in report_lines(dataclasses.replace(report, speed_trial=step), "m.xml", None)


def test_corrections_and_warnings_are_told(report: Report) -> None:
    corrections = (("first", Correction(0.25, 0.125, 1.0)), ("second", Correction(0.5, 0.95, 0.5)))
    changed = dataclasses.replace(report, corrections=corrections, warnings=("mind the gap",))
    texts = Outline(page_of(changed)).texts
    assert "mind the gap" in texts
    row = texts[texts.index("0.25") - 1 :]
    assert row[:10] == [
        "first", "0.25", "12.5%", "100.0%", "✓ applied",
        "second", "0.5", "95.0%", "50.0%", "rejected",
    ]  # fmt: skip


def test_ranges_stand_against_what_was_observed(report: Report) -> None:
    texts = Outline(page_of(report)).texts
    (found,) = report.ranges
    assert "samples with a clipped value" in texts
    row = texts[texts.index(found.name) :]
    assert row[1].replace("\N{MINUS SIGN}", "-") == f"{found.low:.4g} … {found.high:.4g}"
    assert row[3] == f"{found.clipped:.1%}"


def test_a_range_of_an_operation_without_a_name_of_its_own_has_its_type_and_the_name_in_the_source(
    report: Report,
) -> None:
    (found,) = report.ranges
    given = dataclasses.replace(found, tensor="Multiply_1514004", type="Multiply", sources=("features.3.bn",))
    texts = Outline(page_of(dataclasses.replace(report, ranges=(given,)))).texts
    first = texts.index("Multiply_1514004")
    assert texts[first - 1 : first + 2] == ["Multiply", "Multiply_1514004", "features.3.bn"]


def test_the_options_are_those_of_operations_that_the_model_has(report: Report) -> None:
    rows = [each for each in Outline(page_of(report)).texts if each.endswith((": data", ": weights"))]
    assert any(each.startswith("Convolution") for each in rows)
    assert not any("MatMul" in each or "LSTM" in each or "GroupConvolution" in each for each in rows)


def test_layers_that_were_reverted_to_float_are_one_group_with_a_reason_each(report: Report) -> None:
    reasons = [f"rounding it causes {share}% of the outputs' error (9.0 dB of its own)" for share in (60, 30)]
    layers = tuple(
        dataclasses.replace(each, decision=dataclasses.replace(each.decision, int8=False, reason=reason))
        for each, reason in zip(report.layers, reasons, strict=True)
    )
    texts = Outline(page_of(dataclasses.replace(report, layers=layers))).texts
    (group,) = [each for each in texts if "reverted to float, the most sensitive first" in each]
    following = texts[texts.index(group) :]
    assert [f": {each}" for each in reasons] == [each for each in following[:9] if each.startswith(": rounding")]


def test_without_held_out_samples_it_says_so(model: Path) -> None:
    _, report = quantize_graph(
        read_model(model), SAMPLES[:4], load_target("cpu"), QuantizationConfig(), detail=Detail.FULL
    )
    texts = Outline(page_of(report)).texts
    assert any(text.startswith("The outputs were not compared: no samples were held out") for text in texts)
    assert any("Sensitivities were not measured: this needs held-out samples." in text for text in texts)


# ---------------------------------------------------------------------------------------------- what it must not become


def test_it_names_no_other_place(report: Report) -> None:
    page = page_of(report)
    links = [
        value
        for _, attributes in Outline(page).elements
        for name, value in attributes.items()
        if name in ("src", "href", "action")
    ]
    assert {link for link in links if not (link or "").startswith("#")} == {"data:,"}
    assert not re.search(r"https?:|@import|url\(", page)


def test_its_policy_allows_its_own_script_only(report: Report) -> None:
    page = page_of(report)
    (policy,) = [each["content"] or "" for each in Outline(page).tags("meta") if each.get("http-equiv")]
    assert policy.startswith("default-src 'none'; ")
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/]{43}='", policy)


def test_a_name_does_not_become_markup(hostile_model: Path, arrays: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    assert run(["analyze", str(hostile_model), "--data", str(arrays), "--report", str(path)]) == 0
    page = path.read_text(encoding="utf-8")
    outline = Outline(page)
    assert len(outline.tags("script")) == 1
    assert not outline.tags("img")
    assert not outline.tags("b")
    assert "<b>logits" in outline.texts
    assert not any(name.startswith("on") for _, attributes in outline.elements for name in attributes)
    assert "{{ 7 * 7 }}" in html.unescape(page)
    assert "\u202e" not in page
    assert r"\u202e{{ 7" in page, "told, not obeyed"


def test_every_heading_and_table_has_a_name(report: Report) -> None:
    outline = Outline(page_of(report))
    assert len(outline.tags("h1")) == 1
    assert len(outline.tags("table")) == len(outline.tags("caption"))
    ids = {attributes["id"] for _, attributes in outline.elements if "id" in attributes}
    named = {attributes["aria-labelledby"] for _, attributes in outline.elements if "aria-labelledby" in attributes}
    assert named <= ids
    assert all("aria-hidden" in each for each in outline.tags("svg") if each.get("x") is None)


def test_what_a_template_does_not_get_is_an_error() -> None:
    with pytest.raises(Exception, match="'report' is undefined"):
        render(
            "quantization.html.j2",
            {"tiles": [], "subject": Subject(Path("m.xml"), None, planned_by(None, None, None, ()))},
        )


def test_outputs_that_cannot_be_compared_have_no_figures(report: Report) -> None:
    assert report.check.outputs is not None
    unknown = tuple(dataclasses.replace(each, sqnr=float("nan"), cosine=float("nan")) for each in report.check.outputs)
    texts = Outline(page_of(dataclasses.replace(report, check=Check(None, unknown), effects=()))).texts
    assert "unknown" in texts
    assert "output SQNR" not in texts
    assert "as planned" in texts, "this machine has no such device"


@pytest.mark.parametrize(
    ("low", "high", "value", "place"),
    [
        (0, 50, 10, 20.0),
        (0, 50, -10, 0.0),
        (0, 50, 60, 100.0),
        (0, 50, float("-inf"), 0.0),
        (0, 50, float("inf"), None),
        (0, 50, float("nan"), None),
        (0, 0, 0, 50.0),
    ],
)
def test_what_lies_beyond_a_scale_is_put_at_its_end(low: float, high: float, value: float, place: float | None) -> None:
    assert Scale(low, high).place(value) == place


# ----------------------------------------------------------------------------------------------- where it may be written


@pytest.fixture
def untouched(tmp_path: Path) -> str:
    """Data that nobody may have read when a report cannot be written."""
    (tmp_path / "mine.py").write_text("def samples():\n    raise AssertionError('work was done')\n")
    return f"{tmp_path / 'mine.py'}:samples"


@pytest.mark.parametrize("command", ["quantize", "analyze"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("r.txt", "the report must end in .html"),
        ("m.xml", "the report must end in .html"),
        ("no/r.html", "there is no folder {folder}/no"),
        ("folder.html", "is a folder; give the path of a file to write"),
        ("link.html", "is a symbolic link; give the real path of a file to write"),
    ],
)
def test_a_place_that_cannot_be_is_refused_before_the_work(
    model: Path, tmp_path: Path, untouched: str, command: str, name: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "link.html").symlink_to(tmp_path / "elsewhere.html")
    path, before = tmp_path / name, sorted(tmp_path.rglob("*"))
    assert run([command, str(model), "--data", untouched, "--report", str(path)]) == 2
    assert capfd.readouterr() == ("", f"error: {path}: {said.format(folder=tmp_path)}\n")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc, in which nobody can make a file")
def test_a_folder_that_cannot_be_written_is_refused_before_the_work() -> None:
    with pytest.raises(PageError, match=r"^/proc/r\.html: cannot be written: \w"):
        check_page(Path("/proc/r.html"))


def test_no_report_is_written_of_a_run_that_fails(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text("import numpy as np\ndef samples():\n    yield np.ones((1, 3, 9, 9))\n")
    command = ["quantize", str(model), "--data", f"{tmp_path / 'mine.py'}:samples", "-o", str(tmp_path / "o.xml")]
    assert run([*command, "--report", str(tmp_path / "r.html")]) == 2
    assert "got float64[1, 3, 9, 9]" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".py" and path.is_file()] == []


def test_a_dry_run_has_no_report(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["quantize", str(model), "-o", str(tmp_path / "o.xml"), "--report", str(tmp_path / "r.html"), "--dry-run"]
    assert run(command) == 2
    assert capfd.readouterr().err == "error: a dry run has nothing to report: leave out --report or --dry-run\n"
    assert not list(tmp_path.iterdir())


def test_a_report_replaces_the_one_before_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.html"
    write_page(path, "before")
    monkeypatch.setattr("os.fsync", _full)
    with pytest.raises(PageError, match=r"r\.html: cannot be written: Disk quota$"):
        write_page(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def _full(_: int) -> None:
    raise OSError(122, "Disk quota")
