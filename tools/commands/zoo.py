"""`irquant zoo`: many models from one batch file."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from irquant.ir import UserError, printable
from irquant.ir.listing import number_of
from irquant.tools.options.completion import words
from irquant.tools.options.options import force_option, output_option
from irquant.tools.terminal.command_group import CommandGroup
from irquant.tools.terminal.fault_option import fault_option
from irquant.tools.terminal.help_groups import HelpGroup, grouped_option
from irquant.tools.terminal.importing import importing
from irquant.tools.terminal.interrupts import INTERRUPTS
from irquant.tools.terminal.output import Output, output_options
from irquant.tools.zoo.batch_errors import BatchError

if TYPE_CHECKING:  # slow imports are inside the functions that need them, since other commands import this module
    from irquant.tools.zoo.discover import Found, Skipped
    from irquant.tools.zoo.run import Run

_FAILED = 1
_GOING_ON = "the same command continues the run"
#: Models at a time. A large part of a quantization runs on one core, but each model takes memory.
_AT_A_TIME = 4


class _Group(CommandGroup):
    """A group whose first argument may be a batch file for the default command `run`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_command = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if is_command or not args else ["run", *args])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands, and the options of the default one."""
        self.format_commands(ctx, formatter)
        run = self.commands["run"]
        run.format_options(click.Context(run, ctx, **ctx.command.context_settings), formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Completes commands, and files where no command fits."""
        return super().shell_complete(ctx, incomplete) or [CompletionItem(incomplete, type="file")]


@click.group("zoo", cls=_Group)
def zoo_command() -> None:
    """Quantizes many models: `irquant zoo BATCH.yaml`; `irquant zoo init DIR` writes a batch file for a folder.

    The options below are those of `run`: write them behind the batch file. docs/zoo.md describes the file. You can stop
    a run at any time: the same command continues with what is missing or has changed since.
    """


@zoo_command.command("run")
@click.argument("batch", type=click.Path(path_type=Path))
@grouped_option(
    HelpGroup.OUTPUT,
    "-o",
    "--output-dir",
    "--output_dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The folder of the results.  [default: zoo_results beside the batch file]",
)
@grouped_option(
    HelpGroup.SPEED,
    "--jobs",
    type=click.IntRange(1),
    metavar="N",
    help="Models at a time.  [default: 4; with fewer cores, one a core]",
)
@grouped_option(
    HelpGroup.SPEED,
    "--cluster",
    metavar="ADDRESS",
    shell_complete=words("local"),
    help="Run the models on a Dask cluster; 'local': in workers on this machine.",
)
@grouped_option(
    HelpGroup.OUTPUT,
    "--report",
    "page",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The page about all models.  [default: report.html in the folder of the results]",
)
@fault_option(expose=True)
@force_option
@grouped_option(HelpGroup.GENERAL, "--dry-run", is_flag=True, help="Show what would be done and why, and stop.")
@output_options
def run_command(
    batch: Path,
    output_dir: Path | None,
    jobs: int | None,
    cluster: str | None,
    page: Path | None,
    report_fault: Path | None,
    output: Output,
    *,
    force: bool,
    dry_run: bool,
) -> int:
    """Quantizes the models of the batch file (the default command).

    Exit code 0: success; 1: a model failed or missed its expectations; 2: the batch file is wrong; 70: irquant itself
    failed at a model; 130: interrupted (143: by SIGTERM).
    """
    with importing():
        from irquant.passes.runtime.core import cores
        from irquant.tools.terminal.internal_errors import INTERNAL_ERROR
        from irquant.tools.zoo.display import display, failures, print_rows, totals
        from irquant.tools.zoo.record import LASTING, State

    if page:
        _check_page(page, dry_run=dry_run)
    folder = (output_dir or batch.parent / "zoo_results").absolute()
    run = _opened(batch, folder, report_fault and report_fault.absolute(), page, force=force)
    if dry_run:
        output.show(lambda: _plan_values(run), lambda: _plan_lines(run))
        return _FAILED if any(each.job.lacking for each in run.planned) else 0
    is_interrupted = False
    up_to_date = sum(each.record is not None for each in run.planned)
    with display(up_to_date, len(run.planned), quiet=output.quiet) as shown:
        try:
            run.work(jobs or min(_AT_A_TIME, cores()), cluster, shown)
        except KeyboardInterrupt:
            is_interrupted = True
    rows = run.rows()
    output.show_by(lambda: [row.model_dump(mode="json") for row in rows], lambda: print_rows(rows))
    run.write_rows()
    _write_page(run, batch, is_asked=page is not None)
    output.tell_failure(failures(rows))
    if (leftovers := run.leftovers()) and not output.quiet:
        named = ", ".join(leftovers)
        click.echo(printable(f"{run.folder}: results of models that are not in the batch file: {named}"), err=True)
    states = {row.state for row in rows}
    if not (output.quiet and states <= {*LASTING}):
        click.echo(totals(rows), err=True)
    if is_interrupted:
        left = sum(row.state is State.NOT_DONE for row in rows)
        click.echo(f"interrupted with {left} of {number_of(len(rows), 'models')} left; {_GOING_ON}", err=True)
        return INTERRUPTS.exit_code
    return INTERNAL_ERROR if State.INTERNAL in states else 0 if states <= {*LASTING} else _FAILED


@zoo_command.command("compare")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@grouped_option(
    HelpGroup.ACCURACY,
    "--max-loss",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    metavar="DB",
    help="By how many dB the worst output of a model may lose.",
)
@output_options
def compare_command(old: Path, new: Path, max_loss: float, output: Output) -> int:
    """Compares two runs: which models became worse, and which are new, gone or changed.

    OLD and NEW are folders of results, or a results.jsonl that was kept. A model is worse if its state is, if its worst
    output or its metric loses more than allowed, if fewer layers run in int8, or if it is clearly slower.

    Exit code 0: no model is worse; 1: one is; 2: there are no results.
    """
    with importing():
        from irquant.tools.zoo.compare import Change, compare_rows, read_rows

    found = compare_rows(read_rows(old), read_rows(new), max_loss)
    told = [each for each in found if each.change is not Change.SAME]
    counts = {each: sum(it.change is each for it in found) for each in Change}

    def values() -> dict[str, object]:
        models = [{"name": each.name, "change": each.change, "why": [*each.why]} for each in told]
        return {
            "old": str(old),
            "new": str(new),
            "worse": counts[Change.WORSE],
            "changed": counts[Change.CHANGED],
            "new_models": counts[Change.NEW],
            "gone": counts[Change.GONE],
            "same": counts[Change.SAME],
            "models": models,
        }

    def lines() -> Iterable[str]:
        yield from (f"{each.change}: {each.name}: {'; '.join(each.why)}" for each in told)
        counted = ", ".join(f"{count} {each}" for each, count in counts.items() if count)
        yield f"{number_of(len(found), 'models')}: {counted}"

    output.show(values, lines)
    output.tell_failure(
        f"{each.change}: {each.name}: {'; '.join(each.why)}" for each in told if each.change is Change.WORSE
    )
    return _FAILED if counts[Change.WORSE] else 0


@zoo_command.command("init")
@click.argument("folder", type=click.Path(path_type=Path))
@output_option("The batch file.", default="batch.yaml", show_default=True)
@grouped_option(
    HelpGroup.DATA,
    "--data",
    metavar="PATTERN",
    help="Where samples are, with {name} for the model's name.  [default: calib.npz nearby]",
)
@grouped_option(
    HelpGroup.OUTPUT, "--add", is_flag=True, help="Add the models that an existing batch file does not name yet."
)
@output_options
def init_command(folder: Path, path: Path, data: str | None, output: Output, *, add: bool) -> None:
    """Writes a batch file for the models in FOLDER, in all formats that `irquant quantize` takes.

    FOLDER may have any layout, for example that of Open Model Zoo: public/NAME/FP32/NAME.xml.
    """
    with importing():
        from irquant.ir.atomic_write import write_bytes
        from irquant.tools.zoo.discover import added, batch_text, discover

    found, skipped = discover(folder, data)
    text, found = added(path, found) if add else (batch_text(found, skipped, path.parent), found)
    try:
        if add:
            write_bytes(path, text.encode())
        else:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        more = ", or --add to add models to it" if isinstance(error, FileExistsError) else ""
        message = f"{path}: cannot be written: {error.strerror}; give another -o{more}"
        raise UserError(message) from None
    for each in skipped if not output.quiet else ():
        if each.is_broken:
            click.echo(printable(f"warning: {each.model}: left out: {each.reason}"), err=True)
    output.show(lambda: _init_values(path, found, skipped), lambda: _init_lines(path, found, skipped))


def _init_values(path: Path, found: "Sequence[Found]", skipped: "Sequence[Skipped]") -> dict[str, object]:
    left_out = [{"model": str(each.model), "reason": each.reason, "broken": each.is_broken} for each in skipped]
    counts = {"models": len(found), "left_out": len(skipped), "without_data": sum(each.data is None for each in found)}
    return {"batch": str(path), **counts, "left_out_models": left_out}


def _init_lines(path: Path, found: "Sequence[Found]", skipped: "Sequence[Skipped]") -> Iterable[str]:
    without_data = sum(each.data is None for each in found)
    lack = f" ({without_data} without data, as comments: say where data are)" if without_data else ""
    yield f"{path}: {number_of(len(found), 'models')}{lack}, {len(skipped)} left out"
    yield from (f"left out: {each.model}: {each.reason}" for each in skipped if not each.is_broken)


def _opened(batch: Path, folder: Path, faults: Path | None, page: Path | None, *, force: bool) -> "Run":
    with importing():
        from irquant.tools.zoo.run import Run

    try:
        return Run.of(batch, folder, faults, page, force=force)
    except BatchError as error:
        for line in error.lines:
            click.echo(printable(line), err=True)
        raise


def _check_page(page: Path, *, dry_run: bool) -> None:
    """Checks the place that the user chose before any work."""
    from irquant.tools.report.page import check_page

    check_page(page)
    if dry_run:
        message = "a dry run has nothing to report: leave out --report or --dry-run"
        raise UserError(message)


def _write_page(run: "Run", batch: Path, *, is_asked: bool) -> None:
    """Writes the page about the rows. If the user did not ask for it, a failure is only a warning."""
    from irquant.tools.report.page import PageError
    from irquant.tools.zoo.page import BatchSubject, links_from, write_batch_page

    up_to_date, rows = [each.job.name for each in run.planned if each.record], run.rows()
    links = links_from(run.page, run.folder, rows)
    try:
        write_batch_page(run.page, rows, BatchSubject(batch, run.folder, up_to_date, links))
    except PageError as error:
        if is_asked:
            raise
        click.echo(printable(f"warning: {error}"), err=True)


def _plan_values(run: "Run") -> list[dict[str, object]]:
    return [{"name": each.job.name, "do": bool(each.reason), "why": each.why} for each in run.planned]


def _plan_lines(run: "Run") -> Iterable[str]:
    yield from (f"{each.job.name}: {each.why}" for each in run.planned)
    yield f"{len(run.waiting)} of {number_of(len(run.planned), 'models')} to do"
