"""MaxSim (Khattab and Zaharia 2020, section 3.3): the arithmetic, and nothing else.

score = sum over query tokens of max over the page's vectors of their dot product. Vectors of all pages lie end to
end; `starts` (pages + 1,) says where each page begins, so nothing is padded and no zero can win a maximum. Every
function that walks pages takes `pages`, sorted rows of the pages to score, and splits its work over threads that let
go of the interpreter lock. Several queries at once are their token vectors end to end: the caller splits the columns.

`loops` is compiled for the processor at hand, in what `int8_lanes` and `bit_lanes` say of its instructions, and so is
`amx`, where a processor has tiles.
"""

from colvision.maxsim.binary import bit_maxima, sign_bits
from colvision.maxsim.exact import exact_maxima
from colvision.maxsim.in_memory import MaxSimIndex, RankedPage
from colvision.maxsim.int8 import similarities, token_maxima
from colvision.maxsim.quantisation import clipped_share, dequantise, quantise

__all__ = [
    "MaxSimIndex",
    "RankedPage",
    "bit_maxima",
    "clipped_share",
    "dequantise",
    "exact_maxima",
    "quantise",
    "sign_bits",
    "similarities",
    "token_maxima",
]
