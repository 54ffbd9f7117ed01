"""Regions that int8 makes slower: neighbours together, the highest gain for a layer first."""

from collections.abc import Collection, Mapping

import pytest

from irquant.passes.tuning.regions import Region, first_cut, slower_regions, slowest_but

EDGES = [("a", "b"), ("b", "c"), ("c", "d")]
FLOAT = dict.fromkeys("abcd", 10.0)


def region(layers: str, saved: float) -> tuple[frozenset[str], float]:
    return frozenset(layers), saved


def found(
    after: Mapping[str, float], int8: set[str], edges: Collection[tuple[str, str]] = EDGES
) -> list[tuple[frozenset[str], float]]:
    return [(each.layers, round(each.saved, 6)) for each in slower_regions(FLOAT, after, int8, edges)]


def test_neighbours_that_are_slower_are_one_region_and_others_another() -> None:
    after = {"a": 12.0, "b": 13.0, "c": 4.0, "d": 19.0}
    assert found(after, set("abcd")) == [region("d", 9.0), region("ab", 5.0)]


def test_what_profiles_cannot_tell_apart_is_not_slower() -> None:
    assert found({**FLOAT, "a": 10.05}, set("abcd")) == []


def test_a_layer_that_the_device_fused_costs_nothing() -> None:
    assert found({}, set("abcd")) == []


def test_int8_layers_join_a_float_layer_that_pays_for_their_conversions() -> None:
    after = {"a": 9.0, "b": 14.0, "c": 5.0, "d": 5.0}
    assert found(after, {"a", "c", "d"}) == [region("a", 3.0)]


def test_they_do_not_if_they_gain_more_than_the_conversions_cost() -> None:
    after = {"a": 5.0, "b": 14.0, "c": 5.0, "d": 5.0}
    assert found(after, {"a", "c", "d"}) == []


def test_a_slow_float_layer_without_int8_layers_before_it_cannot_be_helped() -> None:
    assert found({**FLOAT, "a": 20.0}, {"b"}) == []


def test_without_neighbours_each_layer_is_its_own_region() -> None:
    after = {"a": 12.0, "b": 13.0, "c": 10.0, "d": 10.0}
    assert found(after, set("abcd"), ()) == [region("b", 3.0), region("a", 2.0)]


@pytest.mark.parametrize(("share", "layers"), [(0.5, "a"), (0.7, "abc"), (1.0, "abc")])
def test_a_cut_takes_as_few_regions_as_make_up_the_share(share: float, layers: str) -> None:
    regions = [Region(frozenset("a"), 6.0), Region(frozenset("bc"), 4.0)]
    assert first_cut(regions, share) == frozenset(layers)


def test_no_region_is_no_cut() -> None:
    assert first_cut([], 1.0) == frozenset()


def test_only_clear_gains_stay_in_int8() -> None:
    after = {"a": 5.0, "b": 9.7, "c": 12.0, "d": 1.0}
    assert slowest_but(FLOAT, after, {"a", "b", "c"}, 0.01) == {"b", "c"}
