"""Conversions between f32 and the floats of 16 bits, which are bits in integers.

They round to nearest even, and NaN stays NaN. For f16 there is the target's instruction, or
portable scalar code, in a loop over lanes; bf16 is integer code that is fast everywhere.
"""

_HALF_FROM = """\
    /* An f16 read as the exponent and mantissa of an f32 is too small by 2^112. */
    const unsigned bits = (x & 0x7fffu) << 13;
    const unsigned sign = (x & 0x8000u) << 16;
    const unsigned number = (unsigned)bits_i32(bits_f32((int)bits) * 0x1p112f);
    return bits_f32((int)(sign | number | (bits < 0x0f800000u ? 0 : 0x7f800000u)));
"""
_HALF_TO = """\
    const unsigned signed_bits = (unsigned)bits_i32(x);
    const unsigned sign = signed_bits >> 16 & 0x8000u;
    const unsigned bits = signed_bits & 0x7fffffffu;
    if (bits >= 0x47800000u)
        return (unsigned short)(sign | (bits > 0x7f800000u ? 0x7e00u : 0x7c00u));
    if (bits < 0x38800000u) {
        /* The last bits of 0.5 + |x| are those of a denormal f16. */
        const unsigned sum = (unsigned)bits_i32(bits_f32((int)bits) + 0.5f);
        return (unsigned short)(sign | (sum - 0x3f000000u));
    }
    return (unsigned short)(sign | (bits - 0x38000000u + 0xfffu + (bits >> 13 & 1)) >> 13);
"""
_BRAIN_FROM = "    return bits_f32((int)((unsigned)x << 16));\n"
_BRAIN_TO = """\
    const unsigned bits = (unsigned)bits_i32(x);
    if (x != x)
        return (unsigned short)(bits >> 16 | 0x40u);
    return (unsigned short)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
"""
_TO_ODD = """\
    /* Rounded to odd, so that rounding again gives what rounding once gives. */
    const float near = (float)x;
    int bits = bits_i32(near);
    if ((double)near != x && x == x) {
        bits -= (near < 0 ? -near : near) > (x < 0 ? -x : x);
        bits |= 1;
    }
    return f32_to_f16(bits_f32(bits));
"""
_BITS = ("bits_f32", "bits_i32")

HALF_SCALARS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "f16_to_f32": (_BITS, "float f16_to_f32(unsigned short x)", _HALF_FROM),
    "bf16_to_f32": (_BITS[:1], "float bf16_to_f32(unsigned short x)", _BRAIN_FROM),
    "f32_to_f16": (_BITS, "unsigned short f32_to_f16(float x)", _HALF_TO),
    "f32_to_bf16": (_BITS[1:], "unsigned short f32_to_bf16(float x)", _BRAIN_TO),
    "f64_to_f16": ((*_BITS, "f32_to_f16"), "unsigned short f64_to_f16(double x)", _TO_ODD),
}
"""By name: the helpers it needs, its head, its body."""

INSTRUCTIONS = {
    "f16_to_f32": """\
    typedef short halves __attribute__((vector_size(16)));
    return __builtin_ia32_vcvtph2ps((halves){(short)x})[0];
""",
    "f32_to_f16": """\
    typedef float floats __attribute__((vector_size(16)));
    return (unsigned short)__builtin_ia32_vcvtps2ph((floats){x}, 0)[0];
""",
}
"""Bodies of scalar code for targets of 8 or more lanes, which have these instructions."""

_BRAIN_LANES = """\
const vu bits = (vu)x;
    const vi unknown = x != x;
    const vi near = (vi)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    return __builtin_convertvector((unknown & 0x7fc0) | (~unknown & near), vh);"""

HALF_VECTORS: dict[str, tuple[str, dict[int, str]]] = {
    "f16_to_vf": (
        "vf f16_to_vf(vh x)",
        {
            16: "return __builtin_ia32_vcvtph2ps512_mask(x, (vf){0}, -1, 4);",
            8: "return __builtin_ia32_vcvtph2ps256(x);",
        },
    ),
    "vf_to_f16": (
        "vh vf_to_f16(vf x)",
        {
            16: "return __builtin_ia32_vcvtps2ph512_mask(x, 0, (vh){0}, -1);",
            8: "return __builtin_ia32_vcvtps2ph256(x, 0);",
        },
    ),
    "bf16_to_vf": (
        "vf bf16_to_vf(vh x)",
        {0: "return (vf)((vu)__builtin_convertvector(x, vi) << 16);"},
    ),
    "vf_to_bf16": ("vh vf_to_bf16(vf x)", {0: _BRAIN_LANES}),
}
"""By name: the head, and the bodies by lanes, where 0 is any number of them."""
