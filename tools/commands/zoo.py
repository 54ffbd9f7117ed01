"""`irquant zoo`: many models from one batch file."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from irquant.ir import UserError, printable
from irquant.tools.options.completion import words
from irquant.tools.options.options import force_option, output_option
from irquant.tools.terminal.command_group import CommandGroup
from irquant.tools.terminal.fault_option import fault_option
from irquant.tools.terminal.help_groups import HelpGroup, grouped_option
from irquant.tools.terminal.importing import importing
from irquant.tools.terminal.output import Output, output_options
from irquant.tools.zoo.batch_errors import BatchError

if TYPE_CHECKING:  # slow imports are inside the functions that need them, since other commands import this module
    from irquant.tools.zoo.discover import Found, Skipped
    from irquant.tools.zoo.plan import PlannedJob
    from irquant.tools.zoo.run import Run

_FAILED, _INTERRUPTED = 1, 130
#: Models at a time. A large part of a quantization runs on one core, but each model takes memory.
_AT_A_TIME = 4


class _Group(CommandGroup):
    """A group whose first argument may be a batch file for the default command `run`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_command = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if is_command or not args else ["run", *args])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Completes commands, and files where no command fits."""
        return super().shell_complete(ctx, incomplete) or [CompletionItem(incomplete, type="file")]


@click.group("zoo", cls=_Group)
def zoo_command() -> None:
    """Quantizes many models: `irquant zoo BATCH.yaml`; `irquant zoo init DIR` writes a batch file for a folder.

    docs/zoo.md describes the file. You can stop a run at any time: the same command continues with what is missing or
    has changed since.
    """


@zoo_command.command("run")
@click.argument("batch", type=click.Path(path_type=Path, dir_okay=False))
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
    failed at a model.
    """
    with importing():
        from irquant.passes.runtime.core import cores
        from irquant.tools.terminal.internal_errors import INTERNAL_ERROR
        from irquant.tools.zoo.display import display, print_rows
        from irquant.tools.zoo.record import State

    if page:
        _check_page(page, dry_run=dry_run)
    folder = (output_dir or batch.parent / "zoo_results").absolute()
    run = _opened(batch, folder, report_fault and report_fault.absolute(), page, force=force)
    if dry_run:
        output.show(lambda: _plan_values(run), lambda: _plan_lines(run))
        return 0
    is_interrupted = False
    up_to_date = len(run.planned) - len(run.waiting)
    with display(up_to_date, len(run.planned), quiet=output.quiet) as shown:
        try:
            run.work(jobs or min(_AT_A_TIME, cores()), cluster, shown)
        except KeyboardInterrupt:
            is_interrupted = True
    rows = run.rows()
    output.show_by(lambda: [row.model_dump(mode="json") for row in rows], lambda: print_rows(rows))
    run.write_rows()
    _write_page(run, batch, page)
    output.tell_failure(f"{row.name}: {row.state}: {row.message}" for row in rows if row.message)
    if (leftovers := run.leftovers()) and not output.quiet:
        named = ", ".join(leftovers)
        click.echo(printable(f"{run.folder}: results of models that are not in the batch file: {named}"), err=True)
    if is_interrupted:
        done = sum(row.state is not State.NOT_DONE for row in rows)
        click.echo(f"interrupted; {done} of {len(rows)} models are done; the same command continues the run", err=True)
        return _INTERRUPTED
    states = {row.state for row in rows}
    return INTERNAL_ERROR if State.INTERNAL in states else 0 if states <= {State.DONE} else _FAILED


@zoo_command.command("init")
@click.argument("folder", type=click.Path(path_type=Path))
@output_option("The batch file.", default="batch.yaml", show_default=True)
@grouped_option(
    HelpGroup.DATA,
    "--data",
    metavar="PATTERN",
    help="Where samples are, with {name} for the model's name.  [default: calib.npz nearby]",
)
@output_options
def init_command(folder: Path, path: Path, data: str | None, output: Output) -> None:
    """Writes a batch file for the models in FOLDER, in all formats that `irquant quantize` takes.

    FOLDER may have any layout, for example that of Open Model Zoo: public/NAME/FP32/NAME.xml.
    """
    with importing():
        from irquant.tools.zoo.discover import batch_text, discover

    found, skipped = discover(folder, data)
    text = batch_text(found, skipped, path.parent)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        message = f"{path}: cannot be written: {error.strerror}; give another -o"
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
    hint = f"; {without_data} of them without data" if without_data else ""
    yield f"{path}: {len(found)} models, {len(skipped)} left out{hint}"
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


def _write_page(run: "Run", batch: Path, page: Path | None) -> None:
    """Writes the page about the rows. If the user did not ask for it, a failure is only a warning."""
    from irquant.tools.report.page import PageError
    from irquant.tools.zoo.page import BatchSubject, write_batch_page
    from irquant.tools.zoo.run import PAGE

    up_to_date = [each.job.name for each in run.planned if not each.reason]
    try:
        write_batch_page(page or run.folder / PAGE, run.rows(), BatchSubject(batch, run.folder, up_to_date))
    except PageError as error:
        if page:
            raise
        click.echo(printable(f"warning: {error}"), err=True)


def _plan_values(run: "Run") -> list[dict[str, object]]:
    return [{"name": each.job.name, "do": bool(each.reason), "why": _why(each)} for each in run.planned]


def _plan_lines(run: "Run") -> Iterable[str]:
    yield from (f"{each.job.name}: {_why(each)}" for each in run.planned)
    yield f"{len(run.waiting)} of {len(run.planned)} models to do"


def _why(planned: "PlannedJob") -> str:
    return planned.reason or "up to date"
