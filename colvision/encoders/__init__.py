"""Encoders by name: the embedded `mini`, or a vision-language checkpoint from a folder or the hub.

torch, transformers and peft are imported when a checkpoint is loaded, and not needed by `mini`.
"""

from colvision.encoders.loading import load_encoder, merge_adapters
from colvision.encoders.options import EncoderOptions
from colvision.encoders.rerankers import load_reranker
from colvision.encoders.spec import EncoderSpec

__all__ = ["EncoderOptions", "EncoderSpec", "load_encoder", "load_reranker", "merge_adapters"]
