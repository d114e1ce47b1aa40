"""`nnc-opt`: reads IR, runs passes or named pipelines, prints IR, C or CUDA.

    nnc-opt model.mlir -p 'kernel-fuse,kernel-outline'      one level to the next
    nnc-opt model.mlir -p train-cpu -t c                    the C program
    nnc-opt model.mlir --interpret --seed 1                 run it with numpy
    nnc-opt model.mlir --check-numerics -p infer-cpu        which pass changes the numbers?
    nnc-opt model.mlir --load my.py -p my-pass,lower        a pass of one's own

Dialects, passes and targets are imported when first used, so that the tool starts quickly.
"""

import argparse
import os
import sys
from functools import partial
from io import BytesIO
from typing import IO

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass, PassPipeline, PassPipelineCallbackType
from xdsl.utils.arg_spec import parse_spec
from xdsl.utils.exceptions import ArgSpecParseError, DiagnosticException, ParseError
from xdsl.xdsl_opt_main import xDSLOptMain

from nnc.codegen.errors import CodegenError
from nnc.lowering.pass_specs import (
    PipelineError,
    build_pipeline,
    instantiate,
    load,
    passes_of_file,
)
from nnc.lowering.pipelines import PASSES, PIPELINES

DIALECTS: dict[str, str] = {
    "builtin": "xdsl.dialects.builtin:Builtin",
    "func": "xdsl.dialects.func:Func",
    "arith": "nnc.dialects.arith:Arith",
    "math": "xdsl.dialects.math:Math",
    "scf": "xdsl.dialects.scf:Scf",
    "memref": "xdsl.dialects.memref:MemRef",
    "affine": "xdsl.dialects.affine:Affine",
    "vector": "xdsl.dialects.vector:Vector",
    "test": "xdsl.dialects.test:Test",
    "nn": "nnc.dialects.nn.dialect:NN",
    "optim": "nnc.dialects.optim.dialect:Optim",
    "kernel": "nnc.dialects.kernel:Kernel",
    "buffer": "nnc.dialects.buffer:Buffer",
    "loop": "nnc.dialects.loop:Loop",
    "tile": "nnc.dialects.tile:Tile",
}

TARGETS: dict[str, str] = {
    "mlir": "xdsl.targets.mlir:MLIRTarget",
    "c": "nnc.codegen.c:CTarget",
    "cuda": "nnc.codegen.cuda:CudaTarget",
}


def seed(text: str) -> int:
    """A seed of numpy's generators."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected an integer of at least 0, given '{text}'")
    return int(text)


class NncOpt(xDSLOptMain):
    """xDSL's driver with nnc's dialects, passes, pipelines, targets and interpreter."""

    version_format = "nnc-opt on xDSL {xdsl_version}"

    def register_all_dialects(self) -> None:
        for name, reference in DIALECTS.items():
            self.ctx.register_dialect(name, partial(load, reference))

    def register_all_passes(self) -> None:
        for name, reference in PASSES.items():
            self.register_pass(name, partial(load, reference))

    def register_all_targets(self) -> None:
        for name, reference in TARGETS.items():
            self.available_targets[name] = partial(load, reference)

    def register_all_arguments(self, arg_parser: argparse.ArgumentParser) -> None:
        super().register_all_arguments(arg_parser)
        arg_parser.epilog = f"pipelines: {', '.join(PIPELINES)}"
        arg_parser.add_argument(
            "--load", metavar="FILE", action="append", default=[],
            help="a Python file whose passes are known by their names, too",
        )  # fmt: skip
        group = arg_parser.add_argument_group("numbers")
        group.add_argument(
            "--interpret", action="store_true", help="run the module with numpy, print its results"
        )
        group.add_argument(
            "--check-numerics",
            action="store_true",
            help="run the module before and after every pass, name the first that changes results",
        )
        group.add_argument("--function", help="the function to run (default: the only public one)")
        group.add_argument("--inputs", help="an .npz of arguments, by name or in order")
        group.add_argument(
            "--seed", type=seed, default=0, help="draws arguments that are not given"
        )
        group.add_argument("--outputs", help="an .npz to write the results to")
        group.add_argument(
            "--tolerance", type=float, default=1e-4, help="relative to each result's largest entry"
        )

    def setup_pipeline(self) -> None:
        """Report mistakes before any input is read, and let xDSL see no named pipelines."""
        for file in self.args.load:
            for name, reference in passes_of_file(file).items():
                PASSES[name] = reference
                self.register_pass(name, partial(load, reference))
        passes = build_pipeline(self.args.passes)
        self.args.passes = ",".join(map(str, passes))
        target = parse_spec(self.args.target)
        instantiate("target", load(TARGETS[target.name]), target)
        super().setup_pipeline()
        self.pipeline = PassPipeline(self.pipeline.passes, self.verified(self.pipeline.callback))

    def verified(self, callback: PassPipelineCallbackType | None) -> PassPipelineCallbackType:
        """xDSL's callback, which verifies, then the order of ops; errors name the pass before."""
        from nnc.lowering.verify_dominance import VerifyDominancePass

        def verify(before: ModulePass | None, module: ModuleOp, after: ModulePass | None) -> None:
            try:
                if callback is not None:
                    callback(before, module, after)
                if not self.args.disable_verify:
                    VerifyDominancePass().apply(self.ctx, module)
            except DiagnosticException as error:
                if before is None:
                    raise
                raise DiagnosticException(f"after {before.name}: {error}") from error

        return verify

    def get_input_stream(self) -> tuple[IO[bytes], str]:
        """Every file holds MLIR text, whatever it is called."""
        from nnc.dialects.strings import unfinished_string

        if self.args.input_file == "-":
            self.args.input_file = None  # the standard input, to xDSL
        stream, _ = super().get_input_stream()
        with stream:
            text = stream.read()
        if not text.strip():
            raise DiagnosticException("the input is empty, expected a module")
        line = unfinished_string(text.decode())
        if line is not None:
            raise DiagnosticException(f"line {line}: a string does not end")
        return BytesIO(text), "mlir"

    def apply_passes(self, prog: ModuleOp) -> None:
        if self.args.check_numerics:
            from nnc.tools.check_numerics import check

            check(self.ctx, prog, self.pipeline.passes, self.args)
        else:
            super().apply_passes(prog)

    def output_resulting_program(self, prog: ModuleOp) -> str:
        if self.args.interpret:
            from nnc.tools.interpret import interpret

            return interpret(prog, self.args)
        return "" if self.args.check_numerics else super().output_resulting_program(prog)


def main() -> None:
    """Run; a mistake in the input or on the command line is one message and exit status 1."""
    try:
        NncOpt("Reads IR, runs passes, prints IR, C or CUDA.").run()
    except BrokenPipeError:
        # The reader has seen enough; what is still buffered must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        sys.exit(f"nnc-opt: error: {error.filename}: {error.strerror}")
    except UnicodeDecodeError as error:
        sys.exit(f"nnc-opt: error: the input is not text: {error}")
    except RecursionError:
        sys.exit("nnc-opt: error: the input is nested too deeply")
    except (
        PipelineError,
        ArgSpecParseError,
        ParseError,
        DiagnosticException,
        CodegenError,
    ) as error:
        sys.exit(f"nnc-opt: error: {error}")


if __name__ == "__main__":
    main()
