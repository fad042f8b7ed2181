"""A text that is longer than a model reads, as passages that it does: whole words, nothing left out, no words twice."""

from collections.abc import Sequence

Span = tuple[int, int]  # from, to: characters


def cut_into_passages(text: str, spans: Sequence[Span], capacity: int) -> list[str]:
    """Passages of about equal numbers of tokens, at most `capacity` of those at `spans` (n, 2) each.

    A passage begins where a word does, unless a word (a script without blanks is one) has more tokens than fit.
    Balanced, since a rest of three words would match questions that its page does not answer.
    """
    passages, begin, tokens = [], 0, len(spans)
    while tokens - begin > capacity:
        count = -(-(tokens - begin) // capacity)
        wanted = begin + -(-(tokens - begin) // count)
        ends = [end for end in range(begin + 1, begin + capacity + 1) if _begins_word(text, spans[end][0])]
        end = min(ends, key=lambda each: abs(each - wanted), default=begin + capacity)
        passages.append(text[spans[begin][0] : spans[end][0]])
        begin = end
    passages.append(text[spans[begin][0] :])
    return [passage.strip() for passage in passages]


def _begins_word(text: str, place: int) -> bool:
    return place == 0 or text[place].isspace() or text[place - 1].isspace()
