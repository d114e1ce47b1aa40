"""The table: `arith` or `math` op → one C expression, for scalars and for native vectors.

Operands are atoms (names or literals), so that no expression needs parentheses of its own.
"""

import re
from collections.abc import Callable

from xdsl.dialects.builtin import IntegerAttr
from xdsl.ir import Operation

from nnc.codegen.conversions import CONVERSIONS
from nnc.codegen.elements import UNSIGNED, VALUE_TYPES
from nnc.codegen.errors import CodegenError
from nnc.codegen.form import Form, Spelling, splat
from nnc.dialects import arith


def _wrapping(operator: str) -> Callable[[Form], str]:
    """Integer arithmetic modulo 2^n, which C has for unsigned only."""

    def expression(f: Form) -> str:
        if f.kind == "index":
            return f.infix(operator)
        left, right = (_as_unsigned(f, i) for i in range(2))
        result = "vi" if f.vector else VALUE_TYPES[f.kind]
        return f"({result})({left} {operator} {right})"

    return expression


def _as_unsigned(f: Form, operand: int) -> str:
    """`(unsigned)x`, or `7u`, also beside a vector."""
    atom = f.atoms[operand]
    meets_vector = not f.vector or not f.atoms[1 - operand].uniform
    if atom.literal and f.kind == "i32" and atom.text.isdecimal() and meets_vector:
        return f"{atom.text}u"
    return f"({'vu' if f.vector else UNSIGNED[f.kind]}){f.operand(operand)}"


def _signed(operator: str) -> Callable[[Form], str]:
    return lambda f: _converted(f, VALUE_TYPES, operator)


def _unsigned(operator: str) -> Callable[[Form], str]:
    return lambda f: _converted(f, UNSIGNED, operator)


def _converted(f: Form, types: dict[str, str], operator: str) -> str:
    """`a operator b` on operands seen as signed or unsigned."""
    if f.vector:
        view = "(vu)" if types is UNSIGNED else ""
        text = f"{view}{f.a} {operator} {view}{f.b}"
        return f"(vi)({text})" if view else text
    if types[f.kind] == VALUE_TYPES[f.kind]:
        return f.infix(operator)
    type = types[f.kind]
    text = f"({type}){f.a} {operator} ({type}){f.b}"
    return text if operator in _COMPARISONS else f"({VALUE_TYPES[f.kind]})({text})"


_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def _smaller(operator: str, types: dict[str, str]) -> Callable[[Form], str]:
    """Integer minimum and maximum."""

    def expression(f: Form) -> str:
        if f.vector:
            if types is UNSIGNED:
                raise CodegenError.at(f.op, "there are no unsigned vectors")
            return f.call("at_most" if operator == "<" else "at_least")
        if f.of_itself:
            return f.a
        return f"{_converted(f, types, operator)} ? {f.a} : {f.b}"

    return expression


def _extreme(name: str, with_number: str) -> Callable[[Form], str]:
    """NaN-propagating minimum or maximum; cheaper where one side is a number."""

    def expression(f: Form) -> str:
        if f.atoms[0].number:
            return f.call(with_number)
        if f.atoms[1].number:
            swapped = Form(f.op, (f.atoms[1], f.atoms[0]), f.vector, f.helpers, f.fma)
            return swapped.call(with_number)
        return f.call(name)

    return expression


_FLOAT_PREDICATES = (
    "0", "a == b", "a > b", "a >= b", "a < b", "a <= b", "a < b | a > b", "a == a & b == b",
    "~(a < b | a > b)", "~(a <= b)", "~(a < b)", "~(a >= b)", "~(a > b)", "a != b",
    "a != a | b != b", "1",
)  # fmt: skip
"""By predicate number: false, oeq, ogt, oge, olt, ole, one, ord, ueq, ugt, uge, ult, ule, une, …"""

_INTEGER_PREDICATES = ("==", "!=", "<", "<=", ">", ">=", "u<", "u<=", "u>", "u>=")


def _predicate(op: Operation) -> int:
    attribute = op.properties["predicate"]
    assert isinstance(attribute, IntegerAttr)
    return attribute.value.data


def _cmpf(f: Form) -> str:
    pattern = _FLOAT_PREDICATES[_predicate(f.op)]
    if f.vector:
        if pattern in ("0", "1"):
            return splat(f.helpers, f"-{pattern}", "i1")
        pattern = _grouped(pattern)
    else:
        pattern = pattern.replace("|", "||").replace("&", "&&").replace("~", "!")
    return re.sub("[ab]", lambda m: f.a if m[0] == "a" else f.b, pattern)


def _grouped(pattern: str) -> str:
    """Comparisons beside `|` and `&` in parentheses, as compilers ask for."""
    return re.sub(r"\w [<>=!]+ \w", r"(\g<0>)", pattern) if re.search("[|&]", pattern) else pattern


def _cmpi(f: Form) -> str:
    operator = _INTEGER_PREDICATES[_predicate(f.op)]
    if f.of_itself:  # Compilers warn of `a < a`.
        known = int(operator in ("==", "<=", ">=", "u<=", "u>="))
        answer = splat(f.helpers, f"-{known}", "i1") if f.vector else known
        return f"((void){f.a}, {answer})"
    if operator.startswith("u"):
        return _converted(f, UNSIGNED, operator[1:])
    return _converted(f, VALUE_TYPES, operator)


def _select(f: Form) -> str:
    if f.vector and f.atoms[0].uniform:
        raise CodegenError.at(f.op, "a scalar condition does not select vectors; use tile.fill")
    if f.vector:
        return f.call("select", f.result)
    return f"{f.a} ? {f.b} : {f.operand(2)}"


def _fma(f: Form) -> str:
    a, b, c = (f.operand(i) for i in range(3))
    if not f.fma:
        return f"{a} * {b} + {c}"
    if f.vector:
        return f"{f.helpers.named('fma_vf')}({a}, {b}, {c})"
    return f"{_libm(f, 'fma')}({a}, {b}, {c})"


def _libm(f: Form, name: str) -> str:
    return name if f.result == "f64" else f"{name}f"


def _library(name: str, lanewise: str | None = None) -> Callable[[Form], str]:
    """A function of the C library; on vectors only those that are one instruction."""

    def expression(f: Form) -> str:
        if f.vector:
            if lanewise is None:
                raise CodegenError.at(f.op, "not defined on vectors; run expand-math first")
            return f.call(lanewise)
        arguments = ", ".join(f.operand(i) for i in range(len(f.atoms)))
        return f"{_libm(f, name)}({arguments})"

    return expression


def _rsqrt(f: Form) -> str:
    one = "1.0" if f.result == "f64" else "1.0f"
    root = f.call("sqrt") if f.vector else f"{_libm(f, 'sqrt')}({f.a})"
    return f"{one} / {root}"


def _shift(operator: str, types: dict[str, str]) -> Callable[[Form], str]:
    def expression(f: Form) -> str:
        distance = f.atoms[1].text  # C shifts all lanes by a scalar, too.
        if types is VALUE_TYPES:
            return f"{f.a} {operator} {distance}"
        view, result = ("vu", "vi") if f.vector else (UNSIGNED[f.kind], VALUE_TYPES[f.kind])
        return f"({result})(({view}){f.a} {operator} {distance})"

    return expression


def _ceildivsi(f: Form) -> str:
    return f"{f.a} / {f.b} + ({f.a} % {f.b} != 0 && ({f.a} < 0) == ({f.b} < 0))"


def _floordivsi(f: Form) -> str:
    return f"{f.a} / {f.b} - ({f.a} % {f.b} != 0 && ({f.a} < 0) != ({f.b} < 0))"


EXPRESSIONS: dict[str, Spelling] = {
    "arith.addf": lambda f: f.infix("+"),
    "arith.subf": lambda f: f.infix("-"),
    "arith.mulf": lambda f: f.infix("*"),
    "arith.divf": lambda f: f.infix("/"),
    "arith.negf": lambda f: f"-({f.a})" if f.a.startswith("-") else f"-{f.a}",
    "arith.maximumf": _extreme("max", "at_least"),
    "arith.minimumf": _extreme("min", "at_most"),
    "arith.maxnumf": lambda f: f.call("maxnum"),
    "arith.minnumf": lambda f: f.call("minnum"),
    "arith.cmpf": _cmpf,
    "arith.cmpi": _cmpi,
    "arith.select": _select,
    "arith.addi": _wrapping("+"),
    "arith.subi": _wrapping("-"),
    "arith.muli": _wrapping("*"),
    "arith.divsi": _signed("/"),
    "arith.divui": _unsigned("/"),
    "arith.remsi": _signed("%"),
    "arith.remui": _unsigned("%"),
    "arith.floordivsi": _floordivsi,
    "arith.ceildivsi": _ceildivsi,
    "arith.minsi": _smaller("<", VALUE_TYPES),
    "arith.maxsi": _smaller(">", VALUE_TYPES),
    "arith.minui": _smaller("<", UNSIGNED),
    "arith.maxui": _smaller(">", UNSIGNED),
    "arith.andi": lambda f: f.infix("&"),
    "arith.ori": lambda f: f.infix("|"),
    "arith.xori": lambda f: f.infix("^"),
    "arith.shli": _shift("<<", UNSIGNED),
    "arith.shrui": _shift(">>", UNSIGNED),
    "arith.shrsi": _shift(">>", VALUE_TYPES),
    **CONVERSIONS,
    "math.fma": _fma,
    "math.rsqrt": _rsqrt,
    "math.absf": _library("fabs", "abs"),
    "math.sqrt": _library("sqrt", "sqrt"),
    "math.floor": _library("floor", "floor"),
    "math.ceil": _library("ceil", "ceil"),
    "math.trunc": _library("trunc", "trunc"),
    "math.roundeven": _library("rint", "rint"),
    "math.copysign": _library("copysign", "copysign"),
    "math.absi": lambda f: f"{f.a} < 0 ? -{f.a} : {f.a}",
    "math.powf": _library("pow"),
    **{
        f"math.{name}": _library(name)
        for name in (
            "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "cos", "cosh",
            "erf", "exp", "exp2", "expm1", "log", "log10", "log1p", "log2", "round", "sin",
            "sinh", "tan", "tanh",
        )
    },
}  # fmt: skip
"""How each op is spelled; what is not here has no C."""


def extended_product(op: Operation, form: Form) -> tuple[str, str]:
    """The low and the high half of `mului_extended` and `mulsi_extended`."""
    low = _wrapping("*")(form)
    name = "mulhi" if isinstance(op, arith.MulUIExtendedOp) else "mulhi_signed"
    if form.kind != "i32":
        raise CodegenError.at(op, f"expected i32 operands, given {form.kind}")
    return low, form.call(name)
