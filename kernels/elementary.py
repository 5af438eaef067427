"""exp, log, tanh and their kin as polynomials that the compiler can vectorise.

A call into the C library in a loop is made number by number, at 4 to 20 ns each;
these take 0.4 to 1.5 ns. Each has two forms, since float64 needs longer
polynomials; `exp(z)` and its kin choose by the type of z when compiled.

Sources: S. Moshier's Cephes library (exp of float32), Eigen's
rational tanh of float32; the tail of the normal distribution in the variable of
Shepherd and Laframboise (Mathematics of Computation 36, 1981); the others are
truncated series whose remainder lies below the last bit. Errors are stated in units
of the last place (ulp) and tested.
"""

import numpy as np
from numba import types
from numba.extending import overload

from ._host import JIT_DISABLED
from ._jit import exact_inner

_f = np.float32
LOG2E = 1.4426950408889634
# ln 2 in two parts: n * HIGH is exact for the n that occur.
LN2_HIGH, LN2_LOW = 6.93145751953125e-1, 1.42860682030941723212e-6
LN2_HIGH32, LN2_LOW32 = _f(0.693359375), _f(-2.12194440e-4)
LOG2E32 = _f(LOG2E)
SQRT2 = 1.4142135623730951
# exp is inf above and 0 below: the logarithms of the largest and of the smallest
# normal number.
MAX32, MIN32 = _f(88.722831), _f(-87.336540)
MAX64, MIN64 = 709.782712893384, -708.3964185322641


@exact_inner
def exp32(z):
    """Exponential of a float32, within 2 ulp; inf above 88.72, 0 below -87.34."""
    x = z
    x = MAX32 if x > MAX32 else x
    x = MIN32 if x < MIN32 else x
    n = np.floor(x * LOG2E32 + _f(0.5))
    x = x - n * LN2_HIGH32
    x = x - n * LN2_LOW32
    p = _f(1.9875691500e-4)
    p = p * x + _f(1.3981999507e-3)
    p = p * x + _f(8.3334519073e-3)
    p = p * x + _f(4.1665795894e-2)
    p = p * x + _f(1.6666665459e-1)
    p = p * x + _f(5.0000001201e-1)
    p = p * (x * x) + x + _f(1.0)
    half = np.int32(n) >> np.int32(1)  # 2ⁿ in two steps: 2¹²⁸ is not a float32
    rest = np.int32(n) - half
    y = p * np.int32((half + np.int32(127)) << np.int32(23)).view(np.float32)
    y = y * np.int32((rest + np.int32(127)) << np.int32(23)).view(np.float32)
    y = _f(np.inf) if z > MAX32 else y
    return _f(0.0) if z < MIN32 else y


@exact_inner
def exp64(z):
    """Exponential of a float64, within 2 ulp; inf above 709.78, 0 below -708.4."""
    x = z
    x = MAX64 if x > MAX64 else x
    x = MIN64 if x < MIN64 else x
    n = np.floor(x * LOG2E + 0.5)
    x = x - n * LN2_HIGH
    x = x - n * LN2_LOW
    p = 1.0 / 6227020800.0  # 1/13!, and so on down to 1/0!
    p = p * x + 1.0 / 479001600.0
    p = p * x + 1.0 / 39916800.0
    p = p * x + 1.0 / 3628800.0
    p = p * x + 1.0 / 362880.0
    p = p * x + 1.0 / 40320.0
    p = p * x + 1.0 / 5040.0
    p = p * x + 1.0 / 720.0
    p = p * x + 1.0 / 120.0
    p = p * x + 1.0 / 24.0
    p = p * x + 1.0 / 6.0
    p = p * x + 0.5
    p = p * (x * x) + x + 1.0
    half = np.int64(np.int32(n) >> np.int32(1))
    rest = np.int64(np.int32(n)) - half
    y = p * np.int64((half + 1023) << 52).view(np.float64)
    y = y * np.int64((rest + 1023) << 52).view(np.float64)
    y = np.inf if z > MAX64 else y
    return 0.0 if z < MIN64 else y


@exact_inner
def log32(z):
    """Natural logarithm of a positive normal float32, within 2 ulp."""
    bits = _f(z).view(np.int32)
    e = (bits >> np.int32(23)) - np.int32(127)
    mantissa = np.int32((bits & np.int32(0x007FFFFF)) | np.int32(0x3F800000))
    m = mantissa.view(np.float32)
    large = m > _f(SQRT2)
    m = m * _f(0.5) if large else m
    n = _f(e) + _f(1.0) if large else _f(e)
    s = (m - _f(1.0)) / (m + _f(1.0))
    q = s * s
    p = _f(2.0 / 11.0)
    p = p * q + _f(2.0 / 9.0)
    p = p * q + _f(2.0 / 7.0)
    p = p * q + _f(2.0 / 5.0)
    p = p * q + _f(2.0 / 3.0)
    p = p * q * s + _f(2.0) * s
    y = n * LN2_HIGH32 + (n * LN2_LOW32 + p)
    return y if z == z else z  # a NaN's bits would pass for a number


@exact_inner
def log64(z):
    """Natural logarithm of a positive normal float64, within 2 ulp."""
    bits = np.float64(z).view(np.int64)
    e = np.int64(bits >> 52) - 1023
    mantissa = np.int64((bits & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000)
    m = mantissa.view(np.float64)
    large = m > SQRT2
    m = m * 0.5 if large else m
    n = np.float64(np.int32(e))
    n = n + 1.0 if large else n
    s = (m - 1.0) / (m + 1.0)
    q = s * s
    p = 2.0 / 23.0  # 2·atanh(s) = Σ 2 s^(2k+1) / (2k+1)
    p = p * q + 2.0 / 21.0
    p = p * q + 2.0 / 19.0
    p = p * q + 2.0 / 17.0
    p = p * q + 2.0 / 15.0
    p = p * q + 2.0 / 13.0
    p = p * q + 2.0 / 11.0
    p = p * q + 2.0 / 9.0
    p = p * q + 2.0 / 7.0
    p = p * q + 2.0 / 5.0
    p = p * q + 2.0 / 3.0
    p = p * q * s + 2.0 * s
    y = n * LN2_HIGH + (n * LN2_LOW + p)
    return y if z == z else z


@exact_inner
def log1p_unit32(u):
    """log(1 + u) of a float32 in [0, 1], within 3 ulp."""
    s = u / (_f(2.0) + u)
    q = s * s
    p = _f(2.0 / 17.0)
    p = p * q + _f(2.0 / 15.0)
    p = p * q + _f(2.0 / 13.0)
    p = p * q + _f(2.0 / 11.0)
    p = p * q + _f(2.0 / 9.0)
    p = p * q + _f(2.0 / 7.0)
    p = p * q + _f(2.0 / 5.0)
    p = p * q + _f(2.0 / 3.0)
    return p * q * s + _f(2.0) * s


@exact_inner
def log1p_unit64(u):
    """log(1 + u) of a float64 in [0, 1], within 3 ulp."""
    s = u / (2.0 + u)
    q = s * s
    p = 2.0 / 35.0
    p = p * q + 2.0 / 33.0
    p = p * q + 2.0 / 31.0
    p = p * q + 2.0 / 29.0
    p = p * q + 2.0 / 27.0
    p = p * q + 2.0 / 25.0
    p = p * q + 2.0 / 23.0
    p = p * q + 2.0 / 21.0
    p = p * q + 2.0 / 19.0
    p = p * q + 2.0 / 17.0
    p = p * q + 2.0 / 15.0
    p = p * q + 2.0 / 13.0
    p = p * q + 2.0 / 11.0
    p = p * q + 2.0 / 9.0
    p = p * q + 2.0 / 7.0
    p = p * q + 2.0 / 5.0
    p = p * q + 2.0 / 3.0
    return p * q * s + 2.0 * s


@exact_inner
def tanh32(z):
    """Hyperbolic tangent of a float32, within 5 ulp (rational, degree 13 / 6)."""
    x = z
    x = _f(7.90531110763549805) if x > _f(7.90531110763549805) else x
    x = _f(-7.90531110763549805) if x < _f(-7.90531110763549805) else x
    q = x * x
    p = _f(-2.76076847742355e-16)
    p = p * q + _f(2.00018790482477e-13)
    p = p * q + _f(-8.60467152213735e-11)
    p = p * q + _f(5.12229709037114e-08)
    p = p * q + _f(1.48572235717979e-05)
    p = p * q + _f(6.37261928875436e-04)
    p = p * q + _f(4.89352455891786e-03)
    d = _f(1.19825839466702e-06)
    d = d * q + _f(1.18534705686654e-04)
    d = d * q + _f(2.26843463243900e-03)
    d = d * q + _f(4.89352518554385e-03)
    return x * p / d


@exact_inner
def tanh64(z):
    """Hyperbolic tangent of a float64, within 4 ulp: e / (e + 2), e = exp(2z) - 1.

    With 2z = n ln 2 + x, e = 2ⁿ (exp(x) - 1) + (2ⁿ - 1); near zero n = 0, and no
    digit is lost.
    """
    x = 2.0 * z
    x = 44.0 if x > 44.0 else x
    x = -44.0 if x < -44.0 else x
    n = np.floor(x * LOG2E + 0.5)
    x = x - n * LN2_HIGH
    x = x - n * LN2_LOW
    p = 1.0 / 6227020800.0
    p = p * x + 1.0 / 479001600.0
    p = p * x + 1.0 / 39916800.0
    p = p * x + 1.0 / 3628800.0
    p = p * x + 1.0 / 362880.0
    p = p * x + 1.0 / 40320.0
    p = p * x + 1.0 / 5040.0
    p = p * x + 1.0 / 720.0
    p = p * x + 1.0 / 120.0
    p = p * x + 1.0 / 24.0
    p = p * x + 1.0 / 6.0
    p = p * x + 0.5
    p = p * (x * x) + x
    scale = np.int64((np.int64(np.int32(n)) + 1023) << 52).view(np.float64)
    e = scale * p + (scale - 1.0)
    return e / (e + 2.0)


@exact_inner
def expm1_negative32(z):
    """exp(z) - 1 of a float32 that is not above 0, within 2 ulp; 0 above.

    With z = n ln 2 + x it is 2ⁿ (exp(x) - 1) + (2ⁿ - 1); near zero n = 0, and no
    digit is lost.
    """
    x = z
    x = _f(0.0) if x > _f(0.0) else x
    x = _f(-44.0) if x < _f(-44.0) else x
    n = np.floor(x * LOG2E32 + _f(0.5))
    x = x - n * LN2_HIGH32
    x = x - n * LN2_LOW32
    p = _f(1.9875691500e-4)
    p = p * x + _f(1.3981999507e-3)
    p = p * x + _f(8.3334519073e-3)
    p = p * x + _f(4.1665795894e-2)
    p = p * x + _f(1.6666665459e-1)
    p = p * x + _f(5.0000001201e-1)
    p = p * (x * x) + x
    scale = np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)
    return scale * p + (scale - _f(1.0))


@exact_inner
def expm1_negative64(z):
    """exp(z) - 1 of a float64 that is not above 0, within 2 ulp; 0 above.

    As `expm1_negative32`.
    """
    x = z
    x = 0.0 if x > 0.0 else x
    x = -44.0 if x < -44.0 else x
    n = np.floor(x * LOG2E + 0.5)
    x = x - n * LN2_HIGH
    x = x - n * LN2_LOW
    p = 1.0 / 6227020800.0
    p = p * x + 1.0 / 479001600.0
    p = p * x + 1.0 / 39916800.0
    p = p * x + 1.0 / 3628800.0
    p = p * x + 1.0 / 362880.0
    p = p * x + 1.0 / 40320.0
    p = p * x + 1.0 / 5040.0
    p = p * x + 1.0 / 720.0
    p = p * x + 1.0 / 120.0
    p = p * x + 1.0 / 24.0
    p = p * x + 1.0 / 6.0
    p = p * x + 0.5
    p = p * (x * x) + x
    scale = np.int64((np.int64(np.int32(n)) + 1023) << 52).view(np.float64)
    return scale * p + (scale - 1.0)


@exact_inner
def logistic32(z):
    """1 / (1 + exp(-z)) of a float32, within 3 ulp."""
    return _f(1.0) / (_f(1.0) + exp32(-z))


@exact_inner
def logistic64(z):
    """1 / (1 + exp(-z)) of a float64, within 3 ulp."""
    return 1.0 / (1.0 + exp64(-z))


@exact_inner
def normal_tail32(y):
    """exp(y²/2) Φ(-y) of a float32 in [0, 40], within 6 ulp.

    (y + 4) times it is a polynomial in t = (y - 4) / (y + 4), interpolated at the
    Chebyshev points of [0, 14] (beyond that Φ(-y) is 0 in float32).
    """
    r = _f(1.0) / (y + _f(4.0))
    t = (y - _f(4.0)) * r
    p = _f(-0.000120184401)
    p = p * t + _f(0.00020126173)
    p = p * t + _f(0.00157231788)
    p = p * t - _f(0.0035261837)
    p = p * t - _f(0.0075292507)
    p = p * t + _f(0.0604066887)
    p = p * t - _f(0.186522685)
    p = p * t + _f(0.387136684)
    p = p * t - _f(0.607896618)
    p = p * t + _f(0.755285138)
    return p * r


@exact_inner
def normal_tail64(y):
    """exp(y²/2) Φ(-y) of a float64 in [0, 40], within 6 ulp.

    Φ is the distribution function of the normal distribution. As
    `normal_tail32`, with the Chebyshev points of [0, 40].
    """
    r = 1.0 / (y + 4.0)
    t = (y - 4.0) * r
    p = -9.990624160023276e-10
    p = p * t - 1.015295717649618e-11
    p = p * t + 1.3976528155950821e-08
    p = p * t + 1.4842390072751344e-08
    p = p * t - 7.634712843441086e-08
    p = p * t - 1.546196819122192e-07
    p = p * t + 2.6354310560684456e-07
    p = p * t + 1.0200713392568465e-06
    p = p * t - 6.249906995369785e-07
    p = p * t - 5.919013186154044e-06
    p = p * t + 7.149308325478401e-07
    p = p * t + 3.51442149682578e-05
    p = p * t - 1.9078434059248706e-06
    p = p * t - 0.00023109482414997105
    p = p * t + 0.00013334424978358428
    p = p * t + 0.0016308184424805887
    p = p * t - 0.0034796923618040597
    p = p * t - 0.007540188965625017
    p = p * t + 0.06039657489067665
    p = p * t - 0.1865218579596934
    p = p * t + 0.38713740074221936
    p = p * t - 0.6078966419718917
    p = p * t + 0.7552851304157515
    return p * r


def _by_type(name, single, double):
    """Return a function that is `single` for float32 and `double` for float64."""

    def choose(z):
        return single(z) if isinstance(z, np.float32) else double(z)

    choose.__name__ = name
    choose.__doc__ = (
        f"{(double.__doc__ or name).splitlines()[0]} See `{name}32`, `{name}64`."
    )
    if not JIT_DISABLED:  # pragma: llvm only

        def implementation(z):
            if z is types.float32:
                return lambda z: single(z)
            return lambda z: double(z)

        overload(choose, inline="always")(implementation)
    return choose


exp = _by_type("exp", exp32, exp64)
log = _by_type("log", log32, log64)
log1p_unit = _by_type("log1p_unit", log1p_unit32, log1p_unit64)
tanh = _by_type("tanh", tanh32, tanh64)
logistic = _by_type("logistic", logistic32, logistic64)
expm1_negative = _by_type("expm1_negative", expm1_negative32, expm1_negative64)
normal_tail = _by_type("normal_tail", normal_tail32, normal_tail64)
