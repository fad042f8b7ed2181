"""Where bfloat16 is chosen: by one rule for mini and for checkpoints."""

import os
import subprocess
import sys

import pytest
import torch

from colvision.encoders import mini
from colvision.encoders.options import EncoderOptions
from colvision.encoders.precision import computes_bfloat16

CPU = torch.device("cpu")


def test_mini_and_checkpoints_compute_in_the_same_precision():
    chosen = torch.bfloat16 if computes_bfloat16(CPU) else torch.float32
    assert EncoderOptions().torch_dtype(CPU) is chosen
    assert mini.load()._uses_bfloat16 is computes_bfloat16(CPU)


@pytest.mark.slow
def test_a_processor_that_torch_may_not_use_fully_is_given_float32():
    code = (
        "import torch; from colvision.encoders.precision import computes_bfloat16 as c; print(c(torch.device('cpu')))"
    )
    environment = os.environ | {"ATEN_CPU_CAPABILITY": "default"}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"
