"""The tables that `nnc-opt` reads, and that it starts without importing what it does not need."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from xdsl.passes import ModulePass
from xdsl.utils.target import Target

from nnc.lowering import dce
from nnc.lowering.pass_specs import PipelineError, build_pipeline, expand, load, passes_of_file
from nnc.lowering.pipelines import PASSES, PIPELINES
from nnc.tools.nnc_opt import DIALECTS, TARGETS


@pytest.mark.parametrize("name", PASSES)
def test_a_pass_is_where_the_table_says(name: str) -> None:
    found = load(PASSES[name])
    assert issubclass(found, ModulePass)
    assert found.name == name


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_is_where_the_table_says(name: str) -> None:
    assert load(DIALECTS[name]).name == name


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_is_where_the_table_says(name: str) -> None:
    found = load(TARGETS[name])
    assert issubclass(found, Target)
    assert found.name == name


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_names_known_passes(name: str) -> None:
    assert build_pipeline(name)


def test_a_pipeline_in_a_pipeline_is_expanded_in_place() -> None:
    names = [spec.name for spec in expand("cse,group,dce")]
    assert names == ["cse", *PIPELINES["group"].split(","), "dce"]


def test_options_of_a_pipeline_reach_the_passes_that_have_them() -> None:
    specs = {spec.name: spec.parameters for spec in expand("lower{target=avx2}")}
    assert specs["kernel-select"] == {"target": ("avx2",)}
    assert specs["cse"] == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bufferise", "unknown pass 'bufferise'; did you mean bufferize"),
        ("train-cpus", "unknown pass 'train-cpus'; did you mean train-cpu"),
        ("cse{deep=true}", "pass 'cse' has no option 'deep'; it has none"),
        ("lower{targte=avx2}", "pipeline 'lower' has no option 'targte'; did you mean target"),
        ("kernel-select{target=1}", "pass 'kernel-select{target=1}'"),
        ("cse dce", "in the pipeline 'cse dce'"),
    ],
)
def test_a_wrong_pipeline_is_explained(text: str, message: str) -> None:
    with pytest.raises(PipelineError, match=re.escape(message)):
        build_pipeline(text)


def test_a_file_without_passes(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("from xdsl.passes import ModulePass\n")
    for name, message in (
        ("empty.py", "has no pass, a class that ex"),
        ("none.py", "is no Python"),
    ):
        with pytest.raises(PipelineError, match=message):
            passes_of_file(str(tmp_path / name))
    with pytest.raises(PipelineError, match="a pass is called 'dce' already"):
        passes_of_file(dce.__file__)


def test_starting_imports_neither_numpy_nor_a_pass() -> None:
    code = "import sys, nnc.tools.nnc_opt; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    ours = {name for name in modules if name.startswith(("nnc.dialects.", "nnc.lowering."))}
    assert ours == {"nnc.lowering.pass_specs", "nnc.lowering.pipelines"}
    assert "numpy" not in modules


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (b"\xff\xfe", [], "the input is not text"),
        (b" \n", [], "the input is empty, expected a module"),
        (
            b'// "\nmodule {\n  "a string of many words, no end\n}',
            [],
            "line 3: a string does",
        ),
        (b"func.func @main(%x: tensor<2xf32>) { func.return }", ["-t", "c"], "-p infer-cpu"),
        (b'builtin.module attributes {nnc.target = "cuda"} {}', ["-t", "c"], "with -t cuda"),
        (b'builtin.module attributes {nnc.target = "sse2"} {}', ["-t", "cuda"], "for sse2: lower"),
        (b"func.func @f() { func.return }", ["-t", "c"], "neither a func.func named @main nor"),
        (b"func.func @f() { func.return }", ["-p", "lower"], "has @f, expected a func.func named"),
        (b"builtin.module {" * 2000, [], "nested too deeply"),
        (
            b"func.func @f() { func.return }",
            ["--interpret", "--inputs", __file__],
            "is not an .npz",
        ),
    ],
)
def test_a_mistake_is_one_line(text: bytes, options: list[str], message: str) -> None:
    command = [sys.executable, "-m", "nnc.tools.nnc_opt", *options]
    done = subprocess.run(command, input=text, capture_output=True)
    assert done.returncode == 1
    error = done.stderr.decode()
    assert message in error
    assert len(error.splitlines()) == 1


def test_the_standard_input_by_its_name() -> None:
    command = [sys.executable, "-m", "nnc.tools.nnc_opt", "-"]
    text = b"func.func @f() { func.return }"
    done = subprocess.run(command, input=text, capture_output=True, check=True)
    assert b"@f()" in done.stdout
