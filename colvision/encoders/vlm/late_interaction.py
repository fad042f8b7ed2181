"""A vision-language model with one projection on top: what makes page and query vectors of any of them.

For backbones that transformers has no retrieval class of; weights are named as in those classes.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from transformers import AutoModel, ColQwen2Config, PreTrainedModel
from transformers.utils import ModelOutput


class LateInteractionConfig(ColQwen2Config):  # type: ignore[misc]  # transformers is untyped here
    """`vlm_config`: the backbone's own configuration; `embedding_dim`: components of a vector."""

    model_type = "colvision_late_interaction"


@dataclass
class LateInteractionOutput(ModelOutput):  # type: ignore[misc]
    """`embeddings` (b, s, dim), of unit length."""

    embeddings: Tensor | None = None


class LateInteraction(PreTrainedModel):  # type: ignore[misc]
    """The backbone's last hidden states, projected, of unit length (Faysse et al. 2024, arXiv:2407.01449)."""

    config_class = LateInteractionConfig
    config: LateInteractionConfig
    base_model_prefix = "vlm"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True

    def __init__(self, config: LateInteractionConfig) -> None:
        super().__init__(config)
        self.vlm = AutoModel.from_config(config.vlm_config)
        self.embedding_proj_layer = nn.Linear(config.get_text_config().hidden_size, config.embedding_dim)
        self.post_init()

    def forward(self, **inputs: Tensor | bool) -> LateInteractionOutput:
        """`inputs` go to the backbone as they are."""
        states = self.vlm(**inputs).last_hidden_state  # (b, s, hidden)
        projected = self.embedding_proj_layer(states.to(self.embedding_proj_layer.weight.dtype))  # (b, s, dim)
        return LateInteractionOutput(embeddings=nn.functional.normalize(projected, dim=-1))
