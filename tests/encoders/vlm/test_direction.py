"""Which way a model reads: as its checkpoint says or as it was published, in every place where transformers looks."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface

from colvision.encoders.doctor import examine
from colvision.encoders.fingerprint import fingerprint
from colvision.encoders.vlm.adapters import with_lora
from colvision.encoders.vlm.direction import set_direction
from colvision.encoders.vlm.encoder import VlmEncoder
from colvision.encoders.vlm.family import ProcessorConfig
from colvision.encoders.vlm.models.colpali import ColPali
from colvision.errors import EncoderError, WeightsMismatch
from colvision.testing.checkpoints import FAMILIES
from tests.helpers.families import load, vectors

pytestmark = pytest.mark.slow

TURNABLE = ["colqwen2", "colqwen2.5", "colqwen3", "colqwen3.5", "colsmol"]
BY_WHAT_THEY_ARE = ["colpali", "colmodernvbert", "neomme"]
OPPOSITE = {"causal": "bidirectional", "bidirectional": "causal"}


@pytest.fixture
def folder(checkpoint_folder, tmp_path) -> Path:
    """A ColQwen3.5 whose configuration a test may change."""
    return Path(shutil.copytree(checkpoint_folder("colqwen3.5"), tmp_path / "checkpoint"))


def state(folder: Path, *, top: object = None, text: object = None) -> Path:
    file = folder / "config.json"
    config = json.loads(file.read_bytes())
    if top is not None:
        config["is_causal"] = top
    if text is not None:
        config["text_config"]["is_causal"] = text
    file.write_text(json.dumps(config))
    return folder


def reads_both_ways(encoder: VlmEncoder) -> bool:
    """Whether the first token of a query follows its last."""
    family = encoder.family
    inputs = dict(family.query_inputs(*family.pad([family.token_ids("bleed the pump")])))
    [before] = family.vectors(inputs)
    inputs["input_ids"] = inputs["input_ids"].clone()
    inputs["input_ids"][0, -1] -= 1
    [after] = family.vectors(inputs)
    return bool(np.abs(after - before)[0].max() > 1e-4)


def is_causal_everywhere(encoder: VlmEncoder) -> set[bool]:
    """What the full-attention layers say, which flash-attention reads, and the configuration, which sdpa does."""
    decoder = encoder.family.model.vlm.get_decoder()
    layers = [part for part in decoder.modules() if type(part).__name__.endswith("Attention")]
    assert layers
    return {*(layer.is_causal for layer in layers), *(layer.config.is_causal for layer in layers)}


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float, *, causal: bool) -> tuple[Tensor, None]:
    """(b, heads, s, size) each -> (b, s, heads, size): the formula."""
    key, value = (part.repeat_interleave(query.shape[1] // key.shape[1], dim=1) for part in (key, value))
    products = query @ key.transpose(2, 3) * scale
    if causal:
        products = products + torch.full(products.shape[-2:], -torch.inf).triu(1)
    return (torch.softmax(products, dim=-1) @ value).transpose(1, 2).contiguous(), None


def attend_as_the_layer_says(module: torch.nn.Module, *args: Tensor, **inputs: object) -> tuple[Tensor, None]:
    return attend(*args[:3], inputs["scaling"], causal=module.is_causal)


@pytest.mark.parametrize(
    ("stated", "both_ways"),
    [
        ({}, True),  # as published: athrael-soju's, EVIE's and Vultron's say nothing, and were trained so
        ({"top": False}, True),  # which transformers drops
        ({"text": False}, True),
        ({"top": True}, False),
        ({"text": True}, False),
    ],
)
def test_colqwen3_5_reads_as_its_configuration_says_and_else_as_published(folder, stated, both_ways):
    encoder = load(state(folder, **stated))
    assert reads_both_ways(encoder) == both_ways
    assert is_causal_everywhere(encoder) == {not both_ways}


@pytest.mark.parametrize("name", TURNABLE)
def test_the_option_decides_and_is_part_of_the_fingerprint(checkpoint_folder, get, name):
    as_published = get(name)
    loaded = {attention: load(checkpoint_folder(name), attention=attention) for attention in OPPOSITE}
    assert {attention: reads_both_ways(each) for attention, each in loaded.items()} == {
        "causal": False,
        "bidirectional": True,
    }
    assert len({each.info.fingerprint for each in loaded.values()}) == 2
    default = "bidirectional" if name == "colqwen3.5" else "causal"
    assert as_published.info.fingerprint == loaded[default].info.fingerprint
    assert loaded["causal"].info.options.endswith(" --attention causal")


@pytest.mark.parametrize("name", ["colqwen3.5", "colsmol"])
def test_both_ways_is_attention_without_any_mask(checkpoint_folder, name):
    """Whatever the flags say: softmax over all tokens, written out."""
    encoder = load(checkpoint_folder(name), attention="bidirectional")
    ours = vectors(encoder)

    def attend_to_everything(module, *args, **inputs):
        return attend(*args[:3], inputs["scaling"], causal=False)

    AttentionInterface.register("everything", attend_to_everything)
    AttentionMaskInterface.register("everything", lambda *args, **kwargs: None)
    encoder.family.model.vlm.get_decoder().set_attn_implementation("everything")
    np.testing.assert_allclose(ours, vectors(encoder), rtol=0, atol=1e-5)
    assert np.abs(ours - vectors(load(checkpoint_folder(name), attention="causal"))).max() > 0.01


def test_a_configuration_that_contradicts_itself_asks(folder):
    state(folder, top=False, text=True)
    with pytest.raises(EncoderError, match="true in one place and false in another: load it with attention="):
        load(folder)
    assert reads_both_ways(load(folder, attention="bidirectional"))


def test_a_direction_that_is_no_yes_or_no_asks(folder):
    with pytest.raises(EncoderError, match="says is_causal is 'false'; expected true or false: load it with attention"):
        load(state(folder, text="false"))
    assert not reads_both_ways(load(folder, attention="causal"))


@pytest.mark.parametrize("name", BY_WHAT_THEY_ARE)
def test_a_model_that_is_bidirectional_by_what_it_is_refuses_to_be_causal(checkpoint_folder, get, name):
    with pytest.raises(ValueError, match="attention is 'causal'; this model is bidirectional by what it is"):
        load(checkpoint_folder(name), attention="causal")
    both_ways = load(checkpoint_folder(name), attention="bidirectional")
    assert both_ways.info.fingerprint == get(name).info.fingerprint


def test_an_unknown_direction_is_refused(folder):
    with pytest.raises(ValueError, match="attention is 'left'; expected 'bidirectional' or 'causal'"):
        load(folder, attention="left")


def test_what_ran_before_directions_could_be_chosen_keeps_its_fingerprint(folder):
    """That of the files, the prompts and the resolution: whoever wants the vectors of then names the direction."""
    then = load(folder, attention="causal")
    prompts = then.family.prompts
    said = (prompts.page, prompts.query_prefix, prompts.query_suffix)
    expected = fingerprint([folder], ("qwen3_5", "1", *said, "48"))
    assert then.info.fingerprint == expected
    assert load(folder).info.former == {expected: "colvision now has it read bidirectionally, as it was trained"}
    state(folder, text=False)  # sdpa heeded this one before
    assert load(folder).info.former == {}


def test_an_adapter_that_was_trained_the_other_way_is_refused_until_it_is_run_so(folder, tmp_path):
    then = load(folder, attention="causal")
    wrapped = with_lora(then.family.model, LoraConfig(r=2, target_modules=["embedding_proj_layer"]))
    adapter = tmp_path / "adapter"
    wrapped.save_pretrained(adapter)
    rule = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**rule, "target_modules": ["custom_text_proj"]}))
    report = {"base": {"name": "base", "fingerprint": then.info.fingerprint}}
    (adapter / "finetune.json").write_text(json.dumps(report))
    with pytest.raises(WeightsMismatch, match="fits what an earlier version made of checkpoint: colvision now has"):
        load(folder, adapter=adapter)
    assert not reads_both_ways(load(folder, adapter=adapter, attention="causal"))


# The doctor


def direction(encoder: VlmEncoder) -> tuple[bool | None, str]:
    [found] = [finding for finding in examine(encoder).findings if finding.name == "direction"]
    return found.passed, found.message


@pytest.mark.parametrize("name", FAMILIES)
def test_the_doctor_tells_the_direction_and_where_it_comes_from(get, name):
    passed, message = direction(get(name))
    expected = "bidirectional" if name in ("colqwen3.5", *BY_WHAT_THEY_ARE) else "causal"
    source = "what the model is" if name in BY_WHAT_THEY_ARE else "as the published ones were trained; config.json"
    assert passed and message.startswith(f"pages {expected}, queries {expected} ({source}")


@pytest.mark.parametrize("name", TURNABLE)
def test_the_doctor_finds_a_wrong_direction(checkpoint_folder, name):
    encoder = load(checkpoint_folder(name))
    expected = encoder.checkpoint.direction.attention
    set_direction(encoder.family.model, OPPOSITE[expected])
    passed, message = direction(encoder)
    assert passed is False and f"pages {OPPOSITE[expected]}, " in message and f"; expected {expected} (" in message


def test_the_doctor_finds_a_direction_that_only_the_configuration_was_told(checkpoint_folder):
    """flash-attention is given no mask and asks each layer, which transformers leaves causal."""
    encoder = load(checkpoint_folder("colqwen3.5"))
    decoder = encoder.family.model.vlm.get_decoder()
    AttentionInterface.register("asks the layer", attend_as_the_layer_says)
    AttentionMaskInterface.register("asks the layer", lambda *args, **kwargs: None)
    decoder.set_attn_implementation("asks the layer")
    assert direction(encoder)[0] is True
    for part in decoder.modules():
        if hasattr(part, "is_causal"):
            part.is_causal = True
    assert direction(encoder)[0] is False


def test_the_doctor_finds_a_colpali_that_reads_its_words_causally(checkpoint_folder):
    class Suffix(ColPali):
        def inputs(self, ids: Tensor, mask: Tensor, pixels: dict[str, Tensor]) -> dict[str, Tensor]:
            return {**super().inputs(ids, mask, pixels), "token_type_ids": torch.ones_like(ids)}

    folder = checkpoint_folder("colpali")
    sound = load(folder)
    family = Suffix(sound.family.model, ProcessorConfig(folder, sound.checkpoint.layout))
    passed, message = direction(VlmEncoder(family, sound.checkpoint))
    assert passed is False and "causal" in message and "; expected bidirectional" in message
