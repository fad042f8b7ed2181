"""From the trained page tower to the one that pages are read with: ONNX, 8-bit activations, 7-bit weights.

Each channel of the weights has its own scale. The ranges of activations are percentiles over training crops, so that a
rare outlier does not coarsen the rest. The heads, one product in thirty, stay in float32. Seven bits, for processors
without VNNI add two products in 16 bits.
"""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime import quantization
from torch import Tensor, nn

from colvision.encoders.mini.geometry import BLOCK, PATCH_HEIGHT, PATCH_WIDTH
from colvision.encoders.mini.page_tower import ink_in_blocks
from colvision.encoders.mini.training.model import PageTower

_PERCENTILE = 99.995
_OPSET = 20
_OUTPUTS = ["patches", "letters"]


class _Heads(nn.Module):
    def __init__(self, tower: PageTower) -> None:
        super().__init__()
        self._tower = tower

    def forward(self, blocks: Tensor) -> tuple[Tensor, Tensor]:
        return self._tower.heads(blocks)


class _Crops(quantization.CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    def __init__(self, crops: Iterable[NDArray[np.uint8]]) -> None:
        self._inputs = ({"blocks": ink_in_blocks(crop[None])} for crop in crops)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._inputs, None)


def write_quantised(tower: PageTower, crops: Iterable[NDArray[np.uint8]], target: Path) -> None:
    """`crops` (height, width) grey, the sides multiples of the patch: what activations are measured on."""
    with TemporaryDirectory() as folder:
        exported, prepared = Path(folder, "exported.onnx"), Path(folder, "prepared.onnx")
        onnx.save(_export(tower), exported)
        quantization.quant_pre_process(exported, prepared, skip_symbolic_shape=True)
        heads = [node.name for node in onnx.load(prepared).graph.node if node.output[0] in _OUTPUTS]
        quantization.quantize_static(
            prepared,
            target,
            _Crops(crops),
            per_channel=True,
            reduce_range=True,
            nodes_to_exclude=heads,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": _PERCENTILE},
        )


def _export(tower: PageTower) -> onnx.ModelProto:
    """In float32, the batch norms folded into the convolutions, for images of any number and size."""
    example = torch.rand(2, BLOCK * BLOCK, 12 * PATCH_HEIGHT // BLOCK, 6 * PATCH_WIDTH // BLOCK)
    dim = torch.export.Dim
    shapes = {0: dim("images"), 2: PATCH_HEIGHT // BLOCK * dim("rows"), 3: PATCH_WIDTH // BLOCK * dim("cols")}
    program = torch.onnx.export(
        _Heads(tower).eval(),
        (example,),
        dynamo=True,
        opset_version=_OPSET,
        input_names=["blocks"],
        output_names=_OUTPUTS,
        dynamic_shapes=(shapes,),
        verbose=False,
    )
    if program is None:
        raise RuntimeError("this version of torch does not export through dynamo")
    model: onnx.ModelProto = program.model_proto
    for node in model.graph.node:
        node.ClearField("metadata_props")  # where in the exporting machine's files each node came from
    return model
