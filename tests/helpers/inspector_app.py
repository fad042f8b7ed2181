"""A Gradio page of somebody's own with two inspectors: `python -m tests.helpers.inspector_app`. No library is near."""

import sys

import gradio as gr
import numpy as np
from colvision.app.components import MappedPage, PageInspector, PatchClick
from PIL import Image, ImageDraw

WORDS = ("red", "blue")


def page_of(red: tuple[int, int], blue: tuple[int, int], name: str) -> MappedPage:
    """A page of 6 x 4 patches, one of which is red and one blue, with a map that numpy makes of its colours."""
    image = Image.new("RGB", (240, 360), "white")
    for (row, col), colour in ((red, (220, 60, 60)), (blue, (60, 60, 220))):
        ImageDraw.Draw(image).rectangle((col * 60, row * 60, col * 60 + 59, row * 60 + 59), fill=colour)
    patches = np.asarray(image, np.float32).reshape(6, 60, 4, 60, 3).mean(axis=(1, 3)) / 255  # (rows, cols, 3)
    ink = 1 - patches
    map_ = np.stack([ink[..., 1] - ink[..., 0], ink[..., 1] - ink[..., 2]])  # (words, rows, cols)
    map_[:, 5, 3] = np.nan  # a patch that was dropped
    return MappedPage(image, map_, WORDS, name=name)


FIRST = page_of((1, 2), (4, 0), "first page")
SECOND = page_of((5, 1), (0, 3), "second page")


def chosen(choice: gr.SelectData) -> str:
    return f"{choice.index} {choice.value!r}"


def clicked(patch: PatchClick) -> str:
    return f"{patch.row} {patch.col} {patch.word!r} {patch.similarity}"


with gr.Blocks(analytics_enabled=False) as demo:
    with gr.Row():
        one = PageInspector(FIRST, height=520, elem_id="one")
        other = PageInspector(SECOND, height=520, word="blue", elem_id="other")
    told = gr.Textbox(label="chosen")
    place = gr.Textbox(label="clicked")
    swap, empty, look = gr.Button("Swap"), gr.Button("Empty"), gr.Button("Look")
    read = gr.Textbox(label="read")
    one.select(chosen, outputs=told)
    one.click(clicked, outputs=place)
    swap.click(lambda: SECOND, outputs=one)
    empty.click(lambda: None, outputs=one)
    look.click(lambda: PageInspector(word="red", opacity=0.4), outputs=one)
    one.change(lambda shown: shown.name if shown else "nothing", one, read)

if __name__ == "__main__":
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, footer_links=[])
    sys.stdout.write(f"colvision: {address}\n")
    sys.stdout.flush()
    demo.block_thread()
