"""The targets that ship with irquant: what is special about each, and what holds of all."""

import base64
import zlib
from functools import cache

import pytest

from irquant.ir import from_text
from irquant.targets import (
    Granularity,
    Mode,
    check_target,
    load,
    load_target,
    parse_target,
    target_names,
    target_text,
)
from irquant.targets.load import target_name


def test_the_shipped_targets_load_and_are_called_as_their_files() -> None:
    assert "cpu" in target_names()
    assert [load_target(name).name for name in target_names()] == target_names()


def test_the_cpu_takes_symmetric_weights_of_255_levels_and_activations_of_256() -> None:
    cpu = load_target("cpu")
    assert (cpu.specs["w8"].levels(Mode.SYMMETRIC), cpu.specs["w8"].modes) == (255, (Mode.SYMMETRIC,))
    assert (cpu.specs["a8"].levels(Mode.SYMMETRIC), cpu.specs["a8"].modes) == (256, (Mode.SYMMETRIC, Mode.ASYMMETRIC))
    assert cpu.specs["a8_channel"].granularity is Granularity.PER_CHANNEL


@pytest.mark.parametrize("name", target_names())
def test_the_shipped_targets_speak_of_what_there_is(name: str) -> None:
    assert check_target(name).name == name


#: The specs with a zero point that costs no time, where that is known of a device.
FREE = {"a8", "a8_conv", "a8_dense", "a8_pointwise", "a8_absorbed", "a8_shifted", "a8_unsigned"}


@pytest.mark.parametrize("name", target_names())
def test_a_zero_point_is_free_where_that_is_known(name: str) -> None:
    free = {spec for spec, found in load_target(name).specs.items() if found.free_zero_point}
    assert free == (FREE if name.startswith("cpu") else set())


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("CPU", "cpu"),
        ("any", "cpu"),
        ("ANY", "cpu"),
        ("GNA3", "gna"),
        ("gna3.5", "gna"),
        ("gna4", "gna4"),
        ("VPU", "VPU"),
        ("CPU.yaml", "CPU.yaml"),
        ("any.yaml", "any.yaml"),
        ("", ""),
    ],
)
def test_a_target_is_known_by_name_and_alias_in_any_case(device: str, name: str) -> None:
    assert target_name(device) == name


def test_a_target_is_loaded_by_its_alias_and_one_without_a_name_is_any() -> None:
    assert load_target("GNA3.5") == load_target("gna")
    assert load_target() == load_target("any") == load_target("cpu")


@pytest.mark.parametrize("name", target_names())
def test_a_shipped_target_is_what_the_reader_of_user_files_makes_of_it(name: str) -> None:
    assert load_target(name) == parse_target(target_text(name), name)


def test_a_shipped_file_is_read_once_for_its_alias_and_those_that_extend_it(monkeypatch: pytest.MonkeyPatch) -> None:
    read = list[str]()
    monkeypatch.setattr(load, "_shipped", cache(load._shipped.__wrapped__))
    monkeypatch.setattr(load, "_shipped_content", cache(load._shipped_content.__wrapped__))

    def counted(name: str) -> str:
        read.append(name)
        return target_text(name)

    monkeypatch.setattr(load, "target_text", counted)
    assert [load_target(name).name for name in ("any", "cpu", "gpu")] == ["cpu", "cpu", "gpu"]
    assert read == ["cpu", "gpu"]


def test_no_two_targets_share_a_name_or_alias() -> None:
    words = [word for name in target_names() for word in (name, *load_target(name).aliases)]
    assert len(words) == len(set(words))
    assert words == [word.lower() for word in words]
    assert load_target("cpu_avx2").aliases == ()


def test_gna_takes_16_bits_and_8_bit_weights_of_products() -> None:
    gna = load_target("gna")
    assert [(rule.op, dict(rule.inputs)) for rule in gna.rules[:3]] == [
        (("Convolution",), {"data": "a16", "weights": "w16"}),
        (("MatMul",), {"all": "a16"}),
        (("MatMul",), {"data": "a16", "weights": "w8"}),
    ]
    assert tuple(gna.specs[name].levels(Mode.SYMMETRIC) for name in ("a16", "w16", "w8")) == (65536, 65535, 255)


def test_cpus_without_vnni_differ_in_the_sums_of_pairs_and_in_one_kernel() -> None:
    avx2, cpu = load_target("cpu_avx2"), load_target("cpu")
    assert (cpu.accumulator_bits, avx2.accumulator_bits) == (32, 16)
    assert cpu.specs["a8_dense"].slow_zero_point  # with AMX, which they have not either
    same = {**cpu.specs, "a8_dense": cpu.specs["a8_conv"]}
    assert (avx2.specs, avx2.transparent) == (same, cpu.transparent)
    assert [rule.when for rule in avx2.rules if rule not in cpu.rules] == [("groups_not_by_4",)]


def test_cpus_ask_for_probabilities_that_8_bits_keep() -> None:
    asked = {name: load_target(name).attention_sqnr for name in target_names()}
    assert asked == {name: 34 if name in ("cpu", "cpu_avx2", "cpu_spr") else 0 for name in asked}


def test_gpus_keep_attention_and_transposed_convolutions_of_odd_channels() -> None:
    graph = from_text(
        """
        x: f32[1,6,8,8] = Parameter()
        y: f32[1,8,8,8] = Parameter()
        v: f32[6,16,2,2] = Const() {zeros}
        odd: f32[1,16,16,16] = ConvolutionBackpropData(x, v)
        even: f32[1,16,16,16] = ConvolutionBackpropData(y, v)
        a: f32[1,8,8,8] = ScaledDotProductAttention(y, y, y) causal="false"
    """.replace("{zeros}", "base64:" + base64.b64encode(zlib.compress(bytes(4 * 6 * 16 * 4))).decode())
    )
    gpu = load_target("gpu")
    rules = {name: gpu.rule(graph.node(name)) for name in ("odd", "even", "a")}
    assert {name: bool(rule and rule.inputs) for name, rule in rules.items()} == {
        "odd": False,
        "even": True,
        "a": False,
    }


@pytest.mark.parametrize("name", target_names())
def test_each_rule_of_a_shipped_target_can_decide_something(name: str) -> None:
    assert check_target(name).name == name
