"""The page: Gradio is its frame; everything that is read, sent or drawn is the scripts' in static/, over /api/v1."""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported

import gradio as gr
from fastapi import FastAPI

from colvision.pdf import MEDIA_TYPES

from .api import STATIC, STATIC_URL
from .services.library import LibraryService
from .settings import Quota

_START = f"import('{STATIC_URL}/main.js').then(main => main.start())"
_STYLES = ("tokens", "frame", "sidebar", "search", "cards", "inspector")  # as `css=` Gradio breaks :is(a, b)


def build_page(quota: Quota) -> gr.Blocks:
    """The places that the scripts fill, and the limits that it tells."""
    limits = {
        "LIMITS": quota.in_words(),
        "ENDINGS": ",".join(MEDIA_TYPES),
        "FILE_BYTES": str(quota.file_bytes),
        "QUERY_IMAGE_BYTES": str(quota.query_image_bytes),
        "QUERY_CHARACTERS": str(quota.query_characters),
        "WHERE_CHARACTERS": str(quota.where_characters),
        "METADATA_CHARACTERS": str(quota.metadata_characters),
        "NAME_CHARACTERS": str(quota.name_characters),
    }

    def part(name: str) -> str:
        text = (STATIC / f"{name}.html").read_text(encoding="utf-8")
        for word, value in limits.items():
            text = text.replace(f'"{word}"', f'"{value}"').replace(f">{word}<", f">{value}<")
        return text

    with gr.Blocks(title="colvision", analytics_enabled=False, fill_width=True) as page, gr.Row(elem_id="cv-frame"):
        with gr.Column(elem_id="cv-sidebar", min_width=0, scale=0):
            gr.HTML(html_template=part("brand") + part("sidebar"), js_on_load=None, apply_default_css=False)
        with gr.Column(elem_id="cv-main", min_width=0):
            gr.HTML(html_template=part("search"), js_on_load=_START, apply_default_css=False)
    return page


def mount_page(app: FastAPI, service: LibraryService) -> FastAPI:
    """The application with its page at /."""
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        build_page(service.settings.quota),
        path="/",
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        show_error=False,
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        head="".join(f'<link rel="stylesheet" href="{STATIC_URL}/{name}.css">' for name in _STYLES),
        favicon_path=str(STATIC / "icon.svg"),
    )
    return mounted
