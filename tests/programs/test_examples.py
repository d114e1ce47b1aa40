"""The examples run, through generated C."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_first_program() -> None:
    assert example("first_program").main(epochs=5) > 0.9


def test_digits_writes_every_level(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "digits.py"), "--out", str(tmp_path), "--epochs", "2"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "test accuracy" in run.stdout
    for network in ("mlp", "cnn"):
        files = {path.name for path in (tmp_path / network).iterdir()}
        assert files == {
            "0_frontend.mlir",
            "1_graph.mlir",
            "2_groups.mlir",
            "3_storage.mlir",
            "4_loops.mlir",
            "5_program.c",
            "memory.png",
            "report.txt",
        }
        assert "digits.py" in (tmp_path / network / "5_program.c").read_text()
    assert (tmp_path / "loss.png").stat().st_size > 1000


def test_fashion_mnist_says_what_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "fashion_mnist.py"), str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 1
    assert "has no train-images-idx3-ubyte.gz" in run.stderr
    assert "apt install dataset-fashion-mnist" in run.stderr
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"text")
    run = subprocess.run(command, capture_output=True, text=True)
    assert "is no idx file" in run.stderr


@pytest.mark.parametrize("network", ["gpt", "lstm"])
def test_characters(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few steps of a small network already tell letters that are frequent."""
    module = example("characters")
    monkeypatch.setattr(module, "LENGTH", 16)
    seen, unseen = module.corpus()
    net = module.NETWORKS[network](32, 1)
    net.initialize()
    losses = module.train(net, seen, 30, 1e-2, 0)
    assert losses[-1] < losses[0] - 1
    assert module.bits(net, unseen, 2) < losses[0] - 1
    assert module.write(net, "def ", 3, 0).startswith("def ")


def test_prose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    assert example("prose").main(steps=40) > 0.55


def test_tabular(tmp_path: Path) -> None:
    linear, network = example("tabular").main(epochs=3, out=tmp_path)
    assert linear == pytest.approx(0.105, abs=1e-3)
    assert network > linear - 0.05
    assert (tmp_path / "tabular.png").stat().st_size > 1000


def test_autoencoder(tmp_path: Path) -> None:
    linear, network = example("autoencoder").main(epochs=4, out=tmp_path)
    assert linear == pytest.approx(0.585, abs=1e-2)
    assert network > 0.2
    assert (tmp_path / "autoencoder.png").stat().st_size > 1000


def test_fine_tuning() -> None:
    first, tuned, _ = example("fine_tuning").main(epochs=2).values()
    assert first.accuracy > 0.9
    assert tuned.numbers == 2565
    assert tuned.accuracy > 0.6


def test_faces() -> None:
    assert example("faces").main(epochs=10) > 0.8


def test_streaming() -> None:
    """A training that is stopped within an epoch ends with the same parameters."""
    assert example("streaming").main(epochs=2)


def test_custom_operation(tmp_path: Path) -> None:
    module = example("custom_operation")
    assert module.gradient_error() < 1e-8
    curves = module.main(epochs=20, out=tmp_path)
    assert curves["truncated loss"][-1] > curves["cross-entropy"][-1] + 0.03
    assert curves["truncated loss"][-1] > 0.9
    assert (tmp_path / "custom_operation.png").stat().st_size > 1000


@pytest.mark.parametrize("module", [path.stem for path in EXAMPLES.glob("*.py")])
def test_examples_say_what_they_do(module: str) -> None:
    assert (EXAMPLES / f"{module}.py").read_text().startswith('"""')
