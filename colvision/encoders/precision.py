"""In which precision a device computes fastest."""

import torch


def computes_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster there than float32; a processor without the instructions only emulates it.

    `ATEN_CPU_CAPABILITY`, which keeps torch from using AVX-512, is heeded. An older torch cannot tell: then False.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        capability = torch.backends.cpu.get_cpu_capability()
        return "AVX512" in capability and bool(getattr(torch.cpu, "_is_avx512_bf16_supported", bool)())
    return False
