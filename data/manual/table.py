"""Tables: columns that wrap, a dark head, zebra rows, group rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from manual.canvas import INK, MIST, PALE, PETROL, RULE, WHITE, Pen, Style, rectangle
from manual.flow import Column, line_width, put_line, wrap


@dataclass(frozen=True)
class Field:
    """A column of a table: its head, its share of the width, how its cells are set."""

    title: str
    share: float
    align: str = "left"
    face: str = ""


@dataclass(frozen=True)
class TableLook:
    size: float = 8.2
    pad: float = 3.2
    leading: float = 1.22
    face: str = "R"
    zebra: bool = True
    grid: bool = False


PLAIN = TableLook()
Row = Sequence[str]


def draw_table(column: Column, fields: Sequence[Field], rows: Sequence[Row], look: TableLook = PLAIN) -> None:
    """A table as wide as the column. A row of one cell is a group row."""
    total = sum(field.share for field in fields)
    widths = [column.width * field.share / total for field in fields]
    _head(column, fields, widths, look)
    top = column.y
    shaded = False
    for row in rows:
        if len(row) == 1:
            _group(column, row[0], look)
            shaded = False
            continue
        _row(column, list(zip(row, fields, widths, strict=True)), look, shaded=shaded and look.zebra)
        shaded = not shaded
    pen = Pen(PETROL, 0.8)
    column.canvas.line((column.x, column.y), (column.x + column.width, column.y), pen=pen)
    if look.grid:
        x = column.x
        for width in widths[:-1]:
            x += width
            column.canvas.line((x, top), (x, column.y), pen=Pen(RULE, 0.4))
    column.move(7)


def _head(column: Column, fields: Sequence[Field], widths: Sequence[float], look: TableLook) -> None:
    style = Style("D" if look.face == "C" else "B", look.size, WHITE)
    cells = [wrap(field.title, style, width - 2 * look.pad) for field, width in zip(fields, widths, strict=True)]
    step = look.size * look.leading
    height = max(len(lines) for lines in cells) * step + 2 * look.pad
    column.canvas.draw(rectangle(column.x, column.y, column.width, height), fill=PETROL)
    x = column.x
    for lines, field, width in zip(cells, fields, widths, strict=True):
        _cell(column, x, width, lines, (style, field.align, look))
        x += width
    column.move(height)


def _group(column: Column, title: str, look: TableLook) -> None:
    height = look.size * look.leading + 2 * look.pad
    style = Style("D" if look.face == "C" else "B", look.size, PETROL)
    column.canvas.draw(rectangle(column.x, column.y, column.width, height), fill=MIST)
    column.canvas.text(column.x + look.pad + 1, column.y + look.pad + look.size * 0.93, title, style)
    column.move(height)


def _row(column: Column, cells: Sequence[tuple[str, Field, float]], look: TableLook, *, shaded: bool) -> None:
    base = Style(look.face, look.size, INK)
    wrapped = [wrap(text, base.but(face=field.face), width - 2 * look.pad) for text, field, width in cells]
    height = max(len(lines) for lines in wrapped) * look.size * look.leading + 2 * look.pad
    if shaded:
        column.canvas.draw(rectangle(column.x, column.y, column.width, height), fill=PALE)
    x = column.x
    for lines, (_, field, width) in zip(wrapped, cells, strict=True):
        _cell(column, x, width, lines, (base.but(face=field.face), field.align, look))
        x += width
    column.move(height)
    column.canvas.line((column.x, column.y), (column.x + column.width, column.y), pen=Pen(RULE, 0.35))


def _cell(
    column: Column,
    x: float,
    width: float,
    lines: Sequence[Sequence[tuple[str, Style]]],
    how: tuple[Style, str, TableLook],
) -> None:
    style, align, look = how
    step = look.size * look.leading
    for i, line in enumerate(lines):
        free = width - 2 * look.pad - line_width(line, style)
        if free < -0.5:
            raise ValueError(f"{' '.join(word for word, _ in line)!r} is {-free:.1f} pt too wide for its table cell")
        shift = {"left": 0.0, "centre": free / 2, "right": free}[align]
        put_line(column.canvas, x + look.pad + shift, column.y + look.pad + step * i + look.size * 0.93, line, style)
