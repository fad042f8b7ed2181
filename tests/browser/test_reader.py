"""A page read as in a PDF reader, in a real browser: text, heat, zoom, pages, find, print."""

import re

import pytest

pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document
from tests.helpers import browser as drive  # it imports playwright
from tests.helpers.browser import expect
from tests.helpers.pdf_files import HELVETICA, LETTER, pages_file, words, written

pytestmark = pytest.mark.browser

PAGES = 24  # more than a strip of thumbnails shows
COGS = (2, 5, 20)  # the pages of the scan that show a cog
LINES = [("Remove the oil filter", 700), ("and drain the pump.", 660), ("Fit a gasket", 300)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reader")
    text = b" ".join(words(line, bottom=bottom) for line, bottom in LINES)
    guide = pages_file((f"{LETTER} {HELVETICA}", text), (f"{LETTER} {HELVETICA}", words("Two gaskets")))
    scan = [["cog", "shaft"] if number in COGS else [f"part{number}"] for number in range(1, PAGES + 1)]
    with open_library(folder / "library", encoder=ToyEncoder()) as library:
        library.ingest([written(folder, guide, "guide.pdf"), save_document(folder / "gear.tiff", scan)])
    with drive.serving(*drive.TOY, str(folder / "library"), "0") as address:
        yield address


def show(page, server, name, **more):
    [document] = [each for each in documents(page, server) if each["name"] == name]
    drive.show(
        page, f"{server}/?" + "&".join(f"{key}={value}" for key, value in more.items()) + f"&page_of={document['id']}"
    )
    expect(page.locator("[data-part=title]")).to_have_text(name)
    expect(page.locator(".cv-inspector")).not_to_have_class(re.compile("is-busy"))


def documents(page, server):
    return page.request.get(f"{server}/api/v1/library").json()["documents"]


# How far the letters are from the box of their word, in pixels; `quarter` is 1 for a page that was turned.
MISPLACED = """async () => {
    const { readWords } = await import("/app/static/api.js");
    const { words } = await readWords(new URLSearchParams(location.search).get("page_of"), 1);
    const sheet = document.querySelector("[data-part=canvas]").getBoundingClientRect();
    const turned = getComputedStyle(document.querySelector("[data-part=sheet]")).getPropertyValue("--turn");
    const quarter = parseFloat(turned) / 90;
    return [...document.querySelectorAll("[data-part=text] span")].map((span, i) => {
        const letters = document.createRange();
        letters.setStart(span.firstChild, 0);
        letters.setEnd(span.firstChild, words[i].text.length);
        const drawn = letters.getBoundingClientRect();
        const box = words[i].box;
        const [left, top, right, bottom] = quarter ? [1 - box[3], box[0], 1 - box[1], box[2]] : box;
        const x = sheet.left + ((left + right) / 2) * sheet.width;
        const y = sheet.top + ((top + bottom) / 2) * sheet.height;
        const [wide, high] = [(right - left) * sheet.width, (bottom - top) * sheet.height];
        return Math.max(
            Math.abs((drawn.left + drawn.right) / 2 - x),
            Math.abs((drawn.top + drawn.bottom) / 2 - y),
            Math.abs(quarter ? drawn.height - high : drawn.width - wide) / 2,
        );
    });
}"""


def test_text_is_selected_where_it_is_printed_and_copied_as_lines(page, server):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    show(page, server, "guide.pdf")
    printed = page.locator("[data-part=text] span")
    expect(printed).to_have_count(11)

    assert max(page.evaluate(MISPLACED)) < 3
    first, last = (printed.nth(i).bounding_box() for i in (1, 5))
    page.mouse.move(first["x"] + 1, first["y"] + first["height"] / 2)
    page.mouse.down()
    page.mouse.move(last["x"] + last["width"] / 2, last["y"] + last["height"] / 2, steps=4)
    page.mouse.move(last["x"] + last["width"] - 1, last["y"] + last["height"] / 2)
    page.mouse.up()
    page.keyboard.press("Control+c")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert [line.rstrip() for line in copied.split("\n")] == ["the oil filter", "and drain"]
    for _ in range(3):
        page.click("[data-part=larger]")
    page.wait_for_function("document.querySelector('[data-part=sheet]').style.width.startsWith('195')")
    assert max(page.evaluate(MISPLACED)) < 4
    page.click("[data-part=rotate]")
    assert max(page.evaluate(MISPLACED)) < 4


def test_what_the_text_layer_has_is_hatched_on_the_page_and_said_in_the_legend(page, server):
    show(page, server, "guide.pdf", q="gasket+valve")
    expect(page.locator("[data-part=in-text]")).to_be_visible()
    page.uncheck("[data-part=patches]")
    teal = """async () => {
        const { explain } = await import("/app/static/api.js");
        const state = new URLSearchParams(location.search);
        const why = await explain({ q: state.get("q"), collection: "default" }, state.get("page_of"), 1);
        const canvas = document.querySelector("[data-part=canvas]");
        const [left, top, right, bottom] = why.matches[0].text_boxes[0];
        const [wide, high] = [(right - left) * canvas.width, (bottom - top) * canvas.height];
        const part = [left * canvas.width, top * canvas.height, wide, high].map(Math.round);
        const { data } = canvas.getContext("2d").getImageData(...part);
        let count = 0;
        for (let at = 0; at < data.length; at += 4) count += data[at + 1] > data[at] + 15;
        return [why.matches.map((match) => match.text_boxes.length), count / (data.length / 4)];
    }"""
    counts, share = page.evaluate(teal)
    assert counts == [1, 0]
    assert 0.1 < share < 0.8
    assert page.locator(".cv-seen", has_text="gasket").locator("canvas").count() == 1
    page.uncheck("[data-part=heat]")
    assert page.evaluate(teal)[1] < 0.02


CONTRAST = """async () => {
    const { ALL, contour, Heatmap, hatch, tint } = await import("/app/static/heatmap.js");
    const side = 40;
    const steps = 12;
    const codes = Uint8Array.from({ length: steps }, (_, i) => Math.round(1 + (254 * (i + 1)) / steps));
    const scale = { low: 0, high: 1, is_probability: false, shown_from: 0, shown_to: 1 };
    const match = { word: "oil", contribution: 1, strength: 1, box: null, text_boxes: [[0, 0, 1, 1]] };
    const why = { map: btoa(String.fromCharCode(...codes)), rows: 1, cols: steps, scale, matches: [match] };
    const heat = new Heatmap(why);
    const light = (data, at) => [0.2126, 0.7152, 0.0722].reduce((sum, share, i) => {
        const value = data[at + i] / 255;
        return sum + share * (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    }, 0);
    const least = {};
    for (const [paper, ink] of [[255, 20], [235, 40], [200, 45], [175, 50], [150, 40], [125, 25]]) {
        const print = new OffscreenCanvas(steps * side, side);
        const pen = print.getContext("2d");
        pen.fillStyle = `rgb(${paper} ${paper} ${paper})`;
        pen.fillRect(0, 0, print.width, side);
        pen.fillStyle = `rgb(${ink} ${ink} ${ink})`;
        for (let x = 8; x < print.width; x += side / 2) pen.fillRect(x, 10, 4, 20); // strokes of letters
        const image = new Image();
        image.src = URL.createObjectURL(await print.convertToBlob());
        await image.decode();
        for (const opacity of [0, 0.1, 0.3, 0.5, 0.8, 1]) {
            for (const style of ["fill", "outline", "hatch"]) {
                const context = new OffscreenCanvas(print.width, side).getContext("2d");
                context.drawImage(image, 0, 0);
                if (style === "fill") tint(context, heat, ALL, { opacity, image });
                if (style === "outline") contour(context, heat, ALL, { opacity });
                if (style === "hatch") hatch(context, heat, [match], { image });
                const { data } = context.getImageData(0, 0, print.width, side);
                for (let cell = 0; cell < steps; cell++) {
                    const at = (x) => 4 * (20 * print.width + cell * side + x);
                    const [written, beside] = [light(data, at(10)), light(data, at(18))];
                    const contrast = (beside + 0.05) / (written + 0.05);
                    const key = `${style} ${paper} ${ink}`;
                    if (opacity === 0 && style === "fill") least[`bare ${paper} ${ink}`] = contrast;
                    else least[key] = Math.min(least[key] ?? 99, contrast);
                }
            }
        }
    }
    return least;
}"""


def test_print_under_the_heat_keeps_its_contrast_at_every_opacity_on_white_and_on_grey(page, server):
    drive.show(page, server)
    least = page.evaluate(CONTRAST)
    for name, contrast in least.items():
        style, paper, ink = name.split()
        bare = least[f"bare {paper} {ink}"]
        assert contrast >= min(4.5, 0.95 * bare), (style, paper, ink, contrast, bare)


def test_a_page_opens_at_the_place_where_its_words_stand_together(page, server):
    drive.show(page, server)
    place = page.evaluate(
        """async () => {
            const { ALL, Heatmap } = await import("/app/static/heatmap.js");
            const [rows, cols] = [40, 30];
            const codes = new Uint8Array(2 * rows * cols).fill(1);
            const set = (word, row, col, strength) => (codes[(word * rows + row) * cols + col] = 1 + 254 * strength);
            set(0, 2, 3, 1); // alone, and the strongest
            set(0, 30, 20, 0.8);
            set(1, 31, 24, 0.9);
            const scale = { low: 0, high: 1, is_probability: false, shown_from: 0, shown_to: 1 };
            const matches = [0, 1].map((word) => ({ word, contribution: 1, text_boxes: [] }));
            const map = btoa(String.fromCharCode(...codes));
            const heat = new Heatmap({ map, rows, cols, scale, matches });
            return [heat.densest(ALL), heat.densest(0)];
        }"""
    )
    assert place[0] == pytest.approx([22.6 / 30, 31 / 40], abs=0.02)
    assert place[1] == pytest.approx([3.5 / 30, 2.5 / 40], abs=0.02)


def scrolled(page):
    return page.evaluate("(stage => [stage.scrollLeft, stage.scrollTop])(document.querySelector('[data-part=stage]'))")


UNDER = """([x, y]) => {
    const sheet = document.querySelector('[data-part=canvas]').getBoundingClientRect();
    return [(x - sheet.x) / sheet.width, (y - sheet.y) / sheet.height];
}"""
WIDTH = "document.querySelector('[data-part=canvas]').getBoundingClientRect().width"


def test_the_page_is_dragged_and_zoomed_about_the_pointer_by_wheel_and_by_two_fingers(page, server):
    show(page, server, "gear.tiff", q="cog", page_number=2)
    view = page.locator("[data-part=stage]").bounding_box()
    at = [view["x"] + view["width"] / 3, view["y"] + view["height"] / 4]
    page.mouse.move(*at)
    before, width = page.evaluate(UNDER, at), page.evaluate(WIDTH)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -240)
    page.keyboard.up("Control")
    page.wait_for_function(f"{WIDTH} > {1.5 * width}")
    assert page.evaluate(UNDER, at) == pytest.approx(before, abs=0.01)
    start = scrolled(page)
    page.mouse.down()
    page.mouse.move(at[0] - 60, at[1] - 40, steps=3)
    page.mouse.up()
    assert scrolled(page) == pytest.approx([start[0] + 60, start[1] + 40], abs=1.5)
    before, width = page.evaluate(UNDER, at), page.evaluate(WIDTH)
    fingers = page.context.new_cdp_session(page)
    for kind, apart in (("touchStart", 40), ("touchMove", 60), ("touchMove", 80), ("touchEnd", 0)):
        points = [{"x": at[0] - apart, "y": at[1]}, {"x": at[0] + apart, "y": at[1]}] if apart else []
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    page.wait_for_function(f"Math.abs({WIDTH} - {2 * width}) < 20")
    assert page.evaluate(UNDER, at) == pytest.approx(before, abs=0.01)


def test_the_page_fits_the_width_or_as_a_whole_and_can_be_turned(page, server):
    show(page, server, "gear.tiff")
    overflow = """(() => {
        const { scrollWidth, clientWidth, scrollHeight, clientHeight } = document.querySelector("[data-part=stage]");
        return [scrollWidth - clientWidth, scrollHeight - clientHeight];
    })()"""
    assert page.evaluate(overflow)[0] == 0 < page.evaluate(overflow)[1]
    page.click("[data-part=fit-page]")
    assert page.evaluate(overflow) == [0, 0]
    page.set_viewport_size({"width": 1300, "height": 640})
    page.wait_for_function(f"JSON.stringify({overflow}) === '[0,0]'")
    shape = "(box => box.width > box.height)(document.querySelector('[data-part=canvas]').getBoundingClientRect())"
    assert not page.evaluate(shape)
    page.keyboard.press("r")
    assert page.evaluate(shape)
    page.hover("[data-part=stage]")
    page.click("[data-part=fit]")
    page.click("[data-part=next]")
    expect(page.locator("[data-part=place]")).to_have_text(f"page 2 of {PAGES}")
    assert page.evaluate(shape)  # the document goes on as it lies


def test_a_page_number_is_typed_and_the_nearest_page_is_shown(page, server):
    show(page, server, "gear.tiff")
    for typed, number in (("17", 17), ("999", PAGES), ("0", 1), ("x", 1)):
        page.fill("[data-part=number]", typed)
        page.press("[data-part=number]", "Enter")
        expect(page.locator("[data-part=place]")).to_have_text(f"page {number} of {PAGES}")
        expect(page.locator("[data-part=number]")).to_have_value(str(number))
        expect(page.locator("[data-part=page-message]")).to_have_text(
            f"This document has {PAGES} pages." if typed == "999" else ""
        )


def test_thumbnails_show_which_pages_were_found_and_are_loaded_as_they_are_seen(page, server):
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "image?width=160" in request.url else None)
    show(page, server, "gear.tiff", q="cog", k=5, page_number=5)
    page.get_by_role("button", name="Thumbnails").click()
    strip = page.get_by_role("navigation", name="Pages of the document")
    expect(strip.get_by_role("button")).to_have_count(PAGES)
    results = strip.get_by_role("button", name=re.compile("result"))
    drive.wait_until(lambda: page.wait_for_timeout(20) or asked)
    assert results.count() >= len(COGS)
    assert {int(re.search(r"Page (\d+)", text).group(1)) for text in labels(results)} >= set(COGS)
    expect(strip.locator("[aria-current]")).to_have_attribute("aria-label", re.compile("Page 5"))
    expect(strip.locator("[aria-current] img")).to_have_js_property("complete", True)
    assert 0 < len(asked) < PAGES
    for size in ((1280, 800), (768, 1024), (390, 844)):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        expect(page.locator("[data-part=stage]")).to_be_in_viewport(ratio=1)
        expect(strip.locator("[aria-current]")).to_be_in_viewport(ratio=0.9)
    strip.get_by_role("button", name="Page 7", exact=True).click()
    expect(page.locator("[data-part=place]")).to_have_text(f"page 7 of {PAGES}")
    expect(strip.locator("[aria-current]")).to_have_attribute("aria-label", "Page 7")


def labels(buttons):
    return buttons.evaluate_all("buttons => buttons.map((button) => button.getAttribute('aria-label'))")


def test_words_are_found_in_a_scan_from_page_to_page(page, server):
    show(page, server, "gear.tiff")
    place = page.locator("[data-part=place]")
    page.keyboard.press("f")
    page.keyboard.type("cog")
    page.keyboard.press("Enter")
    expect(place).to_have_text(f"page 2 of {PAGES}")
    expect(page.locator("[data-part=found]")).to_have_text("1 of 3 pages most alike")
    expect(page.locator("[data-part=rows]")).to_contain_text("cog")
    page.keyboard.press("Enter")
    expect(place).to_have_text(f"page 5 of {PAGES}")
    page.get_by_role("button", name="Next page that has it").click()
    expect(place).to_have_text(f"page 20 of {PAGES}")
    page.keyboard.press("n")
    expect(place).to_have_text(f"page 2 of {PAGES}")
    page.get_by_role("button", name="Previous page that has it").click()
    expect(place).to_have_text(f"page 20 of {PAGES}")
    page.click("[data-part=previous]")
    expect(page.locator("[data-part=found]")).to_have_text("3 pages most alike")
    page.reload()
    expect(place).to_have_text(f"page 19 of {PAGES}")
    expect(page.locator("[data-part=found]")).to_have_text("3 pages most alike")
    page.fill("[data-part=probe-text]", "-")
    page.press("[data-part=probe-text]", "Enter")
    expect(page.locator("[data-part=found]")).to_contain_text("no letter or digit")
    press = "for (let i = 0; i < 3; i++) document.querySelector('[data-part=previous]').click()"
    page.evaluate(press)  # before any was shown
    expect(place).to_have_text(f"page 16 of {PAGES}")


def test_words_are_found_in_a_text_layer(page, server):
    show(page, server, "guide.pdf")
    page.fill("[data-part=probe-text]", "gasket")
    page.press("[data-part=probe-text]", "Enter")
    expect(page.locator("[data-part=found]")).to_have_text("1 of 2 pages most alike")
    expect(page.locator("[data-part=in-text]")).to_be_visible()


def test_the_page_is_printed_alone(page, server):
    show(page, server, "gear.tiff", q="cog", page_number=2)
    page.emulate_media(media="print")
    seen = page.evaluate(
        "[...document.querySelectorAll('body *')].filter((each) => each.getClientRects().length"
        " && !each.contains(document.querySelector('[data-part=canvas]'))).map((each) => each.outerHTML.slice(0, 90))"
    )
    assert seen == []
    printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1 and b"/Image" in printed
