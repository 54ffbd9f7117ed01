"""The work of `irquant targets`."""

from collections.abc import Iterable
from pathlib import Path

import click

from irquant.targets import Target, check_target, load_target, target_names, target_text
from irquant.tools.terminal.output import Output

#: Targets for x86 CPUs, and the flags of which a CPU must have one; the first that fits is the one to take.
_CPUS = {"cpu_spr": {"amx_int8"}, "cpu": {"avx512_vnni", "avx_vnni"}, "cpu_avx2": {"avx2"}}
#: Where Linux says what the CPU can do; `lscpu` prints the same flags.
_CPU_INFO = Path("/proc/cpuinfo")


def run_list(output: Output) -> None:
    """Lists the targets that ship with irquant."""
    found, fitting = [load_target(name) for name in target_names()], _fitting()
    output.show(
        lambda: [{**_values(each), "fits_this_cpu": each.name == fitting if fitting else None} for each in found],
        lambda: (_line(each, is_fitting=each.name == fitting) for each in found),
    )


def _fitting() -> str:
    """The target for the CPU of this machine; empty: unknown."""
    try:
        words = set(_CPU_INFO.read_text(encoding="utf-8", errors="replace").split())
    except OSError:  # another system than Linux
        return ""
    return next((name for name, flags in _CPUS.items() if flags & words), "")


def run_show(name: str, output: Output) -> None:
    """Prints the file of a target."""
    output.show_by(lambda: load_target(name).model_dump(mode="json"), lambda: click.echo(target_text(name), nl=False))


def run_check(file: Path, output: Output) -> None:
    """Checks a target file."""
    target = check_target(str(file))
    output.show(lambda: {"file": str(file), **_values(target)}, lambda: _check_lines(file, target))


def _line(target: Target, *, is_fitting: bool) -> str:
    aliases = f"; also called {', '.join(target.aliases)}" if target.aliases else ""
    return f"{target.name:10} {target.description}{aliases}{' <- this machine' if is_fitting else ''}"


def _check_lines(file: Path, target: Target) -> Iterable[str]:
    counts = f"rules: {len(target.rules)}, specs: {len(target.specs)}"
    default = "" if "device" in target.model_fields_set else " (default: the file names none)"
    yield f"{file}: target '{target.name}' is fine: device {target.device}{default}, {counts}"


def _values(target: Target) -> dict[str, object]:
    return {
        "name": target.name,
        "aliases": list(target.aliases),
        "description": target.description,
        "device": target.device,
        "rules": len(target.rules),
        "specs": len(target.specs),
    }
