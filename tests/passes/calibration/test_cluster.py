"""Calibration on a real Dask scheduler with real worker processes, on loopback."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

distributed = pytest.importorskip("distributed")

from irquant.passes import QuantizationConfig, quantize, quantize_model  # noqa: E402
from irquant.passes.calibration.cluster import ClusterError  # noqa: E402
from irquant.passes.runtime.samples import DataError  # noqa: E402

RNG = np.random.default_rng(5)
SAMPLES = [RNG.normal(size=(1, 3, 16, 16)).astype(np.float32) for _ in range(60)]
# Dask leaves sockets and loops to the collector when a worker is killed.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    x = op.parameter([1, 3, -1, -1], np.float32, name="x")
    tensor: Any = x
    for channels in (3, 8, 8):
        weights = RNG.normal(scale=0.2, size=(8, channels, 3, 3)).astype(np.float32)
        tensor = op.relu(op.convolution(tensor, weights, [1, 1], [1, 1], [1, 1], [1, 1]))
    path = tmp_path_factory.mktemp("model") / "m.xml"
    ov.serialize(ov.Model([op.result(op.sqrt(tensor))], [x]), path, path.with_suffix(".bin"))
    return path


@pytest.fixture(scope="module")
def expected(model: Path) -> list[bytes]:
    return files(quantize(model, SAMPLES, output=model.with_name("here.xml")))


def files(path: Path) -> list[bytes]:
    return [path.with_suffix(suffix).read_bytes() for suffix in (".xml", ".bin")]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_outcome_is_that_of_one_machine(model: Path, expected: list[bytes], workers: int) -> None:
    with distributed.LocalCluster(workers, threads_per_worker=1, dashboard_address=None) as cluster:
        output = model.with_name(f"{workers}.xml")
        assert files(quantize(model, SAMPLES, output=output, cluster=cluster.scheduler_address)) == expected


def test_a_measurement_ends_where_it_does_on_one_machine(model: Path) -> None:
    samples = [RNG.uniform(-1, 1, size=(1, 3, 16, 16)).astype(np.float32) for _ in range(120)]
    options: Any = {"config": QuantizationConfig.checked(range_estimator={"preset": "default"}, preset="mixed")}
    here = quantize_model(model, samples, output=model.with_name("ended.xml"), **options)
    with distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster:
        output = model.with_name("ended_there.xml")
        there = quantize_model(model, samples, output=output, cluster=cluster.scheduler_address, **options)
    assert here.report.samples == there.report.samples < 100
    assert files(output) == files(model.with_name("ended.xml"))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_killed_midway_changes_nothing(model: Path, workers: int) -> None:
    expected = files(quantize(model, iter(SAMPLES), output=model.with_name(f"unharmed_{workers}.xml")))
    with distributed.LocalCluster(workers, threads_per_worker=1, dashboard_address=None) as cluster:
        victim = next(iter(cluster.workers.values())).pid

        def samples() -> Iterator[np.ndarray[Any, Any]]:
            for index, sample in enumerate(SAMPLES):
                if index == 40:
                    os.kill(victim, signal.SIGKILL)
                yield sample

        output = model.with_name(f"killed_{workers}.xml")
        assert files(quantize(model, samples(), output=output, cluster=cluster.scheduler_address)) == expected


def test_errors_on_a_worker_name_the_sample(model: Path) -> None:
    with distributed.LocalCluster(1, threads_per_worker=1, dashboard_address=None) as cluster:
        bad = [*SAMPLES[:20], np.full((1, 3, 16, 16), -np.float32(3e38)), *SAMPLES[20:]]
        with pytest.raises(DataError, match=r"^sample 20: the float model gives NaN or Inf at "):
            quantize(model, bad, output=model.with_name("bad.xml"), cluster=cluster.scheduler_address)
    assert not model.with_name("bad.xml").exists()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://"])
def test_a_scheduler_that_is_not_there(model: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("irquant.passes.calibration.cluster._SECONDS", 0.5)
    with pytest.raises(ClusterError, match=rf"^{address}: no Dask scheduler answers: "):
        quantize(model, SAMPLES, output=model.with_name("none.xml"), cluster=address)


def test_a_scheduler_without_workers(model: Path) -> None:
    with distributed.LocalCluster(1, processes=False, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        cluster.scale(0)
        while cluster.scheduler.workers:
            time.sleep(0.05)
        with pytest.raises(ClusterError) as caught:
            quantize(model, SAMPLES, output=model.with_name("none.xml"), cluster=address)
    message = f"{address}: the Dask scheduler has no workers; start some with 'dask worker {address}'"
    assert str(caught.value) == message


def test_workers_that_lack_irquant_are_told_of(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def result(*_: object) -> None:
        message = "No module named\n 'irquant'"
        raise ModuleNotFoundError(message)

    with distributed.LocalCluster(1, processes=False, dashboard_address=None) as cluster:
        monkeypatch.setattr(distributed.Future, "result", result)
        with pytest.raises(ClusterError) as caught:
            quantize(model, SAMPLES, output=model.with_name("none.xml"), cluster=cluster.scheduler_address)
    assert str(caught.value) == "a worker fails: No module named 'irquant'; check that all workers have this irquant"


def test_dask_is_an_extra(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ClusterError) as caught:
        quantize(model, SAMPLES, output=model.with_name("none.xml"), cluster="local")
    assert str(caught.value) == "a cluster needs Dask: pip install 'irquant[cluster]'"
