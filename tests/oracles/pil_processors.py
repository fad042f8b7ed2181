"""transformers' processors without torchvision, of which there is no build for a CPU beside PyTorch's."""

from pathlib import Path

from PIL import Image
from transformers import (
    AutoConfig,
    AutoTokenizer,
    BatchFeature,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    PaliGemmaProcessor,
    ProcessorMixin,
    Qwen2VLImageProcessorPil,
    Qwen2VLProcessor,
    Qwen3VLProcessor,
    SiglipImageProcessorPil,
)


class _NoVideos:
    """Without the part for videos, which needs torchvision."""

    def check_argument_for_proper_class(self, argument_name: str, argument: object) -> type:
        return type(argument)


class _Qwen2(_NoVideos, Qwen2VLProcessor):
    pass


class _Qwen3(_NoVideos, Qwen3VLProcessor):
    pass


class _FewTiles(Idefics3ImageProcessorPil):
    """UltraVBertImageProcessor, which adds to Idefics3's that it scales what would have too many tiles."""

    def preprocess(self, images: list[list[Image.Image]], **options: object) -> BatchFeature:
        import torchvision_names  # noqa: F401  only now, when all others know that there is no torchvision
        from transformers.models.ultravbert.image_processing_ultravbert import get_capped_longest_edge

        [[page]] = images
        tile = self.max_image_size["longest_edge"]
        longest = get_capped_longest_edge(
            page.height, page.width, self.size["longest_edge"], tile, self.max_image_tiles
        )
        return super().preprocess(images, **{**options, "size": {"longest_edge": longest}})


def processor(folder: str, **options: object) -> ProcessorMixin:
    """Stands for AutoProcessor.from_pretrained: the processor of a folder's model_type, scaling with PIL."""
    is_whole = Path(folder, "config.json").is_file()
    model_type = AutoConfig.from_pretrained(folder if is_whole else Path(folder, "base")).model_type
    tokens = AutoTokenizer.from_pretrained(folder)
    sizes = {name: value for name, value in options.items() if name.endswith("_pixels")}
    template = Path(folder, "chat_template.jinja").read_text()
    if model_type == "paligemma":
        pictures = SiglipImageProcessorPil.from_pretrained(folder)
        pictures.image_seq_length = 64
        return PaliGemmaProcessor(pictures, tokens, chat_template=template)
    if model_type in ("idefics3", "modernvbert", "ultravbert"):
        kind = _FewTiles if model_type == "ultravbert" else Idefics3ImageProcessorPil
        pictures = kind.from_pretrained(folder)
        return Idefics3Processor(pictures, tokens, image_seq_len=16, chat_template=template)
    pictures = Qwen2VLImageProcessorPil.from_pretrained(folder, **sizes)
    kind = _Qwen2 if model_type in ("qwen2_vl", "qwen2_5_vl") else _Qwen3
    return kind(pictures, tokens, video_processor=object(), chat_template=template)
