"""int8 MaxSim on a torch device: the same whole numbers, so the same answers as on the processor."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from colvision.maxsim.codes import Codes, Floats
from colvision.maxsim.int8 import query_codes
from colvision.maxsim.segments import Chosen, Pages, Starts, chosen
from colvision.maxsim.tensors import tensor

if TYPE_CHECKING:
    import torch

_PRODUCT = 64 * 2**20  # numbers in one product: 256 MB of float32 on the device
_BLOCK = 2**20  # page vectors in one product, whose codes become float32 there: 512 MB at 128 dimensions


class DeviceCodes:
    """The codes of some pages on a device ("cuda", "cuda:1", "cpu"), moved there once and then asked many times."""

    def __init__(self, codes: Codes, starts: Starts, code_range: float, *, device: str) -> None:
        """`codes` (n, dim) int8, `starts` (pages + 1,). Raises `RuntimeError` for a device that torch does not have."""
        self._codes = tensor(codes).to(device, copy=True)
        self._starts = starts
        self._code_range = code_range

    def token_maxima(self, query: Floats, *, pages: Pages | None = None) -> Floats:
        """Each page's best similarity for each query token: (pages, t) float32, the numbers of `token_maxima`."""
        import torch

        wanted = chosen(len(self._codes), self._starts, pages)
        if len(wanted.pages) == 0 or len(query) == 0:
            return np.zeros((len(wanted.pages), len(query)), np.float32)
        whole, scales = query_codes(query, self._code_range)
        # float32 holds every sum of these products (TF32 holds every factor), and float32 products are everywhere,
        # where `torch._int_mm` asks CUDA for more than 16 rows and for multiples of 8.
        factors = torch.from_numpy(whole.astype(np.float32)).to(self._codes.device)  # (t, dim)
        blocks = wanted.blocks(max(min(_BLOCK, _PRODUCT // len(query)), 1))
        return np.concatenate([self._best(block, factors) for block in blocks]) * scales

    def _best(self, block: Chosen, factors: "torch.Tensor") -> NDArray[np.float32]:
        import torch

        products = self._rows(block).float() @ factors.T  # (rows, t)
        lengths = torch.from_numpy(np.diff(block.ends)).to(products.device)
        maxima: NDArray[np.float32] = torch.segment_reduce(products, "max", lengths=lengths, axis=0).cpu().numpy()
        return maxima

    def _rows(self, block: Chosen) -> "torch.Tensor":
        import torch

        runs = [self._codes[first:last] for first, last in block.runs(self._starts)]
        return runs[0] if len(runs) == 1 else torch.cat(runs)
