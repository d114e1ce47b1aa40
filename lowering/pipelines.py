"""The orders in which a program goes from level to level.

`PASSES` says where each pass lives, so that a tool can list them without importing any;
`PIPELINES` names the orders. A pipeline may name another, and options given to a pipeline reach
every pass in it that has them: `train-cpu{target=avx2 rule=adam}`.
"""

UPSTREAM = "xdsl.transforms"

PASSES: dict[str, str] = {
    "canonicalize": f"{UPSTREAM}.canonicalize:CanonicalizePass",
    "cse": "nnc.lowering.cse:CsePass",
    "dce": "nnc.lowering.dce:DcePass",
    # training
    "nn-gradient": "nnc.lowering.nn_gradient:NnGradientPass",
    "optim-apply": "nnc.lowering.optim_apply:OptimApplyPass",
    "nn-precision": "nnc.lowering.nn_precision:NnPrecisionPass",
    # graph
    "nn-flatten": "nnc.lowering.nn_flatten:NnFlattenPass",
    "nn-canonicalize": "nnc.lowering.nn_canonicalize:NnCanonicalizePass",
    "nn-phases": "nnc.lowering.nn_phases:NnPhasesPass",
    "nn-layout": "nnc.lowering.nn_layout:NnLayoutPass",
    "nn-derive": "nnc.lowering.nn_derive:NnDerivePass",
    # groups
    "kernel-fuse": "nnc.lowering.kernel_fuse:KernelFusePass",
    "nn-remat": "nnc.lowering.nn_remat:NnRematPass",
    "kernel-outline": "nnc.lowering.kernel_outline:KernelOutlinePass",
    "kernel-select": "nnc.lowering.kernel_select:KernelSelectPass",
    "kernel-schedule": "nnc.lowering.kernel_schedule:KernelSchedulePass",
    # storage
    "bufferize": "nnc.lowering.bufferize:BufferizePass",
    # loops
    "nn-decompose": "nnc.lowering.nn_decompose:NnDecomposePass",
    "kernel-to-loops": "nnc.lowering.kernel_to_loops:KernelToLoopsPass",
    "loop-tile": "nnc.lowering.loop_tile:LoopTilePass",
    "loop-cascade": "nnc.lowering.loop_cascade:LoopCascadePass",
    "expand-math": "nnc.lowering.expand_math:ExpandMathPass",
    "loop-map": "nnc.lowering.loop_map:LoopMapPass",
    "loop-hoist": "nnc.lowering.loop_hoist:LoopHoistPass",
    # plan
    "plan-memory": "nnc.lowering.plan_memory:PlanMemoryPass",
    # checks
    "verify-inplace": "nnc.lowering.verify_inplace:VerifyInplacePass",
    "verify-dominance": "nnc.lowering.verify_dominance:VerifyDominancePass",
    "convert-to-mlir": "nnc.lowering.convert_to_mlir:ConvertToMlirPass",
}

PIPELINES: dict[str, str] = {
    "train": "nn-gradient,optim-apply",
    "graph": "nn-flatten,nn-canonicalize,cse,nn-phases,nn-layout,nn-canonicalize,cse",
    "group": "kernel-fuse,nn-remat,kernel-outline,kernel-select,kernel-schedule",
    "store": "bufferize",
    "loops": "nn-decompose,kernel-to-loops,loop-tile,loop-cascade,expand-math,loop-map,loop-hoist,"
    "cse,dce",
    "plan": "plan-memory,verify-inplace,verify-dominance",
    "lower": "graph,group,store,loops,plan",
    "infer": "graph,nn-derive,group,store,loops,plan",
    "infer-avx2": "infer{target=avx2}",
    "infer-c99": "infer{target=c99}",
    "train-c99": "train,lower{target=c99}",
    "infer-cpu": "infer",
    "train-cpu": "train,lower",
    "infer-cuda": "lower{target=cuda}",
    "train-cuda": "train,lower{target=cuda}",
}

LEVELS = ("graph", "group", "store", "loops,plan")
"""The pipelines that lead from the frontend's program to each level, in order."""
