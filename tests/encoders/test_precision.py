"""Where bfloat16 is chosen."""

import os
import subprocess
import sys

import pytest
import torch

from colvision.encoders.options import EncoderOptions
from colvision.encoders.precision import computes_bfloat16

CPU = torch.device("cpu")


def test_a_checkpoint_computes_in_what_the_processor_multiplies():
    chosen = torch.bfloat16 if computes_bfloat16(CPU) else torch.float32
    assert EncoderOptions().torch_dtype(CPU) is chosen


@pytest.mark.slow
def test_a_processor_that_torch_may_not_use_fully_is_given_float32():
    code = (
        "import torch; from colvision.encoders.precision import computes_bfloat16 as c; print(c(torch.device('cpu')))"
    )
    environment = os.environ | {"ATEN_CPU_CAPABILITY": "default"}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"
