"""A vision-language model end to end, random weights: pages a second drawn, prepared, computed, and all three at once.

python -m benchmarks.vlm [--pages 60] [--runs 5] [--tiny] [--write docs/benchmarks.md]

On a CUDA device the model has ColQwen2's size, in bfloat16, and what it does alone is measured, too: pages a second
against patches a page, memory, and the share of the roof, a product of two large bfloat16 matrices in the same run (a
page's arithmetic is counted as 2 operations a weight and token, without attention's own, which is a few per cent).
Random weights compute as fast as trained ones. Elsewhere the model is a tiny one: that says what a page costs before it
is computed, and nothing about computing, for which a processor would take minutes a page. The large one is written to
the folder for temporary files first, 5 GB.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from transformers import ColQwen2Config, ColQwen2ForRetrieval

from benchmarks import report
from colvision.core.encoder import drawing_processes
from colvision.core.page import Page
from colvision.encoders import load_encoder
from colvision.encoders.batching import sorted_batches
from colvision.encoders.vlm.encoder import VlmEncoder
from colvision.encoders.vlm.family import PreparedPage
from colvision.encoders.vlm.models.colqwen import ColQwen2
from colvision.parallel import usable_cores
from colvision.pdf import read_pages
from colvision.pdf.trusted import TrustedPdf
from colvision.testing import parts
from colvision.testing.checkpoints import random_model

_MANUAL = Path(__file__).resolve().parents[1] / "data" / "sample-manual.pdf"
_PATCHES = 768  # as ColQwen2 was trained: a page of the manual becomes 736 or so
_GRIDS = ((16, 12), (32, 24))  # patches of 28 pixels: 192 and 768 a page
_BATCH_TOKENS = 16384
_SIDE = 8192  # of the matrices of the roof
_WORDS = 151_936  # Qwen2's vocabulary
_STAGES = ("drawing", "preparing", "computing")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=60)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tiny", action="store_true", help="a tiny model on the processor, though there is a GPU")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page of the docs")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() and not options.tiny else "cpu")
    with tempfile.TemporaryDirectory(prefix="colvision-") as folder:
        encoder = _encoder(Path(folder), device)
        if device.type == "cuda":
            _measure_model(encoder, options.pages, options.runs)
        manual = Path(folder) / "manual.pdf"
        with TrustedPdf(_MANUAL) as sample:
            sample.write_excerpt(islice(cycle(range(1, len(sample) + 1)), options.pages), manual)
        text = _end_to_end(encoder, manual, options.runs)
    print(text)
    if options.write:
        report.write(options.write, f"encoder by {device.type}", text)


def _encoder(folder: Path, device: torch.device) -> VlmEncoder:
    """Qwen2-VL-2B's shape on a CUDA device, a tiny one elsewhere, and a projection; pages of up to 768 patches."""
    tokens = parts.qwen_parts(folder)
    images = parts.qwen_images(14)
    images.size = {"shortest_edge": 4 * 28**2, "longest_edge": _PATCHES * 28**2}
    images.save_pretrained(folder)
    config = parts.qwen_config("qwen2_vl", tokens)
    if device.type == "cuda":
        config["text_config"] |= {
            "vocab_size": _WORDS,
            "hidden_size": 1536,
            "intermediate_size": 8960,
            "num_hidden_layers": 28,
            "num_attention_heads": 12,
            "num_key_value_heads": 2,
            "head_dim": 128,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
        }
        config["vision_config"] |= {
            "depth": 32,
            "embed_dim": 1280,
            "hidden_size": 1536,
            "num_heads": 16,
            "mlp_ratio": 4,
        }
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    with torch.device(device):
        model = random_model(ColQwen2ForRetrieval, ColQwen2Config(vlm_config=config, embedding_dim=128), seed=0)
    model.to(dtype).save_pretrained(folder)
    return load_encoder(folder, device=device.type, dtype=str(dtype).removeprefix("torch."))


# End to end


class _Turn(NamedTuple):
    """What one turn measured: seconds of each stage alone and of all at once, and milliseconds of processor a page."""

    seconds: dict[str, float]
    processor: dict[str, float]


def _end_to_end(encoder: VlmEncoder, manual: Path, runs: int) -> str:
    """A table; the stages take turns, so that what slows the machine down slows all of them."""
    turns = [_turn(encoder, manual) for _ in range(runs + 1)][1:]  # the first warms up
    count = sum(1 for _ in read_pages(manual))
    seconds, processor = defaultdict(list), defaultdict(list)
    for turn in turns:
        for name, value in turn.seconds.items():
            seconds[name].append(value)
        for name, value in turn.processor.items():
            processor[name].append(value)
    limits = max(_STAGES, key=lambda name: statistics.median(seconds[name]))
    weights = sum(weight.numel() for weight in encoder.family.model.parameters())
    device = encoder.family.model.device
    where = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else "**a tiny random model on the processor itself**"
    )
    what = (
        f"{where}, ColQwen2 with {weights / 1e6:,.1f} million random weights; {count} pages of the sample manual, "
        f"drawn by {drawing_processes(encoder)} process(es), prepared by {min(8, usable_cores())} thread(s), torch "
        f"{torch.__version__} with {torch.get_num_threads()}; median of {runs} turns, in brackets the best"
    )
    lines = [report.conditions(what), "", "| | pages a second | ms of processor a page |", "|---|---|---|"]
    for name in (*_STAGES, "all at once"):
        speed = f"{count / statistics.median(seconds[name]):.1f} ({count / min(seconds[name]):.1f})"
        lines.append(f"| {name} | {speed} | {_cost(processor.get(name))} |")
    lines += [
        "",
        f"What limits: {limits}. Preparing a page in transformers' image processor instead, in the same turns: ",
    ]
    lines[-1] += f"{_cost(processor['transformers'])} ms of processor."
    return "\n".join(lines)


def _cost(milliseconds: list[float] | None) -> str:
    return f"{statistics.median(milliseconds):.1f} ({min(milliseconds):.1f})" if milliseconds else ""


def _turn(encoder: VlmEncoder, manual: Path) -> _Turn:
    family = encoder.family
    processes = drawing_processes(encoder)
    seconds, processor = {}, {}
    began, spent = time.perf_counter(), _drawing_seconds()
    images = [page.image for page in _drawn(manual, processes)]
    seconds["drawing"] = time.perf_counter() - began
    processor["drawing"] = 1000 * (_drawing_seconds() - spent) / len(images)
    processor["transformers"] = _milliseconds(lambda: _as_transformers(family, images[0]))
    began = time.perf_counter()
    with ThreadPoolExecutor(min(8, usable_cores())) as threads:
        timed = list(threads.map(lambda image: _prepare(family, image), images))
    seconds["preparing"] = time.perf_counter() - began
    processor["preparing"] = 1000 * statistics.median(spent for _, spent in timed)
    prepared = [page for page, _ in timed]
    batches = list(_batches(family, prepared))
    began, spent = time.perf_counter(), time.process_time()
    pending = [family.begin(batch.inputs) for batch in batches]
    for each in pending:
        each.vectors()
    seconds["computing"] = time.perf_counter() - began
    processor["computing"] = 1000 * (time.process_time() - spent) / len(images)
    began = time.perf_counter()
    assert sum(1 for _ in encoder.encode_pages(_drawn(manual, processes))) == len(images)
    seconds["all at once"] = time.perf_counter() - began
    return _Turn(seconds, processor)


def _drawn(manual: Path, processes: int) -> Iterator[Page]:
    return (page for page in read_pages(manual, processes=processes) if isinstance(page, Page))


def _drawing_seconds() -> float:
    """Processor time of the processes that have drawn, and of this thread, which receives pages."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime + time.thread_time()


def _milliseconds(work: Callable[[], object]) -> float:
    """Of this thread's processor time; the least of three."""
    least = float("inf")
    for _ in range(3):
        began = time.thread_time()
        work()
        least = min(least, time.thread_time() - began)
    return 1000 * least


def _as_transformers(family: ColQwen2, image: Image.Image) -> object:
    return family.image_processor(images=[family.fit(image)], return_tensors="pt")


def _prepare(family: ColQwen2, image: Image.Image) -> tuple[PreparedPage, float]:
    """The page, and the seconds of processor that it took."""
    began = time.thread_time()
    return family.prepare(family.fit(image)), time.thread_time() - began


def _batches(family: ColQwen2, pages: list[PreparedPage]) -> Iterator[object]:
    budget = _BATCH_TOKENS if family.model.device.type == "cuda" else 2048
    for places in sorted_batches([page.patches for page in pages], budget):
        yield family.batch([pages[place] for place in places])


# The model alone


def _measure_model(encoder: VlmEncoder, pages: int, runs: int) -> None:
    family = encoder.family
    device = family.model.device
    roof = _roof(device)
    print(f"matmul roof {roof / 1e12:.0f} TFLOP/s")
    for rows, cols in _GRIDS:
        torch.cuda.reset_peak_memory_stats(device)
        pixels = np.random.default_rng(0).integers(0, 256, (28 * rows, 28 * cols, 3), dtype=np.uint8)
        page = family.prepare(Image.fromarray(pixels))
        seconds = min(_seconds(family, page, pages) for _ in range(runs + 1))
        operations = 2.0 * pages * _weights_of_a_page(family.model, len(page.ids), 4 * rows * cols)
        memory = torch.cuda.max_memory_allocated(device) / 2**30
        print(
            f"{rows * cols:5} patches a page: {pages / seconds:7.1f} pages/s, {memory:5.1f} GB, "
            f"{operations / seconds / roof:4.0%} of the roof"
        )


def _weights_of_a_page(model: torch.nn.Module, tokens: int, squares: int) -> float:
    """Weights that one page is multiplied with: of words once a token, of images once a square of 14 pixels."""
    multiplied = 0.0
    for name, weight in model.named_parameters():
        if weight.ndim > 1 and "embed_tokens" not in name:
            multiplied += weight.numel() * (squares if ".visual." in name and "merger" not in name else tokens)
    return multiplied


@torch.inference_mode()
def _seconds(family: ColQwen2, page: PreparedPage, pages: int) -> float:
    """The model alone, on inputs that lie on the device."""
    at_once = min(pages, max(1, _BATCH_TOKENS // len(page.ids)))
    inputs = family.to_device(family.batch(at_once * [page]).inputs)
    rest = family.to_device(family.batch((pages % at_once or at_once) * [page]).inputs)
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(-(-pages // at_once) - 1):
        family.model(**inputs)
    family.model(**rest)
    torch.cuda.synchronize()
    return time.perf_counter() - began


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
