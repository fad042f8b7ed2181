"""Filters as text, for the command line and REST: `machine=pump and (year>=2010 or lang in de,fr) and page in 3-9`.

    expression = conjunction {"or" conjunction}     conjunction = part {"and" part}
    part = "(" expression ")" | field sign value | field "in" value {"," value}     sign = = != >= <= > <

A value is a word or stands in quotes. Those after `in`, and those of `page`, may be ranges of numbers, such as 3-9.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from colvision.core.metadata import FIELDS, PAGE
from colvision.search.filters import AllOf, AnyOf, Compare, Filter, PageRange

_TOKEN = re.compile(
    r"""\s*(?: (?P<quoted>"[^"]*"|'[^']*') | (?P<sign>[!<>]=|[<>=]) | (?P<mark>[(),]) | (?P<word>[^\s()<>=!,"']+) )""",
    re.VERBOSE,
)
_RANGE = re.compile(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)")
_PAGES = re.compile(r"\d+-\d+")
_DEPTH = 20  # parentheses inside each other: a text from the network must not exhaust the stack


class _Token(NamedTuple):
    kind: str  # quoted, sign, mark, word, end
    text: str
    at: int


def parse_filter(text: str) -> Filter:
    """Raises `ValueError` for a text that does not read so, saying where."""
    parser = _Parser(text)
    found = parser.expression(0)
    parser.end()
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._place = 0

    def expression(self, depth: int) -> Filter:
        parts = [self._conjunction(depth)]
        while self._accept_word("or"):
            parts.append(self._conjunction(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _conjunction(self, depth: int) -> Filter:
        parts = [self._part(depth)]
        while self._accept_word("and"):
            parts.append(self._part(depth))
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _part(self, depth: int) -> Filter:
        if self._accept_mark("("):
            if depth == _DEPTH:
                raise self._error(f"more than {_DEPTH} parentheses inside each other")
            inside = self.expression(depth + 1)
            if not self._accept_mark(")"):
                raise self._error("expected )")
            return inside
        field = self._expect("word", "quoted", wanted="a name such as machine, document or page")
        if self._accept_word("in"):
            values = [self._value(field, "in")]
            while self._accept_mark(","):
                values.append(self._value(field, "in"))
            ranges = [value for value in values if isinstance(value, Filter)]
            texts = tuple(value for value in values if isinstance(value, str))
            parts = [*ranges, *([Compare(field, "=", texts)] if texts else [])]
            return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))
        sign = self._expect("sign", wanted=f"one of = != >= <= > < or `in` after {field!r}")
        value = self._value(field, sign)
        return value if isinstance(value, Filter) else Compare(field, sign, (value,))

    def _value(self, field: str, sign: str) -> str | Filter:
        """A text as it was typed, or the condition that a range is."""
        token = self._tokens[self._place]
        text = self._expect("word", "quoted", wanted=f"a value for {field!r}")
        span = _RANGE.fullmatch(text) if token.kind == "word" else None
        if span is None:
            return text
        if field == PAGE and _PAGES.fullmatch(text):
            if sign not in ("=", "in"):
                raise ValueError(f"page {sign} {text}: a range of pages goes with = or `in`")
            return PageRange(int(span[1]), int(span[2]))
        if sign != "in" or field in FIELDS:
            return text
        between = AllOf((Compare(field, ">=", (span[1],)), Compare(field, "<=", (span[2],))))
        return AnyOf((Compare(field, "=", (text,)), between))  # 12-345 may be a name as well

    def end(self) -> None:
        if self._tokens[self._place].kind != "end":
            raise self._error("expected `and`, `or` or the end")

    def _expect(self, *kinds: str, wanted: str) -> str:
        token = self._tokens[self._place]
        if token.kind not in kinds:
            raise self._error(f"expected {wanted}")
        self._place += 1
        return token.text[1:-1] if token.kind == "quoted" else token.text

    def _accept_word(self, word: str) -> bool:
        return self._accept("word", word)

    def _accept_mark(self, mark: str) -> bool:
        return self._accept("mark", mark)

    def _accept(self, kind: str, text: str) -> bool:
        token = self._tokens[self._place]
        is_next = token.kind == kind and token.text.casefold() == text
        self._place += is_next
        return is_next

    def _error(self, what: str) -> ValueError:
        token = self._tokens[self._place]
        found = f"found {token.text!r} at letter {token.at + 1}" if token.kind != "end" else "found the end"
        return ValueError(f"filter {self._text!r}: {what}, {found}; for example machine=pump and year>=2010")


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            rest = text[at:].strip()
            raise ValueError(f'filter {text!r}: {rest!r} cannot be read; put values in quotes: name="it\'s"')
        kind = str(found.lastgroup)
        yield _Token(kind, found[kind], found.start(kind))
        at = found.end()
    yield _Token("end", "", len(text))
