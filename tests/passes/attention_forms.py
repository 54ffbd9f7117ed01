"""One layer of attention in the forms in which exporters write it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op

TOKENS, HEADS, SIZE = 16, 2, 16
WIDTH = HEADS * SIZE
#: The lowest number, as exporters have it in masks.
LOW = float(np.finfo(np.float32).min)
_CAUSAL = np.tril(np.ones((1, 1, TOKENS, TOKENS), bool))
#: Heads of queries, keys and values, [N, H, T, D], and 1 for each token that counts, else 0, [N, T] -> mixed values.
Form = Callable[[Any, Any, Any, Any], Any]


def numbers(value: object) -> Any:
    return op.constant(np.asarray(value, np.float32))


def drawn(*shape: int, seed: int = 5) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=shape)


def linear(tensor: Any, seed: int, gain: float = 1.0) -> Any:
    return op.matmul(tensor, numbers(drawn(WIDTH, WIDTH, seed=seed) * gain / 6), False, True)


def shaped(tensor: Any, *sizes: int) -> Any:
    return op.reshape(tensor, op.constant(np.array(sizes)), False)


def turned(tensor: Any, *order: int) -> Any:
    return op.transpose(tensor, op.constant(np.array(order)))


def cut(tensor: Any, stop: int, axis: int) -> Any:
    return op.slice(tensor, *(op.constant(np.array([each])) for each in (0, stop, 1, axis)))


def seen(counts: Any) -> Any:
    return op.not_equal(op.unsqueeze(counts, op.constant([1, 2])), numbers(0))


def added(counts: Any) -> Any:
    return op.multiply(op.subtract(numbers(1), op.unsqueeze(counts, op.constant([1, 2]))), numbers(LOW))


def scores(q: Any, k: Any) -> Any:
    return op.multiply(op.matmul(q, k, False, True), numbers(SIZE**-0.5))


def mixed(weights: Any, v: Any) -> Any:
    return op.matmul(weights, v, False, False)


def written_out(
    before: Callable[[Any, Any], Any], behind: Callable[[Any, Any], Any] = lambda weights, counts: weights
) -> Form:
    """With something done to the scores before the softmax, and to the weights behind it."""
    return lambda q, k, v, counts: mixed(behind(op.softmax(before(scores(q, k), counts), -1), counts), v)


def masked(found: Any, counts: Any) -> Any:
    return op.add(found, added(counts))


def whole(mask: Callable[[Any], list[Any]], *, causal: bool = False) -> Form:
    return lambda q, k, v, counts: op.scaled_dot_product_attention(q, k, v, *mask(counts), causal=causal)


def where_zeros_multiply(found: Any, _: Any) -> Any:
    low = op.multiply(op.subtract(numbers(1), numbers(_CAUSAL)), numbers(1e4))
    return op.subtract(op.multiply(found, numbers(_CAUSAL)), low)


def capped(found: Any, counts: Any) -> Any:
    return masked(op.multiply(op.tanh(op.divide(found, numbers(5))), numbers(5)), counts)


def without_nan(weights: Any, _: Any) -> Any:
    return op.select(op.is_nan(weights), numbers(0), weights)


def with_sink(found: Any, counts: Any) -> Any:
    found = masked(found, counts)
    column = op.add(op.multiply(cut(found, 1, 3), numbers(0)), numbers(drawn(1, HEADS, 1, 1)))
    return op.concat([found, column], 3)


def rotated(tensor: Any) -> Any:
    angles = np.outer(np.arange(TOKENS), 10.0 ** -(np.arange(SIZE // 2) / (SIZE // 2)))
    both = np.concatenate([angles, angles], 1)
    one, other = op.split(tensor, op.constant(3), 2).outputs()
    half_turn = op.concat([op.negative(other), one], 3)
    return op.add(op.multiply(tensor, numbers(np.cos(both))), op.multiply(half_turn, numbers(np.sin(both))))


def of_stacked_heads(q: Any, k: Any, v: Any, counts: Any) -> Any:
    """As torch.bmm takes it, [N H, T, D]; the mask is added to [N, H, T, T]."""
    q, k, v = (shaped(each, -1, TOKENS, SIZE) for each in (op.multiply(q, numbers(SIZE**-0.5)), k, v))
    found = masked(shaped(op.matmul(q, k, False, True), -1, HEADS, TOKENS, TOKENS), counts)
    weights = op.softmax(shaped(found, -1, TOKENS, TOKENS), -1)
    return shaped(mixed(weights, v), -1, HEADS, TOKENS, SIZE)


def in_halves(q: Any, k: Any, v: Any, counts: Any) -> Any:
    """Products in f16, the softmax in f32."""
    q, k, v = (op.convert(each, "f16") for each in (op.multiply(q, numbers(SIZE**-0.5)), k, v))
    found = op.convert(op.matmul(q, k, False, True), "f32")
    return op.convert(mixed(op.convert(op.softmax(masked(found, counts), -1), "f16"), v), "f32")


def in_windows(q: Any, k: Any, v: Any, _: Any) -> Any:
    """Windows of four tokens, with relative biases and a mask for each window."""
    parts = ((shaped(each, -1, HEADS, 4, TOKENS // 4, SIZE)) for each in (q, k, v))
    q, k, v = (shaped(turned(each, 0, 2, 1, 3, 4), -1, HEADS, TOKENS // 4, SIZE) for each in parts)
    found = shaped(op.add(scores(q, k), numbers(drawn(1, HEADS, 4, 4))), -1, 4, HEADS, 4, 4)
    found = op.add(found, numbers(np.where(drawn(1, 4, 1, 4, 4) < 1, 0, -100)))
    heads = mixed(op.softmax(shaped(found, -1, HEADS, 4, 4), -1), v)
    return shaped(turned(shaped(heads, -1, 4, HEADS, 4, SIZE), 0, 2, 1, 3, 4), -1, HEADS, TOKENS, SIZE)


def grouped(q: Any, k: Any, v: Any, counts: Any) -> Any:
    """Keys and values of one head, repeated for the others."""
    target = op.constant(np.array([1, HEADS, 1, 1]))
    k, v = (op.broadcast(cut(each, 1, 1), target, broadcast_spec="BIDIRECTIONAL") for each in (k, v))
    return written_out(masked)(q, k, v, counts)


def by_einsum(q: Any, k: Any, v: Any, counts: Any) -> Any:
    found = op.multiply(op.einsum([q, k], "bhqd,bhkd->bhqk"), numbers(SIZE**-0.5))
    return op.einsum([op.softmax(masked(found, counts), -1), v], "bhqk,bhkd->bhqd")


def along_columns(q: Any, k: Any, v: Any, counts: Any) -> Any:
    """The transpose of all: V^T softmax(K Q^T)."""
    found = op.add(scores(k, q), turned(added(counts), 0, 1, 3, 2))
    return turned(op.matmul(v, op.softmax(found, 2), True, False), 0, 1, 3, 2)


def with_flags(found: Any, counts: Any) -> Any:
    ones = op.convert(seen(counts), "f32")
    return op.add(found, op.multiply(op.subtract(numbers(1), ones), numbers(-1e4)))


#: All compute the same: attention to the tokens that count.
OF_COUNTED_TOKENS: dict[str, Form] = {
    "fused with a mask of floats": whole(lambda counts: [added(counts)]),
    "fused with a boolean mask": whole(lambda counts: [seen(counts)]),
    "Add": written_out(masked),
    "Select": written_out(lambda found, counts: op.select(seen(counts), found, numbers(LOW))),
    "Select of infinity": written_out(
        lambda found, counts: op.select(op.logical_not(seen(counts)), numbers(-np.inf), found)
    ),
    "boolean mask converted": written_out(with_flags),
    "bounded": written_out(lambda found, counts: op.maximum(masked(found, counts), numbers(LOW))),
    "clamped": written_out(lambda found, counts: op.clamp(masked(found, counts), LOW, -LOW)),
    "weights without NaN": written_out(masked, without_nan),
    "weights of others zero": written_out(masked, lambda weights, counts: op.select(seen(counts), weights, numbers(0))),
    "weights multiplied with a mask": written_out(
        masked, lambda weights, counts: op.multiply(weights, op.convert(seen(counts), "f32"))
    ),
    "stacked heads": of_stacked_heads,
    "halves": in_halves,
    "Einsum": by_einsum,
    "along columns": along_columns,
}
#: The same of one another: attention to the tokens before.
CAUSAL: dict[str, Form] = {
    "fused": whole(lambda counts: [], causal=True),
    "Add": written_out(lambda found, _: op.add(found, numbers(np.where(_CAUSAL, 0, -np.inf)))),
    "Select": written_out(lambda found, _: op.select(op.constant(_CAUSAL), found, numbers(-np.inf))),
    "Multiply and Subtract": written_out(where_zeros_multiply),
}
#: The same of one another: attention to all tokens.
UNMASKED: dict[str, Form] = {
    "fused": whole(lambda counts: []),
    "written out": written_out(lambda found, _: found),
    "divided": lambda q, k, v, _: mixed(op.softmax(op.divide(op.matmul(q, k, False, True), numbers(SIZE**0.5)), -1), v),
}
#: Each computes something of its own.
OTHERS: dict[str, Form] = {
    "rotary": lambda q, k, v, counts: written_out(masked)(rotated(q), rotated(k), v, counts),
    "relative biases": written_out(
        lambda found, counts: masked(op.add(found, numbers(drawn(1, HEADS, TOKENS, TOKENS))), counts)
    ),
    "windows": in_windows,
    "grouped": grouped,
    "multi-query": lambda q, k, v, counts: written_out(masked)(q, cut(k, 1, 1), cut(v, 1, 1), counts),
    "capped": written_out(capped),
    "sink": written_out(with_sink, lambda weights, _: cut(weights, -1, 3)),
}
#: What looks like attention, and is none.
NONE: dict[str, Form] = {
    "weights by a sigmoid": lambda q, k, v, counts: mixed(op.sigmoid(scores(q, k)), v),
    "a softmax of exponentials": written_out(lambda found, _: op.exp(found)),
    "a gate": lambda q, k, v, _: op.multiply(v, op.reduce_mean(op.softmax(scores(q, k), -1), op.constant([3]), True)),
    "weights of constant keys": lambda q, k, v, _: mixed(
        op.softmax(scores(q, numbers(drawn(1, HEADS, TOKENS, SIZE))), -1), v
    ),
    "constant values": lambda q, k, v, _: mixed(op.softmax(scores(q, k), -1), numbers(drawn(1, HEADS, TOKENS, SIZE))),
}


def in_heads(tensor: Any) -> Any:
    return turned(op.reshape(tensor, op.constant([0, 0, HEADS, SIZE]), True), 0, 2, 1, 3)


def attention(form: Form, *, crossed: bool = False) -> ov.Model:
    """One layer; channels in front of it are as loud as they are in transformers, exp(1.5 n).

    Args:
        form: How the attention is written.
        crossed: Whether keys and values are those of another input.
    """
    x, other = (op.parameter([-1, TOKENS, WIDTH], np.float32, name=name) for name in ("x", "other"))
    counts = op.parameter([-1, TOKENS], np.float32, name="counts")
    loud = numbers(np.exp(drawn(WIDTH, seed=9) * 1.5))
    near, far = (op.multiply(op.mvn(each, op.constant([2]), True, 1e-5, "inside_sqrt"), loud) for each in (x, other))
    far = far if crossed else near
    queries, keys, values = linear(near, 1, 0.15), linear(far, 2, 0.15), linear(far, 3, 0.5)
    heads = form(in_heads(queries), in_heads(keys), in_heads(values), counts)
    y = linear(op.reshape(turned(heads, 0, 2, 1, 3), op.constant([0, 0, WIDTH]), True), 4)
    return ov.Model([op.result(op.add(y, x))], [x, counts, *([other] if crossed else [])], "attention")


def data(model: ov.Model, count: int, *, seed: int = 0) -> list[dict[str, np.ndarray[Any, Any]]]:
    """Samples in which 10 to 16 tokens count."""
    rng, names = np.random.default_rng(seed), [each.any_name for each in model.inputs]

    def sample() -> dict[str, np.ndarray[Any, Any]]:
        x, other = rng.normal(size=(2, 1, TOKENS, WIDTH)).astype(np.float32)
        counts = (np.arange(TOKENS) < rng.integers(10, TOKENS + 1)).astype(np.float32)[None]
        found = {"x": x, "counts": counts, "other": other}
        return {name: found[name] for name in names}

    return [sample() for _ in range(count)]
