"""colpali-engine 0.3.8 on transformers 4.47: what colSmol was published with; 0.3.9 wrote a page's words after it."""

from pathlib import Path

from colpali_engine.models import ColIdefics3, ColIdefics3Processor
from transformers import AutoConfig, Idefics3ImageProcessor, PreTrainedTokenizerFast

# Of the base of the published checkpoints, SmolVLM's.
_CHAT_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}"
    "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
)


def colsmol(folder: Path) -> tuple[object, object]:
    tokens = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        pad_token="<|endoftext|>",
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
    )
    pictures = Idefics3ImageProcessor.from_pretrained(folder)
    processor = ColIdefics3Processor(pictures, tokens, image_seq_len=16, chat_template=_CHAT_TEMPLATE)
    return ColIdefics3(AutoConfig.from_pretrained(folder)), processor


PACKAGE = "colpali-engine"
CASES = {"colsmol": colsmol}
