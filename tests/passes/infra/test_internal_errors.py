"""What is irquant's own fault: told from mistakes of the user, with pass and layer, and reported without weights."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from irquant.ir import Graph, IRError, Node, UserError, from_text, to_text, verify
from irquant.passes import Context, InternalError, Pass, PassManager
from irquant.passes.infra.base import PassFailure
from irquant.passes.infra.internal_errors import (
    FaultFolderError,
    blamed_node,
    complaint,
    described,
    is_internal,
    write_fault,
)
from irquant.passes.runtime.core import RuntimeRejectedError
from irquant.passes.runtime.probe import is_accepted
from irquant.passes.transforms.normalize import Normalize
from irquant.targets import load_target

ATTRIBUTES = 'strides="1, 1" dilations="1, 1" pads_begin="0, 0" pads_end="0, 0" auto_pad="explicit"'
CHAIN = "\n".join(
    f"w{index}: f32[2,2,1,1] = Const() [1.0, 2.0, 3.0, 4.0]\n"
    f"c{index + 1}: f32[1,2,4,4] = Convolution(c{index}, w{index}) {ATTRIBUTES}"
    for index in range(9)
)
MODEL = f"c0: f32[1,2,4,4] = Parameter()\n{CHAIN}\nout = Result(c9)\n"


@dataclass(frozen=True)
class Fails(Pass):
    """Does something to the layer of a name."""

    where: str
    error: Exception | None = None

    name: ClassVar[str] = "fails"

    def run(self, graph: Graph, context: Context) -> int:
        for node in graph.nodes("Convolution"):
            if node.name == self.where:
                self.work(node)
        return 0

    def work(self, node: Node) -> float:
        if self.error:
            raise self.error
        return sum(dict[object, float]()[each] for each in node.outputs)


class Ours(Fails):
    """As if it were one of irquant's own."""


Ours.__module__ = "irquant.passes.ours"


def failed(pass_: Fails) -> PassFailure:
    with pytest.raises(PassFailure) as caught:
        PassManager([pass_]).run(from_text(MODEL), Context(load_target("cpu")))
    return caught.value


def test_the_layer_that_was_being_worked_on_is_found_whatever_the_pass_does() -> None:
    error = failed(Ours("c4"))
    assert isinstance(error, InternalError)
    assert not isinstance(error, UserError), "what the user does about an input is of no use here"
    assert isinstance(error.__cause__, KeyError)
    assert (error.pass_name, error.layer) == ("fails", "c4")
    assert str(error) == f"pass 'fails' failed at Convolution 'c4' (id 8): KeyError: {error.__cause__}"


def test_a_pass_of_the_users_own_is_the_users() -> None:
    error = failed(Fails("c4", ValueError("mine")))
    assert not is_internal(error)
    said = r"pass 'fails' failed at Convolution 'c4' \(id 8\): ValueError: mine \(.+test_internal_errors\.py:\d+\)"
    assert re.fullmatch(said, str(error))


def test_a_wrong_edit_of_the_graph_is_no_mistake_of_the_user() -> None:
    assert is_internal(failed(Ours("c1", IRError("no node is named 'x'"))))


def test_a_model_that_the_runtime_takes_is_not_blamed_for_what_was_made_of_it() -> None:
    error = failed(Ours("c1", RuntimeRejectedError("Unsupported operation")))
    assert is_internal(error)
    assert str(error).endswith("RuntimeRejectedError: Unsupported operation")


def test_a_model_that_the_runtime_does_not_take_is_the_users() -> None:
    unknown = from_text(
        'x: f32[1] = Parameter()\ny: f32[1] = Unheard."extension"(x)\nout = Result(y)\n'.replace(
            '."extension"', ".opset1"
        )
    )
    assert not is_accepted(unknown)
    with pytest.raises(RuntimeRejectedError, match=r"^refused$"):
        PassManager([Refused()]).run(unknown, Context(load_target("cpu")))


def test_a_model_whose_shapes_the_runtime_finds_different_is_the_users() -> None:
    text = (
        "x: f32[1,2] = Parameter()\ntimes: i64[2] = Const() [1, 3]\n"
        "y: f32[1,4] = Tile(x, times)\nz: f32[1,4] = ReLU(y)\nout = Result(z)\n"
    )
    assert is_accepted(from_text(text))
    with pytest.raises(RuntimeRejectedError) as caught:
        PassManager([Refused()]).run(from_text(text), Context(load_target("cpu")))
    assert str(caught.value) == (
        "Tile 'y': the runtime computes an output of shape [1,6], and the model says [1,4]: convert the model again"
    )


@dataclass(frozen=True)
class Refused(Pass):
    name: ClassVar[str] = "refused"

    def run(self, graph: Graph, context: Context) -> int:
        message = "refused"
        raise RuntimeRejectedError(message)


def test_the_limit_of_the_machine_is_no_fault_of_ours() -> None:
    with pytest.raises(MemoryError) as caught:
        PassManager([Ours("c1", MemoryError("2 GB"))]).run(from_text(MODEL), Context(load_target("cpu")))
    assert not is_internal(caught.value)
    assert complaint(caught.value) == "not enough memory: 2 GB; give fewer or smaller samples, or more memory"


def test_errors_outside_of_passes_find_their_layer_too() -> None:
    graph = from_text(MODEL)
    with pytest.raises(KeyError) as caught:
        Ours("c4").work(graph.node("c3"))
    assert is_internal(caught.value)
    assert blamed_node(caught.value) == graph.node("c3")
    assert described(caught.value).startswith("irquant failed at Convolution 'c3' (id 6): KeyError: ")


def test_a_reproduction_holds_the_layers_around_the_place_and_no_weights(tmp_path: Path) -> None:
    error = failed(Ours("c5"))
    write_fault(error, tmp_path / "f", {"command": "irquant quantize m.xml"})
    assert sorted(each.name for each in (tmp_path / "f").iterdir()) == ["fault.txt", "neighbourhood.txt"]
    about = (tmp_path / "f" / "fault.txt").read_text()
    assert about.startswith(f"{error}\n\nirquant: ")
    for part in (
        "pass: fails\n",
        "layer: Convolution 'c5' (id 10)\n",
        "command: irquant quantize m.xml\n",
        "Traceback",
    ):
        assert part in about
    text = (tmp_path / "f" / "neighbourhood.txt").read_text()
    assert text.splitlines()[1:4] == [
        "c1/0: f32[1,2,4,4] = Parameter()",
        "w1: f32[2,2,1,1] = Const() ...",
        f"c2: f32[1,2,4,4] = Convolution(c1/0, w1) {ATTRIBUTES}",
    ]
    assert text.splitlines()[-1] == "c8/result = Result(c8)"
    model = from_text(text, fill=True)
    assert [node.name for node in model.nodes("Convolution")] == [f"c{index}" for index in range(2, 9)]
    Normalize().run(model, Context(load_target("cpu")))
    verify(model)
    assert is_accepted(model)


def test_small_integers_are_told_since_they_are_parameters(tmp_path: Path) -> None:
    graph = from_text(
        "x: f32[2,3] = Parameter()\nshape: i64[1] = Const() [6]\ny: f32[6] = Reshape(x, shape)\nout = Result(y)\n"
    )
    with pytest.raises(KeyError) as caught:
        Ours("y").work(graph.node("y"))
    write_fault(caught.value, tmp_path)
    assert "shape: i64[1] = Const() [6]\n" in (tmp_path / "neighbourhood.txt").read_text()
    assert to_text(graph, weights=False) == to_text(graph)


def test_a_folder_that_is_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("dear")
    with pytest.raises(FaultFolderError) as caught:
        write_fault(ValueError(), tmp_path)
    assert str(caught.value) == f"{tmp_path}: exists and is not an empty folder; give a new one for the reproduction"


def test_values_that_are_made_up_are_the_same_each_time() -> None:
    text = "w: f32[40] = Const() ...\nout = Result(w)\n"
    one, other = (from_text(text, fill=True).node("w").array for _ in range(2))
    assert np.array_equal(one, other)
    with pytest.raises(IRError, match=r"^line 1: a constant is abbreviated: "):
        from_text(text)
