"""Gradio components: for the application's page, and for anybody's own (docs/components.md)."""

from collections.abc import Callable
from functools import cache
from typing import Any, Literal
from urllib.parse import quote

from colvision.errors import MissingExtra
from colvision.explain import Explanation

from .explanation_view import view_alone
from .mapped_page import MappedPage
from .settings import STATIC
from .views import ExplanationView

try:
    import gradio as gr
    from gradio.component_meta import ComponentMeta, updateable
    from gradio.data_classes import FileData, GradioModel
    from gradio.processing_utils import save_pil_to_cache
except ModuleNotFoundError as error:
    raise MissingExtra("components need gradio, not installed here: pip install 'colvision[app]'") from error

__all__ = ["MappedPage", "PageInspector", "PatchClick", "ShownPage"]

_FROM_ITS_MEDIAN = ", from this page's median to its best match"


class ShownPage(GradioModel):  # type: ignore[misc]  # gradio is not typed for mypy
    """What the browser is told: the image, the explanation, and in words where the ends of its scale come from."""

    image: FileData
    name: str
    why: ExplanationView
    ends: str


class PatchClick(gr.EventData):  # type: ignore[misc]
    """A click on a patch: its `row` and `col` from 0, the `word` that is strongest there of those that are shown, and
    its `similarity`; "" and None where there is no vector.
    """

    def __init__(self, target: gr.blocks.Block | None, data: Any) -> None:  # noqa: ANN401  # what the browser sends
        super().__init__(target, data)
        self.row: int = data["row"]
        self.col: int = data["col"]
        self.word: str = data["word"]
        self.similarity: float | None = data["similarity"]


class _Meta(ComponentMeta):  # type: ignore[misc]
    """As Gradio's, which besides writes a stub beside the file of every component: into the checkout, or what is
    installed.
    """

    def __new__(cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> type:
        attributes["__init__"] = updateable(attributes["__init__"])
        made: type = super(ComponentMeta, cls).__new__(cls, name, bases, attributes)
        return made


class PageInspector(gr.HTML, metaclass=_Meta):  # type: ignore[misc]
    """A page with its similarity map: all words or one, the winning patches, zoom, legend, and a table of the words.

    Events: `select` when a word is chosen (`gr.SelectData`: `index` is its number from 0, None for all words, `value`
    the word, "" for all), `click` on a patch (`PatchClick`), `change` when another page is shown.

    As an output it takes what `value` may be; as an input it gives the `ShownPage`.
    """

    data_model = ShownPage

    def __init__(
        self,
        value: Explanation | MappedPage | Callable[[], Explanation | MappedPage | None] | None = None,
        *,
        word: str = "",
        style: Literal["fill", "outline"] = "fill",
        opacity: float = 0.8,
        heatmap: bool = True,
        patches: bool = True,
        height: int = 640,
        scale: int | None = None,
        min_width: int | None = None,
        visible: bool | Literal["hidden"] = True,
        elem_id: str | None = None,
        elem_classes: list[str] | str | None = None,
        render: bool = True,
        key: int | str | None = None,
    ) -> None:
        """An inspector of `value`, or an empty one.

        Args:
            value: what a library explains, with its page image, or an image with a similarity map of any origin. A
                function is called whenever the page is loaded.
            word: the word that is shown; "" for all.
            style: how the map is drawn: filled patches, or lines around the strong ones.
            opacity: of the map, 0.1 to 1.
            heatmap: whether the map is shown.
            patches: whether the winning patches are outlined.
            height: of the component, in pixels.
            scale: as for any component of Gradio, like those that follow.
            min_width: in pixels.
            visible: False for none, "hidden" for one that takes no room.
            elem_id: its id in the page.
            elem_classes: its classes there.
            render: False to place it later.
            key: what it is recognised by when it is rendered again.

        Raises:
            ValueError: an explanation without a page image.
        """
        classes = [elem_classes] if isinstance(elem_classes, str) else elem_classes or []
        super().__init__(
            value,
            html_template=(STATIC / "inspector.html").read_text(encoding="utf-8"),
            js_on_load=f"import(new URL('{_address_of_scripts()}', document.baseURI))"
            ".then((component) => component.mount(element, { props, trigger, watch }))",
            apply_default_css=False,
            word=word,
            style=style,
            opacity=opacity,
            heatmap=heatmap,
            patches=patches,
            height=height,
            scale=scale,
            min_width=min_width,
            visible=visible,
            elem_id=elem_id,
            elem_classes=["cv-component", *classes],
            render=render,
            key=key,
        )

    def preprocess(self, payload: ShownPage | None) -> ShownPage | None:
        return payload

    def postprocess(self, value: Explanation | MappedPage | None) -> ShownPage | None:
        if value is None:
            return None
        if isinstance(value, MappedPage):
            picture, view = value.picture, value.view()
            ends = "" if value.scale else _FROM_ITS_MEDIAN
        elif value.image is None:
            raise ValueError("there is no image of this page to show; only its similarity map is known")
        else:
            picture, view, ends = value.image, view_alone(value), _FROM_ITS_MEDIAN
        file = save_pil_to_cache(picture, cache_dir=self.GRADIO_CACHE, name="page")
        return ShownPage(image=FileData(path=file), name=view.document, why=view, ends=ends)

    def api_info(self) -> dict[str, Any]:
        schema: dict[str, Any] = ShownPage.model_json_schema()
        return schema

    def example_payload(self) -> None:
        return None

    def example_value(self) -> None:
        return None


@cache
def _address_of_scripts() -> str:
    """Of the script that fills a component, below the address of the page; Gradio serves its folder from now on."""
    gr.set_static_paths([STATIC])
    return f"gradio_api/file={quote((STATIC / 'component.js').as_posix())}"
