"""Encoders by name: the embedded `mini`, or a vision-language checkpoint from a folder or the hub.

torch is imported when an encoder is loaded, transformers and peft when it is a checkpoint.
"""

from colvision.encoders.loading import load_encoder
from colvision.encoders.options import EncoderOptions
from colvision.encoders.spec import EncoderSpec

__all__ = ["EncoderOptions", "EncoderSpec", "load_encoder"]
