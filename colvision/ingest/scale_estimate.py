"""What a collection that is too large to try would take, on nodes that share its pages: by the constants of `costs`."""

from dataclasses import dataclass

from colvision.ingest.costs import CATALOGUE, COSTS, KEPT_FILE, PAGE_BYTES, PAGE_IMAGE, VECTOR_BYTES, EncoderKind


@dataclass(frozen=True, slots=True)
class ScaleEstimate:
    """`pages` on `nodes`, each page on `replicas` of them.

    Bytes on the disk are those of all replicas: `int8` codes with their tables, their `first_stage` (inverted lists or
    sign bits), `page_images`, `originals` (the kept files) and `catalogue`. `memory` is a node's, for quick searches.
    `seconds` is a question's on the slowest way
    through: every node compares its share of the pages once. `core_hours` and `gpu_hours` are for reading all pages
    once; None where a GPU is needed, or its speed was not said.
    """

    kind: EncoderKind
    pages: int
    nodes: int
    replicas: int
    int8: int
    first_stage: int
    page_images: int
    originals: int
    catalogue: int
    memory: int
    seconds: float
    core_hours: float | None
    gpu_hours: float | None

    @property
    def bytes(self) -> int:
        """Of all nodes together."""
        return self.int8 + self.first_stage + self.page_images + self.originals + self.catalogue

    @property
    def bytes_a_node(self) -> int:
        return -(-self.bytes // self.nodes)


def estimate_scale(
    pages: int,
    *,
    nodes: int = 1,
    replicas: int = 1,
    kind: EncoderKind = "mini",
    vectors: float | None = None,
    gpu_pages_a_second: float | None = None,
) -> ScaleEstimate:
    """`vectors` a page are those of the kind unless they are given; `gpu_pages_a_second` is one GPU's.

    Raises `ValueError` for fewer nodes than replicas, and for numbers below 1.
    """
    if min(pages, nodes, replicas) < 1:
        raise ValueError(f"{pages} pages, {nodes} nodes, {replicas} replicas: each must be at least 1")
    if replicas > nodes:
        raise ValueError(
            f"{replicas} replicas of a page lie on different nodes, and there are {nodes}: give more nodes"
        )
    costs = COSTS[kind]
    more = (vectors or costs.vectors) / costs.vectors  # of all that grows with the vectors
    stored, held = pages * replicas, pages * replicas / nodes
    count = stored * costs.vectors * more
    is_read_here = costs.read is not None
    return ScaleEstimate(
        kind=kind,
        pages=pages,
        nodes=nodes,
        replicas=replicas,
        int8=int(count * (costs.dim + VECTOR_BYTES) + stored * PAGE_BYTES),
        first_stage=int(count * costs.first_stage),
        page_images=stored * PAGE_IMAGE,
        originals=stored * KEPT_FILE,
        catalogue=int(nodes * CATALOGUE(held)),
        memory=int(costs.memory.fixed + more * (costs.memory(held) - costs.memory.fixed)),
        seconds=costs.search.fixed + more * (costs.search(pages / nodes) - costs.search.fixed),
        core_hours=pages * costs.read / 3600 if is_read_here and costs.read is not None else None,
        gpu_hours=None if is_read_here or not gpu_pages_a_second else pages / gpu_pages_a_second / 3600,
    )
