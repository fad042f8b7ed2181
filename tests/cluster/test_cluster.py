"""A cluster on three nodes of this machine, beside one library that holds the same."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest
from colvision.app.api import create_api
from colvision.app.services.library import LibraryService
from colvision.app.settings import Settings
from colvision.app.worker import ReadingThread
from starlette.testclient import TestClient
from typer.testing import CliRunner

pytest.importorskip("ray", reason="a cluster needs Ray: pip install 'colvision[ray]'")

import ray

import colvision
from colvision.cli import main
from colvision.cluster import RouterOptions, open_cluster
from colvision.cluster.actors import replica_name, router_of
from colvision.cluster.layout import FILE_NAME
from colvision.cluster.searcher import ClusterSearcher
from colvision.errors import DocumentAmbiguous, DocumentNotFound, LibraryFormat, PartitionUnavailable
from colvision.evaluation import EvaluationOptions, evaluate, find_corpus
from colvision.search import SearchOptions
from tests.helpers.answers import QUESTIONS, answered, sharp_toy, write_documents
from tests.helpers.evaluation_set import make_evaluation_set
from tests.helpers.ray_nodes import ray_nodes

pytestmark = pytest.mark.slow

OPTIONS = [
    {},
    {"k": 3, "text_fusion": True},
    {"k": 60, "text_fusion": False, "mode": "exact"},
    {"k": 4, "soft_idf": False, "where": "page<3"},
    {"where": "document=d003.tiff or year>1"},
]
QUICK = RouterOptions(hedge=1.0, time_limit=120.0)


PATIENCE = 120.0  # seconds for all replicas to say how they are, on a machine that is busy


class Both:
    """The same documents in a cluster and in one library."""

    def __init__(self, nodes, folder):
        self.nodes = nodes
        self.folder = folder
        self.paths = write_documents(folder, 14)
        encoder = sharp_toy()
        self.library = colvision.open_library(folder / "library", encoder=encoder)
        root = folder / "cluster"
        self.cluster = open_cluster(
            root, address=nodes.address, partitions=2, replicas=2, encoder=encoder, options=QUICK
        )
        for each in (self.library, self.cluster):
            report = each.ingest(self.paths)
            assert len(report.new) == 14 and report.pages > 14, str(report)

    def assert_equal(self, questions=QUESTIONS, options=OPTIONS):
        for asked in options:
            for text in questions:
                whole, together = self.library.search(text, **asked), self.cluster.search(text, **asked)
                assert answered(together) == answered(whole), (text, asked)

    def close(self):
        self.cluster.close()
        self.library.close()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    with ray_nodes(2, has_work=True) as nodes:
        made = Both(nodes, tmp_path_factory.mktemp("cluster"))
        yield made
        made.close()


def test_both_partitions_are_filled_and_their_replicas_run_on_different_nodes(both):
    status = both.cluster.status(patience=PATIENCE)
    assert status.warnings == ()
    assert status.pages == both.library.status().collections[0].pages
    assert all(partition.pages > 0 for partition in status.partitions)
    for partition in status.partitions:
        assert len({replica.node for replica in partition.replicas}) == 2
    assert {document.name for document in both.cluster.documents()} == {path.name for path in both.paths}


def test_the_answers_are_those_of_one_library_after_every_change(both):
    both.library.set_metadata("d005.tiff", {"year": 2})
    both.cluster.set_metadata("d005.tiff", {"year": 2})
    both.assert_equal()
    for each in (both.library, both.cluster):
        assert each.delete("d002.tiff").name == "d002.tiff"
        assert each.rename("d004.tiff", "renamed.tiff").name == "renamed.tiff"
    both.assert_equal(options=OPTIONS[:2])
    [other] = write_documents(both.folder, 1, seed=9)  # another d000.tiff
    for each in (both.library, both.cluster):
        [report] = each.ingest(other).files
        assert report.outcome == "replaced"
    both.assert_equal(options=OPTIONS[:2])
    many = both.cluster.search_many(QUESTIONS, k=5)
    assert [answered(each) for each in many] == [answered(each) for each in both.library.search_many(QUESTIONS, k=5)]
    like = [each.search_like("d001.tiff", 1, k=4) for each in (both.library, both.cluster)]
    assert answered(like[0]) == answered(like[1])


def test_a_file_is_one_document_wherever_it_lies(both):
    again = both.cluster.ingest(both.paths[5:8])
    assert [file.outcome for file in again.files] == ["same"] * 3 and not again.pages
    upload = colvision.Upload(both.paths[6].read_bytes(), "other.tiff")
    [same] = both.cluster.ingest(upload).files
    assert (same.outcome, same.name) == ("same", "d006.tiff")
    [path] = write_documents(both.folder / "cluster", 1, seed=77)
    data = path.read_bytes()
    path.unlink()
    [second] = both.cluster.ingest(colvision.Upload(data, "d007.tiff")).files
    assert (second.outcome, second.name) == ("new", "d007 (2).tiff")
    with pytest.raises(ValueError, match="already"):
        both.cluster.rename("d007 (2).tiff", "d008.tiff")
    assert both.cluster.delete("d007 (2).tiff").id == second.document_id
    with pytest.raises(DocumentNotFound):
        both.cluster.document(second.document_id)


def test_pages_are_shown_and_explained_from_where_they_lie(both):
    [hit] = both.cluster.search("bleed the pump", k=1)
    [same] = both.library.search("bleed the pump", k=1)
    assert hit.image().tobytes() == same.image().tobytes() and hit.text == same.text
    ours, theirs = both.cluster.explain(hit), both.library.explain(same)
    assert ours.score == theirs.score and ours.similarity_map.tobytes() == theirs.similarity_map.tobytes()
    by_text = both.cluster.explain("valve", hit.document, hit.page)
    assert by_text.score == both.library.explain("valve", hit.document, hit.page).score
    original = both.cluster.original_path(hit.document).read_bytes()
    assert original == both.library.original_path(hit.document).read_bytes()


def test_collections_are_apart_in_all_partitions(both):
    plans = both.cluster.collection("plans")
    assert len(plans.ingest(both.paths[9:12]).new) == 3
    assert sorted(both.cluster.collections()) == ["default", "plans"]
    assert {hit.document for hit in plans.search("valve", k=50)} <= {path.name for path in both.paths[9:12]}
    with pytest.raises(DocumentAmbiguous, match="2 documents are named"):
        both.cluster.document("d010.tiff")
    both.cluster.delete_collection("plans")
    assert both.cluster.collections() == ["default"]
    both.assert_equal(questions=QUESTIONS[:2], options=OPTIONS[:1])


@pytest.mark.long
def test_the_app_serves_it_as_a_library_and_says_what_a_cluster_cannot(both, tmp_path):
    service = LibraryService(both.cluster, Settings(both.cluster.path))
    client = TestClient(create_api(service))
    count = len(client.get("/api/v1/library").json()["documents"])
    [path] = write_documents(tmp_path, 1, seed=31)
    queued = client.post("/api/v1/documents", params={"name": "new.tiff", "meta": "year=9"}, content=path.read_bytes())
    assert (queued.status_code, queued.json()["state"]) == (202, "queued")
    with ReadingThread(both.cluster):  # as the server has it
        tag = client.get("/api/v1/library").headers["ETag"]
        while client.get("/api/v1/library").json()["jobs"]:
            tag = client.get("/api/v1/library?wait=60", headers={"If-None-Match": tag}).headers["ETag"]
    view = client.get("/api/v1/library").json()
    [new] = [each for each in view["documents"] if each["name"] == "new.tiff"]
    assert (new["state"], new["metadata"], len(view["documents"])) == ("ready", {"year": "9"}, count + 1)
    assert view["collections"][0]["pages"] == both.cluster.status(patience=PATIENCE).pages
    same = client.post("/api/v1/documents", params={"name": "new.tiff"}, content=path.read_bytes())
    assert (same.status_code, "nothing is to be read" in same.json()["error"]) == (409, True)

    found = client.get("/api/v1/search", params={"q": "bleed the pump", "k": 3}).json()["hits"]
    assert [(hit["document_id"], hit["page"]) for hit in found] == [
        (hit.document_id, hit.page) for hit in both.cluster.search("bleed the pump", k=3)
    ]
    page = {"page_of": found[0]["document_id"], "page": found[0]["page"]}
    assert client.get("/api/v1/explain", params={"q": "bleed the pump", **page}).json()["matches"]
    image = client.get(f"/api/v1/documents/{new['id']}/pages/1/image", params={"width": 64})
    assert (image.status_code, image.content[:2]) == (200, b"\xff\xd8")
    assert client.get("/api/v1/export", params={"page": f"{new['id']}:1"}).content[:5] == b"%PDF-"
    assert client.get(f"/api/v1/documents/{new['id']}/file").content == path.read_bytes()
    judged = {"q": "bleed the pump", "document": new["id"], "page": 1, "verdict": "relevant"}
    assert client.post("/api/v1/judgements", params=judged).status_code == 204
    assert "bleed the pump" in client.get("/api/v1/judgements").text

    refused = client.patch("/api/v1/collections", params={"collection": "default", "name": "plans"})
    assert (refused.status_code, refused.json()["error"]) == (
        422,
        "'default' cannot be called 'plans' in a cluster: ingest its files into a collection of the new name",
    )
    refused = client.get("/api/v1/search", params={"q": "pump", "encoders": "other"})
    assert (refused.status_code, "asks no further encoders" in refused.json()["error"]) == (422, True)
    client.post("/api/v1/reencode")
    job = both.cluster.run_job(both.cluster.jobs.claim())
    assert (job.state, "cannot be encoded again in a cluster" in job.reason) == ("failed", True)
    assert client.delete(f"/api/v1/documents/{new['id']}").status_code == 200
    assert len(client.get("/api/v1/library").json()["documents"]) == count


@pytest.mark.long
def test_an_evaluation_finds_in_it_what_it_finds_in_a_library(both, tmp_path):
    manuals, queries, cache = make_evaluation_set(tmp_path)
    reports, runs = zip(
        *(
            evaluate(
                find_corpus(manuals), queries, encoder=sharp_toy(), options=EvaluationOptions(library=kept, cache=cache)
            )
            for kept in (both.library, both.cluster)
        ),
        strict=True,
    )
    assert runs[0] == runs[1] and reports[0].rows == reports[1].rows and len(runs[0].answers) == 5
    for each in (both.library, both.cluster):
        [name] = set(each.collections()) - {"default"}
        assert each.delete_collection(name).documents == 2


def test_a_library_is_no_cluster_and_a_cluster_stays_as_it_was_made(both):
    with pytest.raises(LibraryFormat):
        open_cluster(both.folder / "library", address=both.nodes.address)
    with pytest.raises(ValueError, match="2 partitions"):
        open_cluster(both.folder / "cluster", partitions=3)
    assert (both.folder / "cluster" / FILE_NAME).exists()


def test_a_node_that_is_lost_costs_no_wrong_and_no_partial_answer(both):
    right = {text: answered(both.library.search(text)) for text in QUESTIONS}
    asked = QUESTIONS * 4
    with ThreadPoolExecutor(2) as threads:
        answers = threads.map(both.cluster.search, asked)
        for number, (text, answer) in enumerate(zip(asked, answers, strict=True)):
            if number == len(QUESTIONS):  # others are being asked
                both.nodes.kill(both.nodes.nodes[0])
            assert answered(answer) == right[text]
            assert answer.timing_ms["total"] < QUICK.time_limit * 1000


def test_an_ingest_whose_writers_are_killed_loses_nothing_and_takes_nothing_in_twice(both):
    """The node that was lost before may have had one of them, too."""
    paths = write_documents(both.folder, 20)[14:]
    namespace = both.cluster.layout.namespace
    acknowledged = []

    def kill_writers(report):
        acknowledged.append(report.name)
        for partition in range(2) if len(acknowledged) == 1 else ():
            with suppress(ValueError):  # it is being started on another node
                ray.kill(ray.get_actor(replica_name(partition, 0), namespace=namespace), no_restart=False)

    report = both.cluster.ingest(paths, on_file=kill_writers)
    assert not report.failed and sorted(acknowledged) == sorted(path.name for path in paths)
    both.library.ingest(paths)
    names = [[document.name for document in each.documents()] for each in (both.library, both.cluster)]
    assert sorted(names[0]) == sorted(names[1])
    both.assert_equal(options=OPTIONS[:1])


def test_what_was_lost_runs_evenly_again_when_a_node_has_come(both):
    both.nodes.add()
    both.cluster.rebalance()
    status = both.cluster.status(patience=PATIENCE)
    assert status.warnings == ()
    assert sorted(Counter(each.node for of in status.partitions for each in of.replicas).values()) == [1, 1, 2]


def test_the_command_line_takes_its_folder(both, monkeypatch):
    monkeypatch.setattr("colvision.encoders.spec.load", lambda *given, **options: sharp_toy())

    def run(*words, code=0):
        answer = CliRunner().invoke(main, [*words, "--library", str(both.folder / "cluster")])
        assert answer.exit_code == code, answer.output
        return answer

    found = json.loads(run("search", "bleed", "the", "pump", "--json").stdout)["hits"]
    assert [(hit["document"], hit["page"], hit["score"]) for hit in found] == [
        (hit.document, hit.page, hit.score) for hit in both.library.search("bleed the pump")
    ]
    assert "d001.tiff" in run("list").stdout
    assert json.loads(run("status", "--json").stdout)["pages"] == both.cluster.status(patience=PATIENCE).pages
    assert "is a cluster, and this command works on one library" in run("verify", code=1).stderr


def test_a_partition_without_replicas_is_named_or_left_out_by_who_asks_for_it(both):
    namespace = both.cluster.layout.namespace
    for name in ("registrar", "partition-001-replica-0", "partition-001-replica-1"):  # the first starts the others
        actor = ray.get_actor(name, namespace=namespace)
        ray.kill(actor, no_restart=True)
        with pytest.raises(ray.exceptions.RayActorError):
            while True:  # until it is gone
                ray.get(actor.__ray_ready__.remote())

    def ask(allow_partial):
        options = RouterOptions(hedge=0.5, time_limit=5.0, allow_partial=allow_partial)
        with closing(router_of(both.cluster.layout, options)) as router:
            searcher = ClusterSearcher(both.cluster.layout, router, lambda: both.library.encoder)
            return searcher.search("valve", "default", SearchOptions())

    with ThreadPoolExecutor(2) as threads:
        refused, partial = threads.submit(ask, False), threads.submit(ask, True)
    with pytest.raises(PartitionUnavailable, match="partition 1 of .* does not answer"):
        refused.result()
    answer = partial.result()
    assert answer.notices == ("Not searched: partition 1, which does not answer.",) and len(answer)
    warnings = both.cluster.status(patience=PATIENCE).warnings
    assert any("partition 1: no replica answers" in each for each in warnings)
