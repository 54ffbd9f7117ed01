"""The work of `irquant compress`."""

from itertools import chain
from pathlib import Path

from irquant.ir.atomic_write import written_together
from irquant.passes.compress import CompressJob, compressed_path
from irquant.passes.files.model_place import FilePlace
from irquant.passes.files.run_files import named
from irquant.passes.options.compression import CompressionConfig
from irquant.passes.options.config_file import ConfigFile
from irquant.targets import load_target
from irquant.tools.options.place import Place
from irquant.tools.options.run_files import code_files, data_files, target_files
from irquant.tools.report.compression import compression_values
from irquant.tools.sources.image_options import ImageOptions
from irquant.tools.sources.open_extensions import open_extensions
from irquant.tools.sources.open_inputs import open_data
from irquant.tools.terminal.compression import compression_lines
from irquant.tools.terminal.output import Output


def run_compress(
    model: Path,
    path: Path | None,
    page: Path | None,
    weights: str,
    group: int,
    ratio: float | None,
    max_mb: float | None,
    min_db: float | None,
    data: str | None,
    samples: int,
    target: str | None,
    extension: tuple[str, ...],
    pictures: ImageOptions,
    output: Output,
    *,
    all_layers: bool,
    force: bool,
) -> None:
    """Compresses a model as the options of the command say, and shows the report."""
    options = {"weights": weights, "group": group, "all_layers": all_layers, "samples": samples}
    options |= {"ratio": ratio, "max_mb": max_mb, "min_db": min_db}
    config = CompressionConfig.read(options, "")
    result = path or compressed_path(model, config)
    reads = chain(data_files(data), code_files(extension, "the extension"), target_files(target))
    writes = named(report=page)
    job = CompressJob(config, load_target(target or "cpu"), reads, writes, force=force)
    if page:
        from irquant.tools.report.page import check_page  # here, as below: most runs write no page

        check_page(page)
    place = FilePlace(model, result, extensions=open_extensions(extension))
    graph = job.load(place)
    source = open_data(data, graph, pictures, ConfigFile())
    with Place(result).prepared(result), output.progress() as progress, written_together():
        report = job.run(graph, place, source, progress=progress).report
        if page:
            from irquant.tools.report.compression_page import write_compression_page

            write_compression_page(page, report, model, result)
    output.show(
        lambda: compression_values(report, str(model), str(result)), lambda: compression_lines(report, str(result))
    )
