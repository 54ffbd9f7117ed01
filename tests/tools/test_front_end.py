"""What `import irquant` shows of a run and its report."""

import dataclasses
import html
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest
from PIL import Image

from irquant import (
    CompressionReport,
    CompressionResult,
    QuantizationResult,
    UserError,
    compress_model,
    quantize_model,
)
from irquant.passes import Report
from irquant.passes.reporting.front_end import front_end, install
from irquant.tools.report.page import PageError
from irquant.tools.terminal.compression import compression_lines
from irquant.tools.terminal.next_step import next_step
from irquant.tools.terminal.summary import report_lines
from tests.passes.weight_only_models import language_model


@pytest.fixture(scope="module")
def report(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    output = tmp_path_factory.mktemp("out") / "o.xml"
    data = np.random.default_rng(0).normal(size=(20, 3, 8, 8)).astype(np.float32)
    return quantize_model(model, data, output=output).report


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> CompressionReport:
    output = tmp_path_factory.mktemp("out") / "c.xml"
    return compress_model(language_model(), output=output).report


def test_the_report_of_a_compression_reads_like_that_of_the_command_line(compressed: CompressionReport) -> None:
    assert str(compressed).splitlines() == list(compression_lines(compressed, str(compressed.result)))
    assert compressed.result.name == "c.xml"


def test_a_notebook_shows_the_page_of_a_compression(compressed: CompressionReport) -> None:
    assert "&lt;!doctype html&gt;" in (compressed._repr_html_() or "")


def test_a_console_shows_results_and_reports_in_a_line(report: Report, compressed: CompressionReport) -> None:
    assert report.worst_output
    ratio = f"{report.worst_output.sqnr:.1f} dB at 'logits'"
    said = f"<Report: good, {ratio}, 2 of 2 layers in int8; print it for more>"
    assert repr(report) == said
    unchecked = dataclasses.replace(report, check=dataclasses.replace(report.check, outputs=None))
    assert repr(unchecked) == "<Report: not checked, 2 of 2 layers in int8; print it for more>"
    result = QuantizationResult(Path("o.xml"), report)
    assert repr(result) == str(result) == f"QuantizationResult(model='o.xml', report={said})"
    assert result._repr_html_() == report._repr_html_()
    sizes = f"{compressed.bytes_before / 1e6:.2f} MB -> {compressed.bytes_after / 1e6:.2f} MB"
    said = f"<CompressionReport: weights in int8, {sizes}; print it for more>"
    model = language_model()
    model.set_friendly_name("mine")
    assert repr(CompressionResult(model, compressed)) == f"CompressionResult(model='mine', report={said})"


def test_the_result_of_a_model_in_memory_is_headed_by_its_name() -> None:
    model = language_model()
    model.set_friendly_name("mine")
    assert str(compress_model(model).report).startswith("mine: ")


@pytest.mark.parametrize("kind", ["numbered", "stack", "array"])
@pytest.mark.parametrize("as_text", [True, False])
def test_data_are_given_by_their_path(model: Path, tmp_path: Path, kind: str, *, as_text: bool) -> None:
    data = np.random.default_rng(0).normal(size=(20, 3, 8, 8)).astype(np.float32)
    path = tmp_path / ("d.npy" if kind == "array" else "d.npz")
    if kind == "array":
        np.save(path, data)
    else:
        numbered = {f"{number:05}|image": each[None] for number, each in enumerate(data)}
        np.savez(path, **(numbered if kind == "numbered" else {"image": data}))
    given = str(path) if as_text else path
    found = quantize_model(model, given, output=tmp_path / "o.xml", guard=False).report
    assert (found.samples, found.held_out) == (19, 1)
    doubled = quantize_model(
        model, given, output=tmp_path / "o.xml", guard=False, transform=lambda sample: sample["image"] * 2
    )
    assert doubled.report.data.line != found.data.line


@pytest.mark.filterwarnings("ignore::irquant.QuantizationWarning")
def test_pictures_are_given_by_their_folder_and_mistakes_name_no_flags(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(9):
        picture = rng.integers(0, 255, (2, 2, 3), np.uint8).repeat(4, 0).repeat(4, 1)
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    x = op.parameter([1, 3, 8, 8], np.float32, name="x")
    heavy = np.full((4, 3, 3, 3), 2.0, np.float32)
    report = quantize_model(ov.Model([op.convolution(x, heavy, *[[1, 1]] * 4)], [x]), tmp_path, guard=False).report
    assert report.data.line.startswith("9 PNG files, RGB, 8x8")
    assert report.wrong_data
    assert "--" not in next_step(report, None)


def test_a_path_without_data_is_told(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.npz: no such file or folder"):
        quantize_model(model, tmp_path / "gone.npz")


def test_a_program_reads_the_verdict_that_people_read(report: Report) -> None:
    assert report.worst_output in (report.check.outputs or ())
    assert str(report).partition(": ")[2].startswith(f"{report.verdict} on 1 sample only (")
    assert dataclasses.replace(report, check=dataclasses.replace(report.check, outputs=None)).verdict is None


def test_both_reports_are_written_as_pages_and_documents(
    report: Report, compressed: CompressionReport, tmp_path: Path
) -> None:
    for each in (report, compressed):
        each.save(tmp_path / "page.html")  # the second replaces the first: irquant made it
        assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
        assert json.loads(each.to_json())["seconds"] == round(each.seconds, 4)
    found = json.loads(report.to_json())
    assert (found["verdict"], found["next"]) == (report.verdict, next_step(report, None))


def test_a_page_replaces_no_file_of_others(report: Report, tmp_path: Path) -> None:
    (tmp_path / "mine.html").write_text("mine")
    with pytest.raises(UserError, match="exists, and irquant did not make it"):
        report.save(tmp_path / "mine.html")
    assert (tmp_path / "mine.html").read_text() == "mine"
    report.save(str(tmp_path / "mine.html"), force=True)
    assert (tmp_path / "mine.html").read_text() != "mine"


def test_a_page_needs_a_run_and_a_suffix(report: Report, tmp_path: Path) -> None:
    with pytest.raises(PageError, match=r"has no page; print it$"):
        dataclasses.replace(report, origin=None).save(tmp_path / "p.html")
    with pytest.raises(PageError, match=r"the report must end in \.html$"):
        report.save(tmp_path / "p.txt")


def test_without_a_front_end_nothing_is_written(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shows = front_end()
    assert shows
    monkeypatch.setattr("irquant.passes.reporting.front_end._installed.front_end", None)
    with pytest.raises(UserError, match="import quantize or quantize_model from irquant"):
        report.save(tmp_path / "p.html")
    install(shows)


def test_a_printed_report_reads_like_that_of_the_command_line(report: Report) -> None:
    assert report.origin
    assert str(report).splitlines() == list(report_lines(report, str(report.origin.result)))


def test_a_notebook_shows_the_page_in_a_frame(report: Report, model: Path) -> None:
    shown = report._repr_html_() or ""
    found = re.fullmatch(r'<iframe srcdoc="([^"]*)" style="[^"]*" sandbox="allow-scripts"></iframe>', shown)
    assert found
    assert html.unescape(found[1]).startswith("<!doctype html>")
    assert model.name in html.unescape(found[1])


def test_a_report_without_a_run_is_shown_as_text(report: Report) -> None:
    bare = dataclasses.replace(report, origin=None)
    assert str(bare).startswith("result: ")
    assert bare._repr_html_() == f"<pre>{html.escape(str(bare))}</pre>"


def test_without_a_front_end_a_report_is_a_plain_value() -> None:
    code = (
        "from irquant.passes.reporting.report import Report\n"
        "bare = Report.__new__(Report)\n"
        "assert bare._repr_html_() is None\n"
        "from irquant.passes.reporting.front_end import shown\n"
        "from irquant.passes.infra.progress import no_progress\n"
        "with shown(None) as progress:\n"
        "    assert progress is no_progress\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
