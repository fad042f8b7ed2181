"""Writes PDF files: objects, streams, fonts, shadings, pages, bookmarks and links (PDF 32000-1).

Streams are packed with LZW written here. Deflate would be smaller, but its bytes differ between zlib and
zlib-ng, and the committed file must come out the same everywhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from manual import fonts

_CLEAR, _END, _FIRST_FREE, _FULL = 256, 257, 258, 4094


def lzw(data: bytes) -> bytes:
    """LZW as PDF wants it: codes of 9 to 12 bits, most significant bit first, widened one code early."""
    start = {bytes([i]): i for i in range(256)}
    table, free, width = dict(start), _FIRST_FREE, 9
    codes = [(_CLEAR, width)]
    word = b""
    for byte in data:
        longer = word + bytes([byte])
        if longer in table:
            word = longer
            continue
        codes.append((table[word], width))
        table[longer] = free
        free += 1
        width += free >> width  # 1 when `free` has become 512, 1024 or 2048
        if free > _FULL:
            codes.append((_CLEAR, width))
            table, free, width = dict(start), _FIRST_FREE, 9
        word = longer[-1:]
    if word:
        codes.append((table[word], width))
        width += (free + 1) >> width
    return _pack([*codes, (_END, width)])


def _pack(codes: Iterable[tuple[int, int]]) -> bytes:
    """Codes of given widths in bits, end to end, the last byte filled up with zeros."""
    out, bits, count = bytearray(), 0, 0
    for code, width in codes:
        bits, count = bits << width | code, count + width
        while count >= 8:
            count -= 8
            out.append(bits >> count)
            bits &= (1 << count) - 1
    if count:
        out.append(bits << (8 - count))
    return bytes(out)


def text_string(text: str) -> str:
    """A string for titles and bookmarks, as UTF-16 in hex."""
    return f"<FEFF{text.encode('utf-16-be').hex().upper()}>"


@dataclass(frozen=True)
class Link:
    """A rectangle (left, bottom, right, top in points) that leads to a page, counted from 1."""

    box: tuple[float, float, float, float]
    page: int


@dataclass(frozen=True)
class PdfPage:
    """What one page shows: its content stream, size in points, links, and its picture if it is a scan."""

    content: bytes
    size: tuple[float, float]
    links: Sequence[Link] = ()
    jpeg: bytes = b""
    jpeg_size: tuple[int, int] = (0, 0)


@dataclass
class Writer:
    """Numbered objects, in the order in which they were added."""

    objects: list[bytes] = field(default_factory=list)

    def add(self, body: str | bytes) -> int:
        self.objects.append(body.encode("latin-1") if isinstance(body, str) else body)
        return len(self.objects)

    def stream(self, data: bytes, entries: str = "", *, packed: bool = True) -> int:
        """A stream object; `packed` streams are LZW."""
        body = lzw(data) if packed else data
        kind = "/Filter /LZWDecode " if packed else ""
        head = f"<< {kind}{entries} /Length {len(body)} >>\nstream\n".encode()
        return self.add(head + body + b"\nendstream")

    def save(self, path: Path, *, root: int, info: int) -> None:
        parts, offsets, at = [b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n"], [], 15
        for number, body in enumerate(self.objects, 1):
            offsets.append(at)
            parts.append(b"%d 0 obj\n" % number + body + b"\nendobj\n")
            at += len(parts[-1])
        rows = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
        count = len(offsets) + 1
        table = f"xref\n0 {count}\n0000000000 65535 f \n{rows}"
        trailer = f"trailer\n<< /Size {count} /Root {root} 0 R /Info {info} 0 R >>\nstartxref\n{at}\n%%EOF\n"
        path.write_bytes(b"".join(parts) + (table + trailer).encode())


def _font(writer: Writer, font: fonts.Font) -> int:
    file = writer.stream(font.data, f"/Length1 {len(font.data)}")
    flags = 32 | (64 if font.italic_angle else 0)
    box = " ".join(map(str, font.box))
    descriptor = writer.add(
        f"<< /Type /FontDescriptor /FontName /{font.name} /Flags {flags} /FontBBox [{box}] "
        f"/ItalicAngle {font.italic_angle:.0f} /Ascent {font.ascent:.0f} /Descent {font.descent:.0f} "
        f"/CapHeight {font.cap_height:.0f} /StemV 80 /FontFile2 {file} 0 R >>"
    )
    names = " ".join(f"{code} /{name}" for code, name in fonts.EXTRA.values())
    widths = " ".join(map(str, font.code_widths()))
    return writer.add(
        f"<< /Type /Font /Subtype /TrueType /BaseFont /{font.name} /FirstChar 32 /LastChar 255 /Widths [{widths}] "
        f"/FontDescriptor {descriptor} 0 R "
        f"/Encoding << /Type /Encoding /BaseEncoding /WinAnsiEncoding /Differences [{names}] >> >>"
    )


def _shading(writer: Writer, stops: Sequence[tuple[float, tuple[float, float, float]]]) -> int:
    """An axial shading from (0, 0) to (1, 0) through coloured stops (position, RGB), the first at 0, the last at 1."""
    pairs = list(zip(stops, stops[1:], strict=False))
    colours = [(" ".join(f"{v:.3f}" for v in a[1]), " ".join(f"{v:.3f}" for v in b[1])) for a, b in pairs]
    pieces = " ".join(f"<< /FunctionType 2 /Domain [0 1] /N 1 /C0 [{one}] /C1 [{other}] >>" for one, other in colours)
    bounds = " ".join(f"{b[0]:.3f}" for _, b in pairs[:-1])
    encode = " ".join("0 1" for _ in pairs)
    return writer.add(
        "<< /ShadingType 2 /ColorSpace /DeviceRGB /Coords [0 0 1 0] /Extend [true true] /Function "
        f"<< /FunctionType 3 /Domain [0 1] /Functions [{pieces}] /Bounds [{bounds}] /Encode [{encode}] >> >>"
    )


def _outline(writer: Writer, titles: Sequence[tuple[str, int]], page_ids: Sequence[int]) -> int:
    """Bookmarks (title, page from 1), all on one level. Returns the object number of the outline's root."""
    root = writer.add("<< /Type /Outlines >>")
    first = root + 1
    last = root + len(titles)
    for number, (title, page) in enumerate(titles, first):
        before = f"/Prev {number - 1} 0 R " if number > first else ""
        after = f"/Next {number + 1} 0 R " if number < last else ""
        target = f"/Dest [{page_ids[page - 1]} 0 R /Fit]"
        writer.add(f"<< /Title {text_string(title)} /Parent {root} 0 R {before}{after}{target} >>")
    writer.objects[root - 1] = (
        f"<< /Type /Outlines /First {first} 0 R /Last {last} 0 R /Count {len(titles)} >>".encode()
    )
    return root


def _page(writer: Writer, page: PdfPage, parent: int, shared: str) -> int:
    resources, content = shared, page.content
    if page.jpeg:
        width, height = page.jpeg_size
        grey = f"/Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceGray"
        image = writer.stream(page.jpeg, f"{grey} /BitsPerComponent 8 /Filter /DCTDecode", packed=False)
        resources = f"<< /XObject << /Scan {image} 0 R >> >>"
        content = f"q {page.size[0]:.2f} 0 0 {page.size[1]:.2f} 0 0 cm /Scan Do Q".encode()
    stream = writer.stream(content)
    return writer.add(
        f"<< /Type /Page /Parent {parent} 0 R /MediaBox [0 0 {page.size[0]:.2f} {page.size[1]:.2f}] "
        f"/Resources {resources} /Contents {stream} 0 R >>"
    )


def _add_links(writer: Writer, pages: Sequence[PdfPage], page_ids: Sequence[int]) -> None:
    for page, own in zip(pages, page_ids, strict=True):
        notes = []
        for link in page.links:
            box = " ".join(f"{v:.2f}" for v in link.box)
            target = f"/Border [0 0 0] /Dest [{page_ids[link.page - 1]} 0 R /Fit]"
            notes.append(writer.add(f"<< /Type /Annot /Subtype /Link /Rect [{box}] {target} >>"))
        if notes:
            listed = " ".join(f"{note} 0 R" for note in notes)
            writer.objects[own - 1] = writer.objects[own - 1][:-2] + f"/Annots [{listed}] >>".encode()


@dataclass(frozen=True)
class Look:
    """What all pages of a document share: fonts by resource name, and shadings."""

    fonts: Mapping[str, str] = field(default_factory=dict)
    shadings: Mapping[str, Sequence[tuple[float, tuple[float, float, float]]]] = field(default_factory=dict)


def write(
    path: Path,
    pages: Iterable[PdfPage],
    *,
    info: Mapping[str, str],
    look: Look | None = None,
    outline: Sequence[tuple[str, int]] = (),
) -> None:
    """Writes a PDF. The same arguments give the same bytes on every machine."""
    writer, look = Writer(), look or Look()
    root, tree = writer.add(""), writer.add("")
    named = " ".join(f"/{key} {_font(writer, fonts.load(name))} 0 R" for key, name in look.fonts.items())
    shades = " ".join(f"/{key} {_shading(writer, stops)} 0 R" for key, stops in look.shadings.items())
    shared = f"<< /Font << {named} >> /Shading << {shades} >> >>"
    pages = list(pages)
    page_ids = [_page(writer, page, tree, shared) for page in pages]
    _add_links(writer, pages, page_ids)
    kids = " ".join(f"{number} 0 R" for number in page_ids)
    writer.objects[tree - 1] = f"<< /Type /Pages /Kids [{kids}] /Count {len(page_ids)} >>".encode()
    marks = f"/Outlines {_outline(writer, outline, page_ids)} 0 R /PageMode /UseOutlines " if outline else ""
    writer.objects[root - 1] = f"<< /Type /Catalog /Pages {tree} 0 R {marks}/Lang (en-GB) >>".encode()
    facts = writer.add("<< " + " ".join(f"/{key} {text_string(value)}" for key, value in info.items()) + " >>")
    writer.save(path, root=root, info=facts)
