"""The passes by name, and the orders in which programs are lowered: the compiler's table of contents.

A pass `nn-gradient` is the class `NnGradientPass` in the file `nn_gradient.py`. Named pipelines
are text, as `nnc-opt -p` takes it.
"""

PASSES = (
    # training, as transforms of the graph
    "nn-gradient",
    "optim-apply",
    # graph
    "nn-canonicalize",
    "nn-layout",
    # groups
    "kernel-fuse",
    "kernel-outline",
    "kernel-select",
    "kernel-schedule",
    # storage
    "bufferize",
    # loops
    "nn-decompose",
    "kernel-to-loops",
    "loop-tile",
    "expand-math",
    "loop-map",
    "loop-hoist",
    # plan
    "plan-memory",
    "verify-inplace",
    "verify-dominance",
    # check
    "convert-to-mlir",
)

GRAPH = "nn-canonicalize,cse,dce,nn-layout{{target={target}}},nn-canonicalize,cse,dce"
GROUP = "kernel-fuse,kernel-outline,kernel-select{{target={target}}},kernel-schedule"
STORE = "bufferize"
LOOPS = (
    "nn-decompose,kernel-to-loops{{target={target}}},loop-tile{{target={target}}},"
    "expand-math{{target={target}}},loop-map{{target={target}}},loop-hoist,cse,dce"
)
PLAN = "plan-memory{{align=64}},verify-inplace,verify-dominance"

LEVELS = {
    "graph": GRAPH,
    "groups": GROUP,
    "storage": STORE,
    "loops": f"{LOOPS},{PLAN}",
}
"""What turns the program the frontend built into each level, in order."""


def pipeline(target: str, upto: str = "loops") -> str:
    """The pipeline text that lowers a program for `target` to the level `upto`."""
    names = list(LEVELS)
    parts = (LEVELS[name] for name in names[: names.index(upto) + 1])
    return ",".join(parts).format(target=target)


TRAIN = "nn-gradient{{of=0}},optim-apply{{rule={rule}}}"

PIPELINES = {
    "infer-cpu": pipeline("avx512"),
    "infer-avx2": pipeline("avx2"),
    "infer-c99": pipeline("c99"),
    "infer-cuda": pipeline("cuda"),
    "train-cpu": TRAIN.format(rule="sgd") + "," + pipeline("avx512"),
    "train-c99": TRAIN.format(rule="sgd") + "," + pipeline("c99"),
    "train-cuda": TRAIN.format(rule="sgd") + "," + pipeline("cuda"),
}
"""Named pipelines of `nnc-opt -p`."""


def pass_location(name: str) -> tuple[str, str]:
    """The module and the class of an own pass: `nnc.lowering.nn_gradient`, `NnGradientPass`."""
    words = name.split("-")
    return f"nnc.lowering.{'_'.join(words)}", "".join(w.capitalize() for w in words) + "Pass"
