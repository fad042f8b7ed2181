"""The page: Gradio is its frame and its upload; everything that is read or drawn is the viewer's, over /api/v1."""

import os
from collections.abc import Callable
from html import escape
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported

import gradio as gr
from fastapi import FastAPI

from app.api import VIEWER
from app.service import Service
from colvision.errors import ColvisionError

_START = "import('/viewer/main.js').then(viewer => viewer.start())"
_UPLOADED = "() => { window.dispatchEvent(new Event('colvision:uploaded')); }"
_STYLES = ("tokens", "frame", "desk", "inspector")  # as `css=` Gradio rewrites selectors, and breaks :is(a, b)
_ENDINGS = [".pdf", ".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"]


def build_page(service: Service) -> gr.Blocks:
    """The drop zone and the places that the viewer fills."""
    limits = service.settings.quota.in_words()
    with gr.Blocks(title="colvision", analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600)) as page:
        with gr.Row(elem_id="cv-frame"):
            with gr.Column(elem_id="cv-library", min_width=0, scale=0):
                gr.HTML(html_template=_part("brand"), js_on_load=None, apply_default_css=False)
                drop = gr.File(
                    label=f"Add documents: {limits}",
                    file_count="multiple",
                    file_types=_ENDINGS,
                    elem_id="cv-drop",
                    height=104,
                )
                gr.HTML(
                    html_template=_part("library").replace("LIMITS", limits), js_on_load=None, apply_default_css=False
                )
            with gr.Column(elem_id="cv-desk", min_width=0):
                gr.HTML(html_template=_part("desk"), js_on_load=_START, apply_default_css=False)
        drop.upload(_receive(service), drop, drop, show_progress="hidden", api_visibility="private").then(
            None, None, None, js=_UPLOADED
        )
    return page


def mount_page(app: FastAPI, service: Service) -> FastAPI:
    """The application with its page at /."""
    # Beside the library's own files: an upload is then renamed into its place, not copied.
    os.environ["GRADIO_TEMP_DIR"] = str(service.library.path.resolve() / "uploads" / "arriving")
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        build_page(service),
        path="/",
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        show_error=False,
        max_file_size=service.settings.quota.file_bytes,
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        head="".join(f'<link rel="stylesheet" href="/viewer/{name}.css">' for name in _STYLES),
        favicon_path=str(VIEWER / "icon.svg"),
    )
    return mounted


def _part(name: str) -> str:
    return (VIEWER / f"{name}.html").read_text(encoding="utf-8")


def _receive(service: Service) -> Callable[[list[str] | None], None]:
    def receive(paths: list[str] | None) -> None:
        """Gradio shows a warning as HTML, and a file's name comes from outside: it is escaped."""
        for path in map(Path, paths or []):
            try:
                service.upload(path, path.name)
            except ColvisionError as error:
                path.unlink(missing_ok=True)
                gr.Warning(escape(str(error)), title="Not added", duration=10)

    return receive
