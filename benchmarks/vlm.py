"""A vision-language model of ColQwen2's size, random weights, bfloat16: pages a second, memory, share of the roof.

python -m benchmarks.vlm [--pages 48] [--runs 3]

Random weights compute as fast as trained ones. The roof is a product of two large bfloat16 matrices in the same run;
a page's arithmetic is counted as 2 operations a weight and token, without attention's own, which is a few per cent.
Needs a CUDA device: on a processor such a model takes minutes a page, and a figure would say nothing.
"""

import argparse
import time

import numpy as np
import torch
from PIL import Image

from benchmarks.machine import machine

_GRIDS = ((16, 12), (32, 24), (40, 30))  # patches of 28 pixels: 192, 768 and 1,200 a page
_BATCH_TOKENS = 16384
_SIDE = 8192  # of the matrices of the roof
_WORDS, _PROMPT = 151_936, 16  # Qwen2's vocabulary; tokens of a page's prompt beside the patches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=48)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device here: nothing is measured (a model of two billion weights takes minutes a page on a CPU)")
        return
    device = torch.device("cuda")
    roof = _roof(device)
    model = _model(device)
    weights = sum(weight.numel() for weight in model.parameters())
    print(f"{torch.cuda.get_device_name(device)}; {machine()}")
    print(f"ColQwen2 with {weights / 1e9:.2f} billion random weights, bfloat16; matmul roof {roof / 1e12:.0f} TFLOP/s")
    for rows, cols in _GRIDS:
        torch.cuda.reset_peak_memory_stats(device)
        seconds = min(_seconds(model, rows, cols, options.pages, device) for _ in range(options.runs + 1))
        tokens = rows * cols + _PROMPT
        operations = 2.0 * options.pages * _weights_of_a_page(model, tokens, 4 * rows * cols)
        memory = torch.cuda.max_memory_allocated(device) / 2**30
        print(
            f"{rows * cols:5} patches a page: {options.pages / seconds:7.1f} pages/s, {memory:5.1f} GB, "
            f"{operations / seconds / roof:4.0%} of the roof"
        )


def _model(device: torch.device) -> torch.nn.Module:
    """Qwen2-VL-2B's shape and a projection to 128 components, as transformers describes it by default at 2B."""
    from transformers import ColQwen2Config, ColQwen2ForRetrieval

    text = {
        "model_type": "qwen2_vl_text",
        "vocab_size": _WORDS,
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
    }
    vision = {"depth": 32, "embed_dim": 1280, "hidden_size": 1536, "num_heads": 16, "mlp_ratio": 4}
    config = ColQwen2Config(vlm_config={"model_type": "qwen2_vl", "text_config": text, "vision_config": vision})
    with torch.device(device):
        torch.set_default_dtype(torch.bfloat16)
        model = ColQwen2ForRetrieval(config)
        torch.set_default_dtype(torch.float32)
    return model.eval()


def _weights_of_a_page(model: torch.nn.Module, tokens: int, squares: int) -> float:
    """Weights that one page is multiplied with: of words once a token, of images once a square of 14 pixels."""
    multiplied = 0.0
    for name, weight in model.named_parameters():
        if weight.ndim > 1 and "embed_tokens" not in name:
            multiplied += weight.numel() * (squares if ".visual." in name and "merger" not in name else tokens)
    return multiplied


@torch.inference_mode()
def _seconds(model: torch.nn.Module, rows: int, cols: int, pages: int, device: torch.device) -> float:
    """The model alone, on inputs that lie on the device: page images are prepared beside it (see `VlmEncoder`)."""
    config = model.config.vlm_config
    at_once = max(1, _BATCH_TOKENS // (rows * cols + _PROMPT))
    all_inputs = _inputs(config, rows, cols, min(at_once, pages), device)
    torch.cuda.synchronize()
    began = time.perf_counter()
    for start in range(0, pages, at_once):
        count = min(at_once, pages - start)
        inputs = {
            name: tensor[:, :count] if name == "position_ids" else tensor[:count] for name, tensor in all_inputs.items()
        }
        model(**inputs)
    torch.cuda.synchronize()
    return time.perf_counter() - began


def _inputs(config: object, rows: int, cols: int, pages: int, device: torch.device) -> dict[str, torch.Tensor]:
    from transformers import Qwen2VLImageProcessorPil

    cell = 28
    noise = np.random.default_rng(0).integers(0, 256, (rows * cell, cols * cell, 3), dtype=np.uint8)
    image_processor = Qwen2VLImageProcessorPil(
        size={"shortest_edge": cell**2, "longest_edge": 4 * rows * cols * cell**2}
    )
    pixels = image_processor(images=[Image.fromarray(noise)], return_tensors="pt")["pixel_values"]
    ids = torch.full((pages, rows * cols + _PROMPT), 100)
    ids[:, _PROMPT // 2 : -_PROMPT // 2] = config.image_token_id
    places = torch.arange(ids.shape[1]).expand(3, pages, -1).clone()
    return {
        "input_ids": ids.to(device),
        "attention_mask": torch.ones_like(ids).to(device),
        "position_ids": places.to(device),
        "pixel_values": pixels.to(device, torch.bfloat16).expand(pages, -1, -1),
        "image_grid_thw": torch.tensor([[1, 2 * rows, 2 * cols]] * pages).to(device),
    }


def _roof(device: torch.device) -> float:
    """Operations a second of a product of two large bfloat16 matrices."""
    left, right = (torch.randn(_SIDE, _SIDE, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        left @ right
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(20):
        left @ right
    torch.cuda.synchronize()
    return 20 * 2.0 * _SIDE**3 / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
