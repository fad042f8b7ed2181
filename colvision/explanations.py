"""Why pages of a collection were found: what `explain` answers. No arithmetic, no SQL."""

import dataclasses
from contextlib import suppress
from typing import overload

from colvision.core.encoder import EncoderInfo
from colvision.core.query import ScoredQuery
from colvision.documents import Documents
from colvision.errors import EncoderMismatch, PageNotFound
from colvision.explain import Explanation, explain_page, score_page
from colvision.search import Hit, SearchOptions
from colvision.store.fulltext import TextStatistics
from colvision.store.records import DocumentRow


class ExplainedDocuments(Documents):
    """Documents whose pages can be explained."""

    @overload
    def explain(self, query: Hit, *, image: bool = True, encoder: str | None = None) -> Explanation: ...
    @overload
    def explain(
        self,
        query: str | ScoredQuery,
        document: str,
        page: int,
        *,
        image: bool = True,
        exact_words: bool = False,
        encoder: str | None = None,
    ) -> Explanation: ...
    def explain(
        self,
        query: Hit | str | ScoredQuery,
        document: str | None = None,
        page: int | None = None,
        *,
        image: bool = True,
        exact_words: bool = False,
        encoder: str | None = None,
    ) -> Explanation:
        """Why a page was found, or what a query finds on any page, from the page's stored vectors.

        `explain(hit)` is `explain(hit.query, hit.document_id, hit.page)`. `query` is a text, or the query of an answer
        with its weights; a text is weighed as a search of the document's collection does, with `exact_words` or not,
        and asks no further encoders. `encoder` is the further encoder whose map and matches are wanted, in the place of
        the collection's own; its score is its own, too. Without `image` no page image is decoded: no heatmap is drawn,
        and boxes are those of patches, not of the words on them. Raises `DocumentNotFound`, also when the document was
        deleted or replaced since, `PageNotFound`, `LibraryDamaged` for an image that cannot be read, `EncoderMismatch`
        when the collection was encoded again since, or a further encoder that was asked was removed, and
        `FurtherEncoderNotFound`.
        """
        if isinstance(query, Hit):
            self.check_version(query.document_id, query.sha256)
            return self.explain(query.query, query.document_id, query.page, image=image, encoder=encoder)
        if document is None or page is None:
            raise ValueError("a query without a hit needs the document and the page: explain(query, document, page)")
        row = self._find(document)
        query = self._query(query, row.collection_name, encoder, exact_words=exact_words)
        return self._explain(query, row, page, image=image, encoder=encoder)

    def _explain(
        self,
        query: ScoredQuery,
        row: DocumentRow,
        page: int,
        *,
        image: bool,
        encoder: str | None = None,
        statistics: TextStatistics | None = None,
    ) -> Explanation:
        """`statistics` are those of the text layers of all partitions, where this is one."""
        stored = self._store.stored_page(row, page, encoder_name=encoder)
        info = self._encoder_info(row, encoder)  # asked last: what was read before is not newer
        if info is None or info.fingerprint != query.fingerprint:
            raise EncoderMismatch(f"{row.name!r} was encoded again since this search: search again, then explain")
        page_image = self.page_image(row.id, page) if image else None
        why = explain_page(
            query,
            stored,
            quantisation_range=info.quantisation_range,
            image=page_image,
            geometry=self._store.page(row, page).geometry,
            name=row.name_form,
            text_score=0.0
            if query.text_scale is None
            else self._session.searcher.text_score(query, row, page, statistics),
            others=self._other_scores(query, row, page),
        )
        if encoder is not None:
            why = why.without_terms()  # as a search scores it
        [in_text] = self._store.text_holds(
            [(row.id, page)], () if query.embedding.is_example else query.embedding.words
        )
        text_boxes = self._store.text_boxes(row, page, [word for word in query.embedding.words if word in in_text])
        return dataclasses.replace(why, in_text=in_text, text_boxes=text_boxes)

    def _query(self, query: str | ScoredQuery, name: str, encoder: str | None, *, exact_words: bool) -> ScoredQuery:
        """A query of the collection `name` as its own encoder scores it, or a further one."""
        options = SearchOptions(exact_words=exact_words)
        if isinstance(query, str):
            searcher = self._session.searcher
            by_other = None if encoder is None else searcher.other_query(query, name, encoder, options)
            return by_other or searcher.query(query, name, options)
        if encoder is None:
            return query
        if encoder not in query.others:
            raise ValueError(
                f"{encoder!r} was not asked in this search, but {', '.join(query.others) or 'no further encoder'}: "
                "explain its text instead"
            )
        return query.others[encoder].query

    def _encoder_info(self, row: DocumentRow, encoder: str | None) -> EncoderInfo | None:
        name = row.collection_name
        return (
            self._store.collection(name).info if encoder is None else self._store.companions.encoder_info(name, encoder)
        )

    def _other_scores(self, query: ScoredQuery, row: DocumentRow, page: int) -> dict[str, float]:
        """What the further encoders of a query say of a page, of those that have read it."""
        scores = {}
        for name, fused in query.others.items():
            known = {each.encoder_name: each.info for each in self._store.companions.of(row.collection_name)}
            info = known.get(name)
            if info is None or info.fingerprint != fused.query.fingerprint:
                raise EncoderMismatch(f"{name} was removed since this search: search again, then explain")
            with suppress(PageNotFound):
                stored = self._store.stored_page(row, page, encoder_name=name)
                scores[name] = score_page(fused.query, stored, quantisation_range=info.quantisation_range)
        return scores
