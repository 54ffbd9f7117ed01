"""`import irquant`: what is public at the top, what it costs, and `python -m irquant`."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import irquant
from irquant.passes import QuantizationConfig


def test_the_public_names_are_where_the_documents_say() -> None:
    assert irquant.__all__ == sorted(irquant.__all__, key=lambda name: (name[0].islower(), name.strip("_")))
    assert dir(irquant) == sorted(irquant.__all__)
    assert irquant.QuantizationConfig is QuantizationConfig
    assert all(getattr(irquant, name) for name in irquant.__all__)
    assert irquant.__version__ == version("irquant")


def test_a_name_that_does_not_exist_is_refused() -> None:
    with pytest.raises(AttributeError, match="module 'irquant' has no attribute 'quantise'"):
        getattr(irquant, "quantise")  # noqa: B009 - type checkers know that there is none


def test_nothing_is_imported_before_it_is_used() -> None:
    script = "import sys, irquant; print('numpy' in sys.modules, 'openvino' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


def test_the_package_is_a_command() -> None:
    done = subprocess.run([sys.executable, "-m", "irquant", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"irquant {version('irquant')}\n"
