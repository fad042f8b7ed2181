"""What the tests of fine-tuning share: a few pictures and questions, and one plain step."""

import numpy as np
import torch
from PIL import Image

from colvision.encoders.vlm.encoder import VlmEncoder
from colvision.finetune.gradient_cache import gradients
from colvision.finetune.losses import in_batch, similarity

TEXTS = ["bleed the hydraulic pump", "oil"]
TEMPERATURE = 0.02


def pictures(*sizes: tuple[int, int]) -> list[Image.Image]:
    rng = np.random.default_rng(3)
    return [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]


PICTURES = pictures((56, 90), (120, 60), (84, 84))


def contrast(queries, pages):
    gold = torch.arange(len(queries.vectors))
    neutral = torch.zeros(len(gold), len(pages.vectors), dtype=bool)
    return in_batch(similarity(queries, pages), gold, neutral, TEMPERATURE)


def step(encoder: VlmEncoder, *, at_once: int = 8) -> float:
    """One step of plain gradient descent on all weights that ask for a gradient."""
    loss = gradients(encoder.family, TEXTS, PICTURES, contrast, at_once=at_once)
    with torch.no_grad():
        for weight in encoder.family.model.parameters():
            if weight.grad is not None:
                weight -= 0.5 * weight.grad / weight.grad.norm().clamp(min=1e-9)
    return loss
