"""Target files are read: what they may say, what they extend, and every mistake with its path."""

from pathlib import Path

import pytest

from irquant.targets import TargetError, load_target, parse_target, target_names
from tests.targets.target_texts import RULES, SPECS, complaint


def test_a_users_own_file_is_loaded_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(RULES)
    assert load_target(str(tmp_path / "mine.yaml")).name == "t"


def test_a_shipped_target_is_read_once_and_a_file_of_ones_own_each_time(tmp_path: Path) -> None:
    assert load_target("CPU") is load_target("cpu")
    (tmp_path / "mine.yaml").write_text(RULES)
    load_target(str(tmp_path / "mine.yaml"))
    (tmp_path / "mine.yaml").write_text(RULES.replace("name: t", "name: other"))
    assert load_target(str(tmp_path / "mine.yaml")).name == "other"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SPECS, "'rules' is missing"),
        ("- a\n", "expected a mapping with the keys name, aliases, description, extends, device, "),
        ("a: [", "not YAML: line 1, column 5: expected the node content, but found '<stream end>'"),
        (RULES + "rulse: []\n", "unknown key 'rulse'; did you mean 'rules'? known keys: "),
        (RULES.replace("weights: a", "weights: w9"), "rules[0].inputs.weights: no spec 'w9'; there are: a"),
        (
            RULES.replace("data: a", "date: a"),
            "rules[0].inputs.date is 'date'; did you mean 'data'? there are: data, second, hidden, weights, all",
        ),
        (RULES.replace("bits: 8", "bits: 17"), "specs.a.bits is 17; should be less than or equal to 16"),
        (RULES.replace("per_tensor", "per_row"), "specs.a.granularity is 'per_row'; "),
        (RULES.replace("op: MatMul,", ""), "'rules[0].op' is missing"),
        (
            RULES.replace(", granularity: per_tensor", ""),
            "'specs.a.granularity' is missing; there are: per_tensor, per_channel",
        ),
        (RULES + "transparent:\n  - {op: Pad, when: pads}\n", "transparent[0].when[0] is 'pads'; "),
    ],
)
def test_a_mistake_is_named_with_its_path(text: str, said: str) -> None:
    assert complaint(text).startswith(said)


SPEC_KEYS = (
    "bits, modes, granularity, narrow_range, signed, unsigned, never_signed, keeps_mode, zero_point, free_zero_point, slow_zero_point, "
    "absorbs_zero_point, also_levels, level_count, unsupported_reason"
)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("sign: true", f"unknown key 'specs.a8.sign'; did you mean 'signed'? known keys: {SPEC_KEYS}"),
        ("qq: 1", f"unknown key 'specs.a8.qq'; known keys: {SPEC_KEYS}"),
        ("specs: {}", f"unknown key 'specs.a8.specs'; known keys: {SPEC_KEYS}"),
        ("modes: symmetric", "specs.a8.modes is 'symmetric'; should be a list, e.g. ['symmetric']"),
        ("also_levels: 255", "specs.a8.also_levels is 255; should be a list, e.g. [255]"),
        ("level_count: 257", "specs.a8.level_count: found 257, expected 2 to 256: so many levels fit in 8 bits"),
        ("level_count: 1", "specs.a8.level_count: found 1, expected 2 to 256: so many levels fit in 8 bits"),
        (
            "also_levels: [16, 300]",
            "specs.a8.also_levels: found 300, expected 2 to 256: so many levels fit in 8 bits",
        ),
        (
            "level_count: many",
            "specs.a8.level_count is 'many'; should be an integer",
        ),
        ("modes: {symmetric: 1}", "specs.a8.modes is {'symmetric': 1}; should be a list"),
        ("modes: null", "specs.a8.modes is None; should be a list"),
        (
            "modes: [symmetrical]",
            "specs.a8.modes[0] is 'symmetrical'; did you mean 'symmetric'? there are: symmetric, asymmetric",
        ),
    ],
)
def test_a_mistake_inside_a_spec_is_named_with_its_line(keys: str, said: str) -> None:
    with pytest.raises(TargetError) as caught:
        parse_target(
            f"name: t\nrules: []\nspecs:\n  a8:\n    bits: 8\n    granularity: per_tensor\n    {keys}\n", "t.yaml"
        )
    assert str(caught.value) == f"t.yaml, line 7: {said}"


def test_a_misspelt_key_is_told_from_one_that_is_missing_inside_a_spec() -> None:
    assert complaint(RULES.replace("granularity", "granularty")).startswith(
        "unknown key 'specs.a.granularty'; did you mean 'granularity'? known keys: bits, "
    )


@pytest.mark.parametrize("name", ["cpuu", "", "vpu"])
def test_a_target_that_does_not_exist_is_named(name: str) -> None:
    with pytest.raises(TargetError) as caught:
        load_target(name)
    assert str(caught.value).startswith(f"no target '{name}'; ")
    assert f"there are: {', '.join(target_names())}; or give the path of a .yaml file" in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"gone\.yaml: cannot be read: "):
        load_target(str(tmp_path / "gone.yaml"))


def test_a_mistake_is_found_by_its_line() -> None:
    text = (
        SPECS
        + "rules:\n  - {op: Add, inputs: {all: a}}\n  - op: MatMul\n    inputs:\n      data: a\n      weights: b\n"
    )
    with pytest.raises(TargetError) as caught:
        parse_target(text, "t.yaml")
    assert str(caught.value) == "t.yaml, line 9: rules[1].inputs.weights: no spec 'b'; there are: a"


CHAIN = RULES + "stays_float:\n  - because: it is small\n    chain: [{}]\n"


@pytest.mark.parametrize(
    ("chain", "said"),
    [
        ("{op: Add}", "stays_float[0].chain is [{'op': 'Add'}]; "),
        ("{op: Add}, {op: Add, optional: true}", "stays_float[0]: "),
        ("{op: Add, optional: true}, {op: Add}", "stays_float[0]: "),
        ("{op: Add}, {op: Add, stays: true}", "unknown key 'stays_float[0].chain[1].stays'; "),
    ],
)
def test_a_chain_that_cannot_be_is_refused(chain: str, said: str) -> None:
    assert complaint(CHAIN.replace("{}", chain)).startswith(said)


def test_a_target_adds_to_the_one_that_it_extends(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(RULES + "transparent:\n  - op: Reshape\nunified: [Concat]\n")
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nextends: base.yaml\nspecs:\n  b: {bits: 4, granularity: per_tensor}\n"
        "rules:\n  - {op: Add, inputs: {all: b}}\n  - {op: MatMul, inputs: {data: a, weights: b}}\n"
    )
    mine = load_target(str(tmp_path / "mine.yaml"))
    assert (mine.name, list(mine.specs), mine.unified) == ("mine", ["a", "b"], ("Concat",))
    assert [rule.op for rule in mine.rules] == [("Add",), ("MatMul",), ("MatMul",)]
    assert [rule.inputs.get("weights") for rule in mine.rules] == [None, "b", "a"]
    assert mine.transparent[0].op == ("Reshape",)


def test_a_target_may_extend_one_that_comes_with_irquant(tmp_path: Path) -> None:
    (tmp_path / "cpu.yaml").write_text("name: mine\nextends: cpu\nrules:\n  - {op: MatMul, because: I said so}\n")
    mine = load_target(str(tmp_path / "cpu.yaml"))
    assert mine.rules[0].because == "I said so"
    assert mine.rules[1:] == load_target("cpu").rules


@pytest.mark.parametrize(
    ("parent", "said"),
    [
        ("gone.yaml", "mine.yaml, line 2: extends: {}/gone.yaml: cannot be read: "),
        ("mine.yaml", "mine.yaml, line 2: extends: '{}/mine.yaml' extends this file in turn"),
        (
            "other.yaml",
            "mine.yaml, line 2: extends: {}/other.yaml, line 2: extends: '{}/mine.yaml' extends this file in",
        ),
        ("cpuu", "mine.yaml, line 2: extends: no target 'cpuu'; did you mean 'cpu'? "),
        ("list.yaml", "mine.yaml, line 2: extends: {}/list.yaml: expected a mapping with the keys "),
        ("3", "mine.yaml, line 2: extends is 3; should be a text"),
    ],
)
def test_what_cannot_be_extended_is_named(tmp_path: Path, parent: str, said: str) -> None:
    (tmp_path / "mine.yaml").write_text(f"name: mine\nextends: {parent}\nspecs: {{}}\nrules: []\n")
    (tmp_path / "other.yaml").write_text("name: other\nextends: mine.yaml\n")
    (tmp_path / "list.yaml").write_text("- a\n")
    with pytest.raises(TargetError) as caught:
        load_target(str(tmp_path / "mine.yaml"))
    assert str(caught.value).startswith(f"{tmp_path}/" + said.format(*[tmp_path] * 2))


def test_keys_that_files_had_before_mean_what_they_meant() -> None:
    old = "pair_sum_bits: 16\n" + RULES.replace("{op: MatMul,", "{op: MatMul, adds_pairs: true,")
    new = old.replace("pair_sum_bits", "accumulator_bits").replace("adds_pairs", "saturates")
    assert parse_target(old, "t.yaml") == parse_target(new, "t.yaml")
    assert parse_target(new, "t.yaml").rules[0].saturates


def test_names_that_the_user_chose_are_no_keys() -> None:
    text = RULES.replace("  a: {bits", "  beyond: {bits").replace(
        "data: a, weights: a", "data: beyond, weights: beyond"
    )
    assert set(parse_target(text, "t.yaml").specs) == {"beyond"}
    assert complaint("accumulator_bits: 16\npair_sum_bits: 32\n" + RULES).startswith("unknown key 'pair_sum_bits'")


@pytest.mark.parametrize(
    ("former", "today"),
    [
        ("when: channels_by_4_and_16", "when: [], multiples: {in: 4, out: 16}"),
        ("when: [channels_by_4_and_16]", "when: [], multiples: {in: 4, out: 16}"),
        ("when: [undilated, channels_by_4_and_16]", "when: undilated, multiples: {in: 4, out: 16}"),
    ],
)
@pytest.mark.parametrize(
    "where",
    [
        "rules:\n  - {op: MatMul, WHEN}\n",
        "rules: []\ntransparent:\n  - {op: MatMul, WHEN}\n",
        "rules: []\nstays_float:\n  - {because: it, chain: [{op: MatMul, WHEN}, {op: Add}]}\n",
    ],
)
def test_words_that_conditions_had_before_mean_what_they_meant(former: str, today: str, where: str) -> None:
    old, new = (parse_target(SPECS + where.replace("WHEN", each), "t.yaml") for each in (former, today))
    assert old == new
    assert {"in": 4, "out": 16} in [
        dict(each.multiples) for each in (*old.rules, *old.transparent, *(p.chain[0] for p in old.stays_float))
    ]


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("when: channels_by_4_and_16, multiples: {in: 2}", "rules[0].when[0] is 'channels_by_4_and_16'; there are: "),
        ("when: {channels_by_4_and_16: 1}", "rules[0].when is {'channels_by_4_and_16': 1}; should be a list"),
        ("when: [[channels_by_4_and_16]]", "rules[0].when[0] is '['channels_by_4_and_16']'; there are: "),
        ("multiples: {inn: 4}", "rules[0].multiples.inn is 'inn'; did you mean 'in'? there are: in, out"),
        ("multiples: {in: 1}", "rules[0].multiples.in is 1; should be greater than or equal to 2"),
        ("multiples: {out: many}", "rules[0].multiples.out is 'many'; should be an integer"),
        ("multiples: 4", "rules[0].multiples is 4; should be a mapping of keys to values"),
    ],
)
def test_multiples_that_cannot_be_are_refused(condition: str, said: str) -> None:
    assert complaint(f"{SPECS}rules:\n  - {{op: MatMul, {condition}}}\n").startswith(said)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("free_zero_point: maybe", "specs.a.free_zero_point is 'maybe'; should be true or false"),
        (
            "free_zeropoint: true",
            "unknown key 'specs.a.free_zeropoint'; did you mean 'free_zero_point'? known keys: bits, ",
        ),
    ],
)
def test_what_a_spec_cannot_say_is_refused(key: str, said: str) -> None:
    found = complaint(f"name: t\nspecs: {{a: {{bits: 8, granularity: per_tensor, {key}}}}}\nrules: []\n")
    assert found.startswith(said)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            "unsigned: true, zero_point: false",
            "specs.a: unsigned: true leaves no code for values below zero if zero_point is false; change one of them",
        ),
        (
            "modes: [asymmetric], zero_point: false",
            "specs.a: asymmetric ranges need a zero point, and zero_point is false; add symmetric to modes",
        ),
        (
            "signed: true, unsigned: true",
            "specs.a: signed and unsigned are both true; keep the one that says how the device stores the numbers",
        ),
    ],
)
def test_a_spec_that_contradicts_itself_is_refused(keys: str, said: str) -> None:
    assert complaint(f"name: t\nspecs: {{a: {{bits: 8, granularity: per_tensor, {keys}}}}}\nrules: []\n") == said


def test_a_key_that_is_given_twice_is_told_with_both_lines() -> None:
    with pytest.raises(TargetError) as caught:
        parse_target(f"device: A\n{RULES}device: B\n", "t.yaml")
    assert str(caught.value) == "t.yaml, line 7: 'device' is given twice, first in line 1; keep one"


def test_a_spec_that_replaces_an_inherited_one_is_told_to_be_whole() -> None:
    found = complaint("name: t\nextends: cpu\nspecs: {a8: {bits: 8}}\n")
    assert found == (
        "'specs.a8.granularity' is missing; there are: per_tensor, per_channel; "
        "spec 'a8' replaces that of 'cpu' as a whole: give all its keys"
    )


def test_an_alias_of_a_file_is_no_alias_of_one_that_extends_it(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("aliases: [b]\n" + RULES)
    (tmp_path / "mine.yaml").write_text("name: mine\nextends: base.yaml\naliases: m\n")
    assert load_target(str(tmp_path / "mine.yaml")).aliases == ("m",)
    with pytest.raises(TargetError, match=r"^no target 'b'; "):
        load_target("b")


def test_a_mistake_in_a_former_key_has_its_line() -> None:
    with pytest.raises(TargetError, match=r"^t\.yaml, line 2: accumulator_bits is 'abc'"):
        parse_target("name: t\npair_sum_bits: abc\n" + RULES.removeprefix("name: t\n"), "t.yaml")


@pytest.mark.parametrize("value", ["-1", "many", "[30]"])
def test_decibels_are_a_number_from_zero_on(value: str) -> None:
    with pytest.raises(TargetError, match=r"^t\.yaml, line 1: attention_sqnr is "):
        parse_target(f"attention_sqnr: {value}\n{RULES}", "t.yaml")
