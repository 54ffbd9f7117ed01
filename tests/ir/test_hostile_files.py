"""Files that somebody made to harm, or that a disk or a program damaged: an exact refusal, or a correct read."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from irquant.ir import IRError, read_model, to_text, verify, write_model

Change = Callable[[bytes], bytes]
MAKE_NAME = b'name="relu"'


def changed(old: bytes, new: bytes) -> Change:
    def change(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new, 1)

    return change


def refusal(path: Path) -> str:
    with pytest.raises(IRError) as caught:
        read_model(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


LAUGHS = b'<!DOCTYPE net [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed(b"<net ", LAUGHS + b"<net "), "not an OpenVINO IR: DOCTYPE 'net' is not allowed in an IR"),
        (
            lambda data: changed(b"<net ", LAUGHS + b"<net ")(data).decode().encode("utf-16"),
            "not an OpenVINO IR: DOCTYPE 'net' is not allowed in an IR",
        ),
        (
            changed(b"<net ", b'<!DOCTYPE net SYSTEM "file:///etc/passwd"><net '),
            "not an OpenVINO IR: DOCTYPE 'net' is not allowed in an IR",
        ),
        (changed(MAKE_NAME, b'name="&a;"'), "not an OpenVINO IR: not well-formed XML: undefined entity"),
        (
            changed(MAKE_NAME, b'name="a&#1;b"'),
            "not an OpenVINO IR: not well-formed XML: line ",
        ),
        (changed(MAKE_NAME, b'name="\xff"'), "not an OpenVINO IR: not well-formed XML: not well-formed (invalid token): line "),
        (changed(MAKE_NAME, MAKE_NAME * 2), "not an OpenVINO IR: not well-formed XML: "),
        (lambda data: data + b"<net/>", "not an OpenVINO IR: not well-formed XML: junk after document element: line "),
        (
            changed(b"<?xml version=\"1.0\"?>", b'<?xml version="1.0" encoding="no-such"?>'),
            "not an OpenVINO IR: not well-formed XML: unknown encoding: no-such",
        ),
        (changed(MAKE_NAME, MAKE_NAME + b' xmlns:a="b" a:c="d"'), "not an OpenVINO IR: <layer> uses an XML namespace, which an IR never does"),
        (lambda _: b"\0" * 4096, "not an OpenVINO IR: not well-formed XML: not well-formed (invalid token): line 1, column 0"),
        (changed(b"<edges>", b"<edge>"), "not an OpenVINO IR: not well-formed XML: mismatched tag: line "),
        (lambda data: data.replace(b"edges>", b"links>"), "<net> needs the elements <layers> and <edges>"),
        (changed(b'id="1"', b'id="9223372036854775808000"'), "id of layer 'w' is '9223372036854775808000', expected a decimal number"),
        (changed(b'id="1"', b'id="0x1"'), "id of layer 'w' is '0x1', expected a decimal number"),
        (changed(b'id="1"', b'id="\xd9\xa1"'), "id of layer 'w' is '\N{ARABIC-INDIC DIGIT ONE}', expected a decimal number"),
        (changed(b"<dim>6</dim>", b"<dim>-2</dim>"), "layer 'x': port {"),
        (changed(b"<dim>6</dim>", b"<dim>?</dim>"), "layer 'x': port {"),
        (changed(b"<dim>6</dim>", b"<dim>9223372036854775808</dim>"), "layer 'x': port {"),
        (changed(b"<dim>6</dim>", b"<dim>" + b"9" * 5000 + b"</dim>"), "layer 'x': port {"),
        (changed(b'offset="0"', b'offset="9223372036854775807"'), "constant 'w' takes bytes 9223372036854775807..9223372036854776239, but"),
        (changed(b'shape="4, 3, 3, 3"', b'shape="4, -3, 3, 3"'), "constant 'w': a size in its shape is '-3', expected a decimal number"),
        (changed(b'size="432"', b'size="4e2"'), "size of constant 'w' is '4e2', expected a decimal number"),
        (changed(b'<port id="1" precision="FP32"', b'<port id="0" precision="FP32"'), "edge 1 ends at input port 1 of Convolution "),
        (changed(b'<net name="conv" version="11">', b"<net>"), "IR version none; versions 10 and 11 are supported. Convert the model again with 'ovc'"),
    ],
)  # fmt: skip
def test_it_is_refused(conv: Path, change: Change, said: str) -> None:
    conv.write_bytes(change(conv.read_bytes()))
    assert refusal(conv).startswith(said)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.decode().encode("utf-16"),
        lambda data: b"\xef\xbb\xbf" + data,
        changed(b'<?xml version="1.0"?>', b'<?xml version="1.0" encoding="latin-1"?>'),
        changed(b'<?xml version="1.0"?>\n', b""),
        changed(b"<layers>", b"<layers><!-- <layer> --><?hint <layer/> ?>"),
        lambda data: b"<!-- mine --><net" + data.split(b"<net", 1)[1] + b"<!-- </net> -->",
        changed(MAKE_NAME, b"name='relu'"),
        changed(MAKE_NAME, MAKE_NAME + b' mine="1 > 0"'),
        changed(b"<edges>", b"<edges><note/>"),
        changed(b'from-layer="0" from-port="0"', b'from-layer=" 00" from-port="0"'),
    ],
)
def test_unusual_but_legal_files_come_out_with_the_same_content(conv: Path, tmp_path: Path, change: Change) -> None:
    wanted = to_text(read_model(conv), values=True)
    conv.write_bytes(change(conv.read_bytes()))
    graph = read_model(conv)
    assert to_text(graph, values=True).replace(' @mine="1 > 0"', "").replace(' &"<note />"', "") == wanted
    graph.rename(graph.node("x"), "renamed")
    write_model(graph, tmp_path / "o.xml")
    assert to_text(read_model(tmp_path / "o.xml"), values=True) == to_text(graph, values=True)


def test_a_control_character_is_named_with_its_place(conv: Path) -> None:
    conv.write_bytes(conv.read_bytes().replace(MAKE_NAME, b'name="a&#1;b"'))
    line = conv.read_bytes()[: conv.read_bytes().index(b"&#1;")].count(b"\n") + 1
    assert re.fullmatch(
        rf"not an OpenVINO IR: not well-formed XML: line {line}, column \d+: a control character, which XML forbids even "
        "as a reference; rename the layer or tensor",
        refusal(conv),
    )


def test_what_stands_around_the_model_is_kept(conv: Path, tmp_path: Path) -> None:
    data = b'<?xml version="1.0"?>\n<!-- before -->\n<net' + conv.read_bytes().split(b"<net", 1)[1] + b"<!-- behind -->"
    conv.write_bytes(data)
    write_model(read_model(conv), tmp_path / "o.xml")
    assert (tmp_path / "o.xml").read_bytes() == data


def test_a_port_map_that_names_nothing_is_refused(branches: Path) -> None:
    branches.write_text(branches.read_text().replace('external_port_id="1"', 'external_port_id="77"', 1))
    assert refusal(branches).startswith("a port map of If ")
    assert refusal(branches).endswith("speaks of port 77, which is no input or output there")


def test_a_body_keeps_what_the_port_map_names(branches: Path) -> None:
    graph = read_model(branches)
    (node,) = graph.nodes("If")
    body = node.bodies["then_body"]
    (result,) = body.nodes("Result")
    body.remove(result)
    with pytest.raises(IRError, match=r"speaks of layer \d+ of its then_body, which is no input or output there$"):
        verify(graph)


BOMBS = {
    "deep": 'b"<net>" + b"<a>" * 3_000_000',
    "wide": 'b"<net " + b" ".join(b\'a%d="1"\' % i for i in range(1_000_000)) + b"/>"',
    "many": 'b"<net>" + b"<a/>" * 25_000_000 + b"</net>"',
    "long": 'b"<net name=\\"" + b"a" * 100_000_000 + b"\\"/>"',
}


@pytest.mark.parametrize(
    "kind", ["deep", "many", pytest.param("wide", marks=pytest.mark.slow), pytest.param("long", marks=pytest.mark.slow)]
)
def test_bombs_are_bounded_in_time_and_memory(tmp_path: Path, kind: str) -> None:
    script = (
        "import resource, sys, pathlib\n"
        "path = pathlib.Path(sys.argv[1]) / 'm.xml'\n"
        f"path.write_bytes({BOMBS[kind]})\n"
        "from irquant.ir import IRError, read_model\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (30, 30))\n"
        "try:\n    read_model(path)\nexcept IRError as error:\n    print(str(error)[:500])\n"
    )
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # its threads' stacks count as memory
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{tmp_path / 'm.xml'}: ")


def test_files_too_large_to_be_a_model_are_not_read(conv: Path) -> None:
    os.truncate(conv, (1 << 30) + 1)
    assert refusal(conv) == "not an OpenVINO IR: 1073741825 bytes of XML, more than any model has"


@pytest.mark.parametrize("gigabytes", [5, 500])
def test_constants_far_behind_are_read_and_kept_in_files_larger_than_memory(
    conv: Path, tmp_path: Path, gigabytes: int
) -> None:
    weights, far = conv.with_suffix(".bin"), gigabytes << 30
    content = weights.read_bytes()[:432]
    with weights.open("r+b") as file:  # sparse: takes no space
        file.seek(far)
        file.write(content)
    conv.write_text(conv.read_text().replace('offset="0" size="432"', f'offset="{far}" size="432"'))
    graph = read_model(conv)
    assert graph.node("w").array.tobytes() == content
    write_model(graph, tmp_path / "o.xml", compact=True)
    assert (tmp_path / "o.bin").stat().st_size < 1000
    assert read_model(tmp_path / "o.xml").node("w").array.tobytes() == content


@pytest.mark.parametrize("tag", [b"body", b"then_body"])
def test_a_branch_under_another_tag_is_refused(branches: Path, tag: bytes) -> None:
    branches.write_bytes(branches.read_bytes().replace(b"else_body>", tag + b">"))
    with pytest.raises(IRError) as caught:
        verify(read_model(branches))
    assert str(caught.value).partition("): ")[2] in (
        "its bodies are then_body, body, expected then_body, else_body",
        "its bodies are then_body, expected then_body, else_body",
    )
