"""The small functions that printed code calls, printed only when it does.

A lane-wise helper is one C expression over `a`, `b`, `c`. It serves scalars (`max_f32`), and for
vectors (`max_vf`) the same expression is applied to each lane in a loop that both gcc and clang
turn into one instruction; gcc's C has no `?:` on vectors.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from nnc.codegen.halves import HALF_SCALARS, HALF_VECTORS, INSTRUCTIONS

VECTOR = {
    "f32": "vf", "i32": "vi", "i1": "vi", "u32": "vu",
    "f16": "vh", "bf16": "vh", "i8": "vc", "ui8": "vb",
}  # fmt: skip
"""The native vector type that holds elements of a kind; masks are 0 and -1 in every lane."""

NARROW = {
    "vh": ("short", "unsigned short", 2),
    "vc": ("signed char", "signed char", 1),
    "vb": ("unsigned char", "unsigned char", 1),
}
"""Vectors of as many elements in fewer bytes: C types in lanes and in memory, and their bytes."""

SCALAR = {"f32": "float", "f64": "double", "i32": "int", "i64": "long long", "u32": "unsigned"}


@dataclass(frozen=True)
class Lanewise:
    """`expression` over the parameters `a`, `b`, …, of these kinds; T is the instance's kind."""

    parameters: tuple[str, ...]
    result: str
    expression: str


LANEWISE = {
    "max": Lanewise(("T", "T"), "T", "a > b || a != a ? a : b"),
    "min": Lanewise(("T", "T"), "T", "a < b || a != a ? a : b"),
    "maxnum": Lanewise(("T", "T"), "T", "a > b || b != b ? a : b"),
    "minnum": Lanewise(("T", "T"), "T", "a < b || b != b ? a : b"),
    # Where `a` is not NaN; one instruction.
    "at_least": Lanewise(("T", "T"), "T", "a > b ? a : b"),
    "at_most": Lanewise(("T", "T"), "T", "a < b ? a : b"),
    "select": Lanewise(("i1", "T", "T"), "T", "a ? b : c"),
    "mulhi_signed": Lanewise(("T", "T"), "T", "(int)(((long long)a * b) >> 32)"),
    "mulhi": Lanewise(
        ("T", "T"), "T", "(int)(((unsigned long long)(unsigned)a * (unsigned)b) >> 32)"
    ),
    "div": Lanewise(("T", "T"), "T", "a / b"),
    "rem": Lanewise(("T", "T"), "T", "a % b"),
    "floor": Lanewise(("T",), "T", "__builtin_floorf(a)"),
    "ceil": Lanewise(("T",), "T", "__builtin_ceilf(a)"),
    "trunc": Lanewise(("T",), "T", "__builtin_truncf(a)"),
    "rint": Lanewise(("T",), "T", "__builtin_rintf(a)"),
    "sqrt": Lanewise(("T",), "T", "__builtin_sqrtf(a)"),
    "abs": Lanewise(("T",), "T", "__builtin_fabsf(a)"),
    "copysign": Lanewise(("T", "T"), "T", "__builtin_copysignf(a, b)"),
}

_FUSED = {
    16: "__builtin_ia32_vfmaddps512_mask(a, b, c, -1, 4)",
    8: "__builtin_ia32_vfmaddps256(a, b, c)",
}
"""The instruction on whole vectors; a lane loop gives the same, and compiles four times slower."""

_VECTORS = """\
typedef float vf __attribute__((vector_size({bytes})));
typedef int vi __attribute__((vector_size({bytes})));
typedef unsigned vu __attribute__((vector_size({bytes})));
typedef float vf_memory __attribute__((vector_size({bytes}), aligned(4), may_alias));
typedef int vi_memory __attribute__((vector_size({bytes}), aligned(4), may_alias));
#define INLINE static inline __attribute__((always_inline))
"""
_LANES = """\
#ifdef __clang__
#define LANES(i) _Pragma("clang loop unroll(full)") for (int i = 0; i < {lanes}; i++)
#else
#define LANES(i) for (int i = 0; i < {lanes}; i++)
#endif
"""
_UNROLL = """\
#define PRAGMA(text) _Pragma(#text)
#ifdef __clang__
#define UNROLL(n) PRAGMA(clang loop unroll_count(n))
#else
#define UNROLL(n) PRAGMA(GCC unroll n)
#endif
"""
_MASK_LOAD = "{type} v = {{0}};\n    for (int i = 0; i < n; i++) v[i] = -p[i];\n    return v;"
_NARROW = """\
typedef {scalar} {type} __attribute__((vector_size({bytes})));
typedef {scalar} {type}_memory __attribute__((vector_size({bytes}), aligned({align}), may_alias));
"""
_FIRST_16 = "(unsigned short)((1u << n) - 1)"
_FIRST_8 = "(vi){0, 1, 2, 3, 4, 5, 6, 7} < n"
_PARTS = {
    (16, "vf"): (
        f"return __builtin_ia32_loadups512_mask(p, (vf){{0}}, {_FIRST_16});",
        f"__builtin_ia32_storeups512_mask(p, v, {_FIRST_16});",
    ),
    (16, "vi"): (
        f"return __builtin_ia32_loaddqusi512_mask(p, (vi){{0}}, {_FIRST_16});",
        f"__builtin_ia32_storedqusi512_mask(p, v, {_FIRST_16});",
    ),
    (8, "vf"): (
        f"return __builtin_ia32_maskloadps256((const vf *)p, {_FIRST_8});",
        f"__builtin_ia32_maskstoreps256((vf *)p, {_FIRST_8}, v);",
    ),
    (8, "vi"): (
        f"return __builtin_ia32_maskloadd256((const vi *)p, {_FIRST_8});",
        f"__builtin_ia32_maskstored256((vi *)p, {_FIRST_8}, v);",
    ),
}
"""Loads and stores of the first `n` lanes, by lanes and type: masked, where the target can."""


def _part(lanes: int, type: str) -> tuple[str, str]:
    """The bodies of `load_part` and `store_part`; copies through memory where nothing is masked."""
    size = NARROW[type][2] if type in NARROW else 4
    through_memory = (
        f"{type} v = {{0}};\n    __builtin_memcpy(&v, p, n * {size});\n    return v;",
        f"__builtin_memcpy(p, &v, n * {size});",
    )
    return _PARTS.get((lanes, type), through_memory)


@dataclass
class Helpers:
    """Which helpers a unit needs, and their text."""

    lanes: int
    qualifier: str = "static inline"
    """Before every helper."""
    used: dict[str, str] = field(default_factory=dict[str, str])
    """Text by name, dependencies first."""
    cells: dict[str, str] = field(default_factory=dict[str, str])
    """Names of functions on one cell of a tile, by what follows the name."""

    def lanewise(self, name: str, kind: str, vector: bool) -> str:
        """The instance of a lane-wise helper for a kind, as a function name."""
        instance = f"{name}_{VECTOR[kind] if vector else kind}"
        if instance not in self.used:
            self.used[instance] = (self._vector if vector else self._scalar)(instance, name, kind)
        return instance

    def named(self, name: str) -> str:
        """One of the helpers that are not lane-wise, by name."""
        if name not in self.used:
            if name in HALF_SCALARS or name in HALF_VECTORS:
                return self._half(name)
            if name.endswith(("_vf", "_vi")):
                self.named("vectors")
            self.used[name] = self._text(name)
        return name

    def vector(self, kind: str) -> str:
        """The native vector type of a kind, declared."""
        name = VECTOR[kind]
        self.named("vectors")
        if name in NARROW and name not in self.used:
            scalar, _, size = NARROW[name]
            bytes = size * self.lanes
            self.used[name] = _NARROW.format(scalar=scalar, type=name, bytes=bytes, align=size)
        return name

    def _half(self, name: str) -> str:
        """A conversion between f32 and a float of 16 bits; a lane loop where no vector code is."""
        if name in HALF_SCALARS:
            needs, head, body = HALF_SCALARS[name]
            if self.lanes >= 8 and name in INSTRUCTIONS:
                needs, body = (), INSTRUCTIONS[name]
            for needed in needs:
                self.named(needed)
            self.used[name] = f"{self.qualifier} {head}\n{{\n{body}}}\n"
            return name
        self.vector("f16")
        head, bodies = HALF_VECTORS[name]
        body = bodies.get(self.lanes, bodies.get(0))
        if body is None:
            self.named("LANES")
            scalar = self.named(name.replace("vf", "f32"))
            result = head.split(" ", 1)[0]
            body = f"{result} r;\n    LANES(i) r[i] = {scalar}(x[i]);\n    return r;"
        self.used[name] = _inline(head, body)
        return name

    @property
    def inline(self) -> str:
        """What stands before a function that must cost no call."""
        if self.lanes == 1:
            return self.qualifier
        self.named("vectors")
        return "INLINE"

    def unrolled(self, turns: int) -> str:
        """The line before a loop that asks the compiler to write out so many turns."""
        self.used.setdefault("unroll", _UNROLL)
        return f"UNROLL({turns})"

    def extreme(self, reduction: str, kind: str, vector: bool) -> str:
        """The helper for a maximum or minimum; only floats have NaN to take care of."""
        name = {"max": "at_least", "min": "at_most"}[reduction]
        return self.lanewise(reduction if kind in ("f32", "f64") else name, kind, vector)

    def across(self, reduction: str, kind: str) -> str:
        """The reduction of all lanes of a vector to one scalar, halves pairwise."""
        vector = VECTOR[kind]
        name = f"{reduction}_lanes_{vector}"
        if name not in self.used:
            self.used[name] = self._across(name, reduction, kind)
        return name

    def _across(self, name: str, reduction: str, kind: str) -> str:
        vector = VECTOR[kind]
        self.named("vectors")
        lines: list[str] = []
        width = self.lanes // 2
        while width:
            order = [(i + width) % (2 * width) if i < 2 * width else i for i in range(self.lanes)]
            moved = f"__builtin_shufflevector(v, v, {', '.join(map(str, order))})"
            match reduction:
                case "sum":
                    combined = f"v + {moved}"
                case "prod":
                    combined = f"v * {moved}"
                case _:
                    combined = f"{self.extreme(reduction, kind, vector=True)}(v, {moved})"
            lines.append(f"v = {combined};")
            width //= 2
        body = "\n    ".join([*lines, "return v[0];"])
        return _inline(f"{SCALAR[kind]} {name}({vector} v)", body)

    def exchange(self, distance: int, vector: str) -> str:
        """Exchanges the off-diagonal blocks of two rows: one step of a transposition."""
        name = f"exchange_{distance}_{vector}"
        if name not in self.used:
            self.named("vectors")
            n = self.lanes
            first = [i if not i & distance else n + i - distance for i in range(n)]
            second = [i + distance if not i & distance else n + i for i in range(n)]
            body = "\n    ".join(
                [
                    f"{vector} t = __builtin_shufflevector(*a, *b, {', '.join(map(str, first))});",
                    f"*b = __builtin_shufflevector(*a, *b, {', '.join(map(str, second))});",
                    "*a = t;",
                ]
            )
            self.used[name] = _inline(f"void {name}({vector} *a, {vector} *b)", body)
        return name

    def _scalar(self, instance: str, name: str, kind: str) -> str:
        helper = LANEWISE[name]
        parameters = _parameters(helper, lambda k: SCALAR[kind if k == "T" else "i32"])
        head = f"{self.qualifier} {SCALAR[kind]} {instance}({parameters})"
        return f"{head}\n{{\n    return {helper.expression};\n}}\n"

    def _vector(self, instance: str, name: str, kind: str) -> str:
        self.named("vectors")
        self.named("LANES")
        helper = LANEWISE[name]
        parameters = _parameters(helper, lambda k: VECTOR[kind if k == "T" else k])
        lane = helper.expression
        for parameter in "abc"[: len(helper.parameters)]:
            lane = _in_lane(lane, parameter)
        return (
            f"INLINE {VECTOR[kind]} {instance}({parameters})\n{{\n    {VECTOR[kind]} r;\n"
            f"    LANES(i) r[i] = {lane};\n    return r;\n}}\n"
        )

    def _text(self, name: str) -> str:
        """The text of a helper called `operation_type`."""
        if name == "vectors":
            return _VECTORS.format(bytes=4 * self.lanes)
        if name == "LANES":
            return _LANES.format(lanes=self.lanes)
        operation, type = name.rsplit("_", 1)
        if operation == "bits":
            return self._bits(name, type)
        if type in NARROW:
            scalar = NARROW[type][1]
            self.vector(next(kind for kind, vector in VECTOR.items() if vector == type))
        else:
            scalar = SCALAR[{"vf": "f32", "vi": "i32"}[type]]
        match operation:
            case "splat":
                return _inline(f"{type} {name}({scalar} x)", f"return x - ({type}){{0}};")
            case "load":
                body = f"return *(const {type}_memory *)p;"
                return _inline(f"{type} {name}(const {scalar} *p)", body)
            case "store":
                return _inline(f"void {name}({scalar} *p, {type} v)", f"*({type}_memory *)p = v;")
            case "load_part":
                body, _ = _part(self.lanes, type)
                return _inline(f"{type} {name}(const {scalar} *p, int n)", body)
            case "store_part":
                _, body = _part(self.lanes, type)
                return _inline(f"void {name}({scalar} *p, {type} v, int n)", body)
            case "load_mask":
                body = _MASK_LOAD.format(type=type)
                return _inline(f"{type} {name}(const unsigned char *p, int n)", body)
            case "store_mask":
                body = "for (int i = 0; i < n; i++) p[i] = v[i] & 1;"
                return _inline(f"void {name}(unsigned char *p, {type} v, int n)", body)
            case "fma":
                return _inline("vf fma_vf(vf a, vf b, vf c)", f"return {_FUSED[self.lanes]};")
            case _:
                raise KeyError(name)

    def _bits(self, name: str, kind: str) -> str:
        """The value of kind `kind` that has the bits of `x`."""
        result, parameter = SCALAR[kind], SCALAR[_SAME_BITS[kind]]
        return (
            f"{self.qualifier} {result} {name}({parameter} x)\n{{\n    {result} y;\n"
            "    memcpy(&y, &x, sizeof y);\n    return y;\n}\n"
        )


_SAME_BITS = {"f32": "i32", "i32": "f32", "f64": "i64", "i64": "f64"}


def _inline(head: str, body: str) -> str:
    return f"INLINE {head}\n{{\n    {body}\n}}\n"


def _parameters(helper: Lanewise, type: Callable[[str], str]) -> str:
    return ", ".join(f"{type(k)} {p}" for k, p in zip(helper.parameters, "abc", strict=False))


def _in_lane(expression: str, parameter: str) -> str:
    """The expression with `parameter` replaced by its lane `i`."""
    return re.sub(rf"\b{parameter}\b", f"{parameter}[i]", expression)
