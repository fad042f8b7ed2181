"""Documents as they are known: their names, what is noted with them, and where they come from."""

import io
import json
import unicodedata

import pytest
from PIL import Image

from colvision import Upload
from colvision.errors import DocumentAmbiguous, DocumentNotFound
from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document, text_page
from colvision.testing.toy import PAGE_SHAPE


@pytest.fixture
def library(quick_path):
    with open_library(quick_path / "library", encoder=ToyEncoder()) as library:
        yield library


@pytest.fixture
def pump(tmp_path):
    return save_document(tmp_path / "pump.tiff", [["bleed", "valve"], ["oil", "filter"]])


def page(*words):
    return text_page(words, shape=PAGE_SHAPE)


def test_a_renamed_document_keeps_its_id_its_file_and_its_pages(library, pump):
    library.ingest(pump, metadata={"year": 2021})
    before = library.document("pump.tiff")
    after = library.rename("pump.tiff", "Pump 7.tiff")
    assert (after.name, after.id, after.metadata, after.source) == ("Pump 7.tiff", before.id, {"year": 2021}, str(pump))
    assert library.search("oil")[0].document == "Pump 7.tiff"
    assert library.page_image("Pump 7.tiff", 1).size == library.page_image(before.id, 1).size
    with pytest.raises(DocumentNotFound):
        library.document("pump.tiff")
    assert library.ingest(pump).same[0].name == "Pump 7.tiff", "its file is known by its path and its bytes"
    save_document(pump, [["spare"]])
    assert library.ingest(pump).replaced[0].name == "Pump 7.tiff"
    assert library.verify().is_intact


def test_two_documents_of_a_collection_have_two_names(library, pump, tmp_path):
    crane = save_document(tmp_path / "crane.tiff", [["hook"]])
    library.ingest([pump, crane])
    with pytest.raises(ValueError, match="another document of its collection is named 'crane.tiff'"):
        library.rename("pump.tiff", "crane.tiff")
    assert library.rename("pump.tiff", "pump.tiff").name == "pump.tiff"
    library.collection("archive").ingest(crane)
    assert library.collection("archive").rename("crane.tiff", "pump.tiff").collection == "archive"


def test_metadata_is_set_without_reading_anything_again(library, pump):
    library.ingest(pump, metadata={"year": 2021, "site": "Halle 3"})
    changed = library.set_metadata("pump.tiff", {"year": 2022})
    assert changed.metadata == {"year": 2022} and changed == library.document(changed.id)
    assert len(library.search("oil", where="year=2022")) == 2
    assert library.search("oil")[0].metadata == {"year": 2022}
    with pytest.raises(ValueError, match="metadata 'a'"):
        library.set_metadata("pump.tiff", {"a": None})
    assert library.set_metadata("pump.tiff", {}).metadata == {} and library.verify().is_intact


def test_images_in_memory_become_documents_and_the_same_image_is_the_same(library):
    report = library.ingest([page("bleed", "valve"), page("oil", "filter")])
    assert [file.name for file in report.new] == ["image.png", "image (2).png"]
    assert library.search("filter")[0].document == "image (2).png"
    assert library.ingest(page("oil", "filter")).same[0].name == "image (2).png"
    assert library.document("image.png").is_upload
    with Image.open(library.original_path("image.png")) as kept:
        assert kept.format == "PNG" and kept.size == page("bleed").size
    assert library.verify().is_intact


def test_an_image_read_from_a_file_keeps_the_name_and_stands_upright(library, tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned clockwise
    page("hook").transpose(Image.Transpose.ROTATE_90).save(tmp_path / "photo.jpg", exif=turned, quality=95)
    with Image.open(tmp_path / "photo.jpg") as photo:
        library.ingest(photo)
    shown = library.page_image("photo.png", 1)
    assert shown.height > shown.width and library.search("hook")[0].document == "photo.png"


def test_what_is_transparent_or_in_other_colours_is_taken_as_it_looks(library):
    clear = Image.merge("LA", (page("valve"), page("valve").point(lambda value: 255 - value)))
    library.ingest([Upload(clear, "clear.png"), Upload(page("valve").convert("CMYK"), "cmyk.png")])
    assert sorted(hit.document for hit in library.search("valve")) == ["clear.png", "cmyk.png"]


def test_bytes_are_taken_with_the_name_that_they_are_given(library, pump):
    report = library.ingest([Upload(pump.read_bytes(), "pump.tiff"), Upload(str(pump), "again.tiff")])
    assert [(file.name, file.outcome) for file in report.files] == [("pump.tiff", "new"), ("pump.tiff", "same")]
    assert library.original_path("pump.tiff").read_bytes() == pump.read_bytes()
    (failed,) = library.ingest(Upload(b"no PDF at all", "bad.pdf")).failed
    assert failed.reason.startswith("bad.pdf is not a PDF") and "colvision-" not in failed.reason
    with pytest.raises(TypeError, match="give Upload"):
        library.ingest([pump.read_bytes()])


def test_records_can_be_written_as_json(library, pump):
    report = library.ingest(pump, metadata={"year": 2021})
    told = json.loads(json.dumps(report.to_dict()))
    assert (told["pages"], told["files"][0]["outcome"], told["files"][0]["name"]) == (2, "new", "pump.tiff")
    document = json.loads(json.dumps(library.document("pump.tiff").to_dict()))
    assert (document["name"], document["metadata"], document["collection"]) == ("pump.tiff", {"year": 2021}, "default")
    status = json.loads(json.dumps(library.status().to_dict()))
    (collection,) = status["collections"]
    assert (collection["encoder"], collection["pages"]) == ("toy-0", 2)
    assert collection["codes"] > 0 and collection["dead_share"] == 0 and status["path"] == str(library.path)
    assert library.collection("default").status().to_dict() == collection


def test_a_hit_shows_its_page_its_text_and_what_is_known(library, pump):
    library.ingest(pump, metadata={"year": 2021})
    answer = library.search("oil filter", k=2)
    hit = answer[0]
    assert hit.image().tobytes() == library.page_image("pump.tiff", hit.page).tobytes()
    assert (hit.text, hit.metadata) == ("", {"year": 2021})
    told = json.loads(json.dumps(answer.to_dict()))
    assert told["query"] == "oil filter" and [each["page"] for each in told["hits"]] == [2, 1]
    assert told["hits"][0]["score"] == pytest.approx(hit.score) and told["retrievers"] == ["maxsim"]
    assert library.search_like("pump.tiff", 1)[0].image().mode == "RGB"
    assert library.search_image(page("oil", "filter"))[0].image().mode == "RGB"
    assert library.search_many(["oil"])[0][0].image().mode == "RGB"
    library.delete("pump.tiff")
    with pytest.raises(DocumentNotFound):
        hit.image()


def test_a_notebook_shows_pages_and_heatmaps(library, tmp_path):
    library.ingest(save_document(tmp_path / "<b>.tiff", [["oil", "filter"]]))
    answer = library.search("oil <i>")
    shown = answer._repr_html_()
    assert shown.count("<img src='data:image/jpeg;base64,") == 1
    assert "&lt;b&gt;.tiff, page 1" in shown and "oil &lt;i&gt;" in shown and "<b>" not in shown
    why = library.explain(answer[0])
    with Image.open(io.BytesIO(why._repr_png_())) as drawn:
        assert drawn.tobytes() == why.heatmap().tobytes()
    assert library.explain(answer[0], image=False)._repr_png_() is None
    library.delete("<b>.tiff")
    assert "<img" not in answer._repr_html_() and "&lt;b&gt;.tiff, page 1" in answer._repr_html_()


def saved(folder, name, *pages):
    folder.mkdir(parents=True, exist_ok=True)
    return save_document(folder / name, pages)


def test_a_newer_version_takes_the_place_of_the_document_of_its_name(library, tmp_path):
    old = saved(tmp_path / "2020", "pump.tiff", ["bleed"])
    new = saved(tmp_path / "2021", "pump.tiff", ["valve"], ["oil"])
    library.ingest(old, metadata={"machine": "press", "rev": "A"})
    before, hit = library.document("pump.tiff"), library.search("bleed")[0]
    (file,) = library.ingest(new, replace=True, metadata={"rev": "B"}).replaced
    assert (file.document_id, str(file)) == (before.id, "pump.tiff: replaced, 2 pages; rev: A -> B")
    (after,) = library.documents()
    assert (after.id, after.name, after.pages, after.folder) == (before.id, "pump.tiff", 2, "2021")
    assert after.metadata == {"machine": "press", "rev": "B"}
    for show in (hit.image, lambda: hit.text, lambda: library.explain(hit)):
        with pytest.raises(DocumentNotFound, match="replaced by another version"):
            show()
    assert library.explain(library.search("valve")[0]).score > 0 and library.verify().is_intact


def test_an_upload_replaces_by_its_name_whatever_else_has_its_bytes(library, tmp_path):
    page("valve").save(tmp_path / "b.png")
    library.ingest([Upload(page("bleed"), "pump.png"), Upload(tmp_path / "b.png", "pump.png")])
    job = library.jobs.queue(tmp_path / "b.png", "pump.png", replace=True)
    before = library.document("pump.png")
    ended = library.run_job(library.jobs.claim())
    assert (ended.state, ended.document) == ("ready", before.id) and job.replace
    assert [each.name for each in library.documents()] == ["pump (2).png", "pump.png"]
    assert len({each.sha256 for each in map(library._store.find, ("pump (2).png", "pump.png"))}) == 1
    library.delete("pump (2).png")
    assert library.search("valve")[0].image().size == page("valve").size and library.verify().is_intact


def test_files_of_one_name_in_one_ingest_do_not_replace_each_other(library, tmp_path):
    for name, word in (("press", "bleed"), ("lathe", "valve")):
        saved(tmp_path / "1" / name, "manual.tiff", [word])
        saved(tmp_path / "2" / name, "manual.tiff", [word, "oil"])
    assert len(library.ingest(tmp_path / "1", replace=True).new) == 2
    ids = {each.folder: each.id for each in library.documents()}
    assert len(library.ingest(tmp_path / "2", replace=True).replaced) == 2
    assert {each.folder: each.id for each in library.documents()} == ids
    (failed,) = library.ingest(saved(tmp_path / "3", "manual.tiff", ["hook"]), replace=True).failed
    assert "could replace 'manual (2).tiff' (from " in failed.reason


def test_documents_of_one_name_are_told_apart_by_their_folders(library, tmp_path):
    for name in ("press", "lathe"):
        library.ingest(saved(tmp_path / name / "en", "manual.tiff", ["oil", name]))
    folders = {each.folder: each.name for each in library.documents()}
    assert folders == {"press/en": "manual.tiff", "lathe/en": "manual (2).tiff"}
    for asked in ("lathe/en/manual.tiff", "lathe/en/manual (2).tiff", str(tmp_path / "lathe/en/manual.tiff")):
        assert library.document(asked).folder == "lathe/en"
    answer = library.search("oil", where="folder=lathe")
    assert [(hit.document, hit.folder) for hit in answer] == [("manual (2).tiff", "lathe/en")]
    assert answer.to_dict()["hits"][0]["folder"] == "lathe/en"
    assert library.search("oil", document="press/en/manual.tiff")[0].document == "manual.tiff"
    with pytest.raises(DocumentAmbiguous, match="name the collection, its folder, or an id"):
        library.document("en/manual.tiff")
    with pytest.raises(DocumentNotFound, match=r"document 'drill/manual\.tiff'"):
        library.search("oil", where="document=drill/manual.tiff")
    archive = library.collection("archive")
    archive.ingest(page("hook"))
    for asked in ("manual.tiff", "press/en/manual.tiff"):
        with pytest.raises(DocumentNotFound, match=r"in collection 'archive': there is one in 'default'"):
            archive.search("hook", document=asked)


def test_the_same_bytes_in_two_folders_say_so_and_add_their_facts(library, tmp_path):
    a = saved(tmp_path / "a", "pump.tiff", ["bleed"])
    b = saved(tmp_path / "b", "pump.tiff", ["bleed"])
    library.ingest(a, metadata={"machine": "A", "year": 2021})
    (file,) = library.ingest(b, metadata={"machine": "B", "site": "X"}).same
    assert str(file) == (f"{b}: the same bytes as pump.tiff, which came from {a}; machine: A -> B; site: X")
    assert file.to_dict()["same_as"] == str(a)
    assert file.to_dict()["changes"][0] == {"name": "machine", "before": "A", "after": "B"}
    document = library.document("pump.tiff")
    assert document.metadata == {"machine": "B", "year": 2021, "site": "X"}
    assert (document.folder, document.copies) == ("a", (str(b),))


def test_a_copy_leads_to_its_document_until_it_has_other_bytes(library, tmp_path):
    a = saved(tmp_path / "a", "pump.tiff", ["bleed"])
    b = saved(tmp_path / "b", "crane.tiff", ["bleed"])
    library.ingest([a, b, Upload(a, "fan.tiff")])
    (document,) = library.documents()
    assert document.copies == (str(b), "fan.tiff")
    for asked in ("crane.tiff", "b/crane.tiff", "fan.tiff", "b/pump.tiff"):
        assert library.document(asked).id == document.id
        assert len(library.search("bleed", where=f'document="{asked}"')) == 1
    assert len(library.search("bleed", where="folder=b")) == len(library.search("bleed", where="folder=a")) == 1
    assert library.ingest_again("pump.tiff").document_id == document.id
    assert library.document(document.id).copies == document.copies
    save_document(b, [["valve"]])
    assert library.ingest(b).new[0].name == "crane.tiff"
    assert library.document(document.id).copies == ("fan.tiff",)
    assert [hit.document for hit in library.search("bleed", where="folder=b")] == ["crane.tiff"]
    save_document(a, [["oil"]])
    assert library.ingest(a).replaced[0].document_id == document.id
    assert library.document(document.id).copies == ()
    assert library.verify().is_intact


def test_a_file_that_was_moved_is_followed(library, tmp_path):
    old = saved(tmp_path / "old", "pump.tiff", ["bleed"])
    library.ingest(old)
    before = library.document("pump.tiff")
    new = old.rename(tmp_path / "Pump 7.tiff")
    (file,) = library.ingest(new).same
    assert file.is_moved and str(file) == f"{new}: pump.tiff, moved from {old}, nothing to do"
    assert library.document("pump.tiff").source == str(new)
    assert library.search("bleed")[0].folder == tmp_path.name == library.document("pump.tiff").folder
    save_document(new, [["valve"]])
    assert library.ingest(new).replaced[0].document_id == before.id
    assert library.verify().is_intact


def test_names_and_facts_are_found_in_both_of_their_forms(library, tmp_path):
    composed, decomposed = "Prüfstand.tiff", unicodedata.normalize("NFD", "Prüfstand.tiff")
    assert composed != decomposed
    library.ingest(saved(tmp_path, decomposed, ["oil"]), metadata={"Gera\u0308t": "O\u0308ler"})
    assert library.document(composed) == library.document(decomposed)
    assert library.document(composed).metadata == {"Gerät": "Öler"}
    for where in ("Gerät=öler", "Gera\u0308t=O\u0308LER", f"document={composed}", f"document={decomposed}"):
        assert len(library.search("oil", where=where)) == 1, where
    assert library.rename(composed, decomposed).name == composed
    library.collection("Gera\u0308te").ingest(Upload(page("hook"), decomposed))
    assert library.collection("Geräte").document(decomposed).name == composed
    library.jobs.queue(tmp_path / decomposed, decomposed, collection="Gera\u0308te")
    assert library.run_job(library.jobs.claim()).state == "ready"
    assert library.collections() == ["default", "Geräte"]
    assert library.rename_collection("Gera\u0308te", "Öler").name == library.collection("O\u0308ler").name
    library.delete_collection("O\u0308ler")
