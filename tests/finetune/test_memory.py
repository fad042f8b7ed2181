"""What a fine-tuning keeps for its gradients: less by checkpointing and by LoRA in bfloat16, with the same result."""

from pathlib import Path

import pytest
import torch
from peft import LoraConfig
from torch import nn
from transformers import ColQwen2Config, ColQwen2ForRetrieval, PreTrainedModel

from colvision.encoders import load_encoder
from colvision.encoders.vlm.adapters import with_lora
from colvision.encoders.vlm.encoder import VlmEncoder
from colvision.finetune.gradient_cache import gradients, page_inputs, vectors_of
from colvision.finetune.lora import BaseCheckpoint, attach, checkpoint_blocks, pattern_of, target_names, write_adapter
from colvision.testing import parts
from colvision.testing.checkpoints import FAMILIES
from tests.helpers.families import load, vectors
from tests.helpers.held_bytes import HeldBytes
from tests.helpers.training_step import PICTURES, TEXTS, contrast, step

pytestmark = pytest.mark.slow


def kept_bytes(encoder: VlmEncoder) -> int:
    """Bytes that the gradients of a batch of pages need, the vectors among them."""
    inputs = encoder.family.to_device(page_inputs(encoder.family, PICTURES))
    with HeldBytes() as held:
        encoded = vectors_of(encoder.family.model, inputs, encoder.family.counts(inputs))
        assert encoded.vectors.requires_grad
        return held.now


def test_held_bytes_are_those_that_autograd_keeps():
    weight, states = torch.randn(100, 100, requires_grad=True), torch.randn(10, 100)
    with HeldBytes() as held:
        made = states
        for _ in range(5):
            made = torch.tanh(made @ weight)  # keeps its result, no product
        assert held.now == 5 * made.nbytes
    with torch.no_grad(), HeldBytes() as held:
        made = torch.tanh(torch.tanh(states @ weight) @ weight)
        assert (held.now, held.most) == (made.nbytes, 2 * made.nbytes)


@pytest.mark.parametrize("name", FAMILIES)
def test_checkpointing_changes_no_gradient_and_keeps_less(checkpoint_folder, name):
    def trained(checkpointing: bool) -> tuple[int, float, dict[str, torch.Tensor]]:
        encoder = load(checkpoint_folder(name))
        lora = attach(encoder.family.model, rank=4, seed=0)
        if checkpointing:
            checkpoint_blocks(encoder.family.model)
        step(encoder)
        encoder.family.model.zero_grad()
        kept = kept_bytes(encoder)
        loss = gradients(encoder.family, TEXTS, PICTURES, contrast, at_once=1)
        return kept, loss, {key: weight.grad for key, weight in lora.trained().items()}

    (whole, loss, expected), (less, again, found) = trained(checkpointing=False), trained(checkpointing=True)
    assert again == loss
    assert all(float(each.abs().max()) > 0 for each in expected.values())
    for key, each in expected.items():
        torch.testing.assert_close(found[key], each, rtol=0, atol=0)
    assert less < 0.3 * whole  # .03 to .2, with two blocks: their inputs, and the projection


# LoRA in bfloat16


def in_bfloat16(folder) -> VlmEncoder:
    return load_encoder(folder, device="cpu", dtype="bfloat16")


def lora_in_float32(model: PreTrainedModel, rank: int) -> dict[str, nn.Parameter]:
    """As peft computes with float32 weights in a bfloat16 model."""
    torch.manual_seed(0)
    with_lora(model, LoraConfig(r=rank, lora_alpha=rank, target_modules=pattern_of(target_names(model))))
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    for weight in trained.values():
        weight.data = weight.data.float()
    return trained


def test_weights_and_their_gradients_are_float32_and_nearly_those_of_lora_in_float32(checkpoint_folder):
    """As near to those of a float32 model as peft's own way, but for what bfloat16 does to the model itself."""
    kept, found = {}, {}
    for kind in ("float32", "peft", "ours"):
        folder = checkpoint_folder("colqwen2")
        encoder = load(folder) if kind == "float32" else in_bfloat16(folder)
        model = encoder.family.model
        weights = lora_in_float32(model, 4) if kind == "peft" else attach(model, rank=4, seed=0).trained()
        noise = torch.Generator().manual_seed(1)
        with torch.no_grad():  # its second matrices begin at zero: the first ones would have no gradient
            for weight in weights.values():
                weight += 0.03 * torch.randn(weight.shape, generator=noise)
        kept[kind] = kept_bytes(encoder)
        gradients(encoder.family, TEXTS, PICTURES, contrast, at_once=8)
        assert {weight.dtype for weight in weights.values()} == {torch.float32}
        assert {weight.grad.dtype for weight in weights.values()} == {torch.float32}
        found[kind] = torch.cat([weight.grad.flatten() for weight in weights.values()])
    cosine = {kind: float(torch.cosine_similarity(each, found["ours"], dim=0)) for kind, each in found.items()}
    assert cosine["peft"] > 0.97 and cosine["float32"] > 0.93
    assert kept["ours"] < 0.7 * kept["peft"]


def test_a_bfloat16_model_is_trained_as_it_will_be_loaded(checkpoint_folder, tmp_path):
    encoder = in_bfloat16(checkpoint_folder("colqwen2"))
    lora = attach(encoder.family.model, rank=4, seed=0)
    step(encoder)
    step(encoder)
    write_adapter(lora, tmp_path, BaseCheckpoint("nobody/tiny", None), {})
    reloaded = load_encoder(checkpoint_folder("colqwen2"), adapter=tmp_path, device="cpu", dtype="bfloat16")
    assert (vectors(reloaded) == vectors(encoder)).all()
    assert abs(vectors(encoder) - vectors(in_bfloat16(checkpoint_folder("colqwen2")))).max() > 0.01


def colqwen2(folder: Path, blocks: int) -> PreTrainedModel:
    """In bfloat16, with blocks of the published size: 1536 wide, 8960 in between, 12 heads."""
    config = parts.qwen_config("qwen2_vl", parts.qwen_parts(folder))
    config["vision_config"]["hidden_size"] = 1536
    config["text_config"] |= {
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": blocks,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "head_dim": 128,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
        "layer_types": blocks * ["full_attention"],
        "use_cache": False,
    }
    return ColQwen2ForRetrieval(ColQwen2Config(vlm_config=config, embedding_dim=128)).to(torch.bfloat16).eval()


@pytest.mark.parametrize(
    ("kind", "expected"), [("peft", 146), ("ours", 100), ("checkpointing", 3.1)], ids=lambda value: str(value)
)
def test_a_block_of_colqwen2_keeps_what_the_docs_say(kind, expected, tmp_path):
    """Kilobytes a token, at rank 32: what a second block adds for the tokens that a longer page has more."""
    kept = {}
    for blocks in (1, 2):
        model = colqwen2(tmp_path, blocks)
        if kind == "peft":
            lora_in_float32(model, 32)
        else:
            attach(model, rank=32, seed=0)
        if kind == "checkpointing":
            checkpoint_blocks(model)
        for tokens in (16, 48):
            ids = torch.arange(tokens)[None]
            inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "position_ids": ids.expand(3, 1, -1)}
            with HeldBytes() as held:
                encoded = vectors_of(model, inputs, inputs["attention_mask"].bool())
                assert encoded.vectors.requires_grad
                kept[blocks, tokens] = held.now
    longer, shorter = (kept[2, tokens] - kept[1, tokens] for tokens in (48, 16))
    assert (longer - shorter) / 32 / 1000 == pytest.approx(expected, rel=0.03)
