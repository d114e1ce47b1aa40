"""C names: from SSA name hints and symbols to identifiers that are legal, free and readable."""

import re
from collections.abc import Iterable, Sequence

_KEYWORDS = """
    alignas alignof asm auto bool break case catch char class const constexpr continue decltype
    default delete do double else enum explicit export extern false float for friend goto if inline
    int long mutable namespace new noexcept nullptr operator private protected public register
    restrict return short signed sizeof static struct switch template this throw true try typedef
    typename typeof union unsigned using virtual void volatile wchar_t while
"""
_LIBRARY = """
    abort abs acos acosh asin asinh atan atan2 atanh calloc cbrt ceil clog close copysign cos cosh
    cpow creal csqrt div drem erf erfc exit exp exp10 exp2 expm1 fabs fdim floor fma fmax fmin fmod
    free frexp gamma hypot ilogb index j0 j1 jn labs ldexp lgamma linux log log10 log1p log2 logb
    main malloc max memcmp memcpy memmove memset min modf nan nearbyint nextafter pow pow10 printf
    puts rand read realloc remainder remove rename rindex rint round rsqrt scalb select signbit
    signal significand sin sincos sinh sqrt stdin stdout strlen tan tanh tgamma time trunc unix
    wait write y0 y1 yn threadIdx blockIdx blockDim gridDim warpSize
"""
RESERVED = frozenset([*_KEYWORDS.split(), *_LIBRARY.split()])
"""Words of C, C++ and CUDA, so that one name serves every target, and the functions that a
compiler knows by name: a kernel called `exp` must not become one of them."""

_HELPERS = re.compile(r"v[fiuhcb]|[A-Z]+|nnc_.*|.*_(v[fiuhcb]|f32|f64|b?f16|i32|i64|memory)")
"""Types, macros and helpers of the prologue."""


def identifier(text: str) -> str:
    """`text` as a C identifier: odd characters become `_`, a leading digit gets a letter."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")
    if not name:
        return "v"
    return f"v{name}" if name[0].isdigit() else name


class Names:
    """Hands out identifiers, each once; a taken one gets a number."""

    def __init__(self, taken: Iterable[str] = ()):
        self._taken = {*RESERVED, *taken}
        self._last: dict[tuple[str, tuple[str, ...]], int] = {}
        """The number that a hint was given last: none below it is free."""

    def fresh(self, hint: str, suffixes: Sequence[str] = ("",)) -> str:
        """A free base; it and its suffixed forms are taken from now on."""
        base = identifier(hint)
        key = base, tuple(suffixes)
        number = self._last.get(key, 0) + 1
        while any(self._is_taken(_numbered(base, number) + suffix) for suffix in suffixes):
            number += 1
        self._last[key] = number
        name = _numbered(base, number)
        self._taken.update(name + suffix for suffix in suffixes)
        return name

    def _is_taken(self, name: str) -> bool:
        return name in self._taken or _HELPERS.fullmatch(name) is not None

    def scope(self) -> "Names":
        """Names of an inner scope, which never shadow the outer ones."""
        return Names(self._taken)


def _numbered(base: str, number: int) -> str:
    return base if number == 1 else f"{base}{number}"
