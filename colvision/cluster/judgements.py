"""What readers have said of a cluster's pages: a verdict lies in the partition of its document, and goes with it."""

from colvision.cluster.layout import ClusterLayout
from colvision.cluster.router import Router
from colvision.store.judgements import Judgement, Verdict


class ClusterJudgements:
    """As `store.judgements.Judgements`, of all partitions; "" is what nobody has said."""

    def __init__(self, layout: ClusterLayout, router: Router) -> None:
        self._layout = layout
        self._router = router

    def __len__(self) -> int:
        return len(self.all())

    def all(self) -> list[Judgement]:
        """Those of one question together."""
        replies = self._router.ask("judgements", lambda _: ())
        return sorted(each for partition in sorted(replies) for each in replies[partition].value)

    def verdict(self, text: str, document: str, page: int) -> Verdict:
        said: Verdict = self._router.ask_one(
            self._layout.partition_of(document), "verdict", Judgement(text, document, page, "")
        )
        return said

    def put(self, judgement: Judgement, *, limit: int) -> bool:
        """Keeps a verdict in the place of another one on that page; False where `limit` are kept already."""
        is_new = judgement.verdict and not self.verdict(judgement.text, judgement.document, judgement.page)
        if is_new and len(self) >= limit:
            return False
        partition = self._layout.partition_of(judgement.document)
        is_kept: bool = self._router.write(partition, "judge", judgement, limit)
        return is_kept

    def take_over(self) -> str:
        """Of an older colvision there is nothing: it had no clusters."""
        return ""
