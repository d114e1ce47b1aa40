"""The same numbers, or the same bits, in another element type: conversions as C expressions."""

from nnc.codegen.elements import HALVES, UNSIGNED, VALUE_TYPES
from nnc.codegen.form import Form, Spelling
from nnc.codegen.helpers import VECTOR


def _viewed(f: Form, signed: bool) -> str:
    """The operand as a signed or an unsigned integer."""
    type = (VALUE_TYPES if signed else UNSIGNED)[f.kind]
    return f.a if type == VALUE_TYPES[f.kind] else f"({type}){f.a}"


def _to_float(signed: bool) -> Spelling:
    def expression(f: Form) -> str:
        if f.vector and f.kind == "i1":
            return f"__builtin_convertvector({f.a}{'' if signed else ' & 1'}, vf)"
        if f.vector:
            return f"__builtin_convertvector({'' if signed else '(vu)'}{f.a}, vf)"
        if f.kind == "i1":
            return f"({VALUE_TYPES[f.result]}){'-' if signed else ''}{f.a}"
        return f"({VALUE_TYPES[f.result]}){_viewed(f, signed)}"

    return expression


def _to_integer(signed: bool) -> Spelling:
    def expression(f: Form) -> str:
        if f.vector:
            return f"__builtin_convertvector({f.a}, vi)"
        view = "" if signed else f"({UNSIGNED[f.result]})"
        return f"({VALUE_TYPES[f.result]}){view}{f.a}"

    return expression


def _cast(f: Form) -> str:
    return f"({VALUE_TYPES[f.result]}){f.a}"


def _float_to_float(f: Form) -> str:
    if f.vector:
        names = [VECTOR[k] if k == "f32" else k for k in (f.kind, f.result)]
    elif f.kind in HALVES or f.result in HALVES:
        names = [f.kind, f.result]
    else:
        return _cast(f)
    return f"{f.helpers.named('_to_'.join(names))}({f.a})"


def _extend(signed: bool) -> Spelling:
    def expression(f: Form) -> str:
        if f.kind == "i1":
            if f.vector:
                return f.a if signed else f"{f.a} & 1"
            return f"({VALUE_TYPES[f.result]}){'-' if signed else ''}{f.a}"
        if f.vector:
            return _lanes_converted(f)
        return f"({VALUE_TYPES[f.result]}){_viewed(f, signed)}"

    return expression


def _truncate(f: Form) -> str:
    if f.result == "i1":
        return f"-({f.a} & 1)" if f.vector else f"(int)({f.a} & 1)"
    return _lanes_converted(f) if f.vector else _cast(f)


def _lanes_converted(f: Form) -> str:
    """The same numbers, or their low bits, in lanes of another width."""
    return f"__builtin_convertvector({f.a}, {f.helpers.vector(f.result)})"


def _bitcast(f: Form) -> str:
    if f.kind == f.result:
        return f.a
    if f.vector:
        return f"({VECTOR[f.result]}){f.a}"
    return f"{f.helpers.named(f'bits_{f.result}')}({f.a})"


CONVERSIONS: dict[str, Spelling] = {
    "arith.extsi": _extend(signed=True),
    "arith.extui": _extend(signed=False),
    "arith.trunci": _truncate,
    "arith.sitofp": _to_float(signed=True),
    "arith.uitofp": _to_float(signed=False),
    "arith.fptosi": _to_integer(signed=True),
    "arith.fptoui": _to_integer(signed=False),
    "arith.index_cast": _cast,
    "arith.extf": _float_to_float,
    "arith.truncf": _float_to_float,
    "arith.bitcast": _bitcast,
}
