"""The page: Gradio is its frame; everything that is read, sent or drawn is the scripts' in static/, over /api/v1."""

import os
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported

import gradio as gr
from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from colvision.pdf import MEDIA_TYPES

from .api import STATIC_URL
from .components import PageInspector
from .services.library import LibraryService
from .settings import STATIC, Quota

# As `css=` Gradio breaks :is.
_STYLES = ("tokens", "frame", "controls", "sidebar", "search", "cards", "answers", "inspector", "reader")
_STATIC = STATIC_URL.removeprefix("/")
_PAGE = ("", "/")
_FILES = (*_PAGE, "/theme.css", "/favicon.ico")  # all that the page loads of Gradio, and its folders
_FOLDERS = ("/assets/", "/static/")
_BASE = b'<base href="./"'
_ASSETS = Path(gr.__file__).parent / "templates" / "frontend" / "assets"
_LATE = ("Blocks", "HTML")  # scripts of Gradio's that others ask for, once they have come


def build_page(quota: Quota) -> gr.Blocks:
    """The places that the scripts fill, and the limits that it tells. Its addresses are those of its base: whatever
    path a proxy has it below.
    """
    start = f"import(new URL('{_STATIC}/main.js', document.baseURI)).then(main => main.start())"
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

    with _Page(title="colvision", analytics_enabled=False, fill_width=True) as page, gr.Row(elem_id="cv-frame"):
        with gr.Column(elem_id="cv-sidebar", min_width=0, scale=0):
            gr.HTML(html_template=part("brand") + part("sidebar"), js_on_load=None, apply_default_css=False)
        with gr.Column(elem_id="cv-app", elem_classes=["cv-app", "is-blank"], min_width=0):
            gr.HTML(html_template=part("search"), js_on_load=None, apply_default_css=False)
            with gr.Row(elem_classes="cv-split"):
                gr.HTML(html_template=part("results"), js_on_load=None, apply_default_css=False)
                inspector = PageInspector(elem_id="cv-inspector")
                inspector.js_on_load = (
                    start  # the last of all places is there; the scripts show pages of the library in it
                )
    return page


class _Page(gr.Blocks):  # type: ignore[misc]  # gradio is not typed for mypy
    """As Gradio's, but for its queue: that looks for work a thousand times a second, and the guard lets none come."""

    def run_startup_events(self) -> None:
        self.is_running = True


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
        head="".join(f'<link rel="stylesheet" href="{_STATIC}/{name}.css">' for name in _STYLES),
        favicon_path=str(STATIC / "icon.svg"),
    )
    mount = mounted.routes[-1]
    assert isinstance(mount, Mount)
    mount.app = _Frame(mount.app)
    return mounted


def _early() -> str:
    """What the page asks for sooner or later, named where the browser reads it first: else each script has to come
    before those that it imports are asked for. The links of `head=` are Gradio's, which adds them when it has started.
    """
    late = sorted(path.name for name in _LATE for path in _ASSETS.glob(f"{name}-*.js"))
    ours = sorted(path.name for path in STATIC.glob("*.js") if path.name != "component.js")  # which is for other pages
    return "".join(
        (
            *(f'<link rel="modulepreload" href="./assets/{name}">' for name in late),
            *(f'<link rel="preload" as="style" href="{_STATIC}/{name}.css">' for name in _STYLES),
            *(f'<link rel="modulepreload" fetchpriority="low" href="{_STATIC}/{name}">' for name in ours),
        )
    )


class _Frame:
    """Gradio's application: of its many routes only those that the page loads, and no error in a form of its own.

    Its page is painted before its scripts have come.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._early = _early().encode()
        self._opening = (STATIC / "opening.html").read_bytes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root = scope.get("root_path", "")
        path = scope["path"].removeprefix(root)
        if scope["type"] == "http" and not (path in _FILES or path.startswith(_FOLDERS)):
            raise HTTPException(404)
        refused = 0

        async def sending(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start":
                refused = message["status"] if message["status"] >= 400 else 0
                if path in _PAGE:
                    del MutableHeaders(scope=message)["content-length"]
            elif path in _PAGE:
                message["body"] = self._dressed(message.get("body", b""), root.encode())
            if not refused:
                await send(message)

        await self._app(scope, receive, sending)
        if refused:
            raise HTTPException(refused)

    def _dressed(self, page: bytes, root: bytes) -> bytes:
        if root:  # `./` is another folder where the address ends without a slash
            page = page.replace(_BASE, b'<base href="%s/"' % root, 1)
        page = page.replace(b"</head>", self._early + b"</head>", 1)
        return page.replace(b"<gradio-app", self._opening + b"<gradio-app", 1)
