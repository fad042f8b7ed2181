"""MaxSim (Khattab and Zaharia 2020, section 3.3): the arithmetic, and nothing else.

score = sum over query tokens of max over the page's vectors of their dot product. Vectors of all pages lie end to
end; `starts` (pages + 1,) says where each page begins, so nothing is padded and no zero can win a maximum. Every
function that walks pages takes `pages`, sorted rows of the pages to score, and splits its work over threads that let
go of the interpreter lock. Several queries at once are their token vectors end to end: the caller splits the columns.
"""

from colvision.maxsim.bits import bit_maxima, sign_bits
from colvision.maxsim.codes import clipped_share, dequantise, quantise
from colvision.maxsim.device import DeviceCodes
from colvision.maxsim.exact import exact_maxima
from colvision.maxsim.int8 import similarities, token_maxima
from colvision.maxsim.pooling import pool

__all__ = [
    "DeviceCodes",
    "bit_maxima",
    "clipped_share",
    "dequantise",
    "exact_maxima",
    "pool",
    "quantise",
    "sign_bits",
    "similarities",
    "token_maxima",
]
