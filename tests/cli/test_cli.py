"""The command: results on stdout, the rest on stderr, exit codes that tell misuse from failure."""

import json
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer
from PIL import Image, ImageDraw, ImageFont
from typer.main import get_command, get_group
from typer.testing import CliRunner

import colvision
from colvision import cli
from colvision.cli import main
from colvision.cli.console import handle_errors
from colvision.cli.main import _MODULES
from colvision.cli.options import parse_bytes
from colvision.testing import ToyEncoder
from tests.helpers.pdf_files import LETTER, pages_file

FONT = ImageFont.load_default(34)


def page(*lines):
    picture = Image.new("L", (1275, 1650), 255)
    for number, line in enumerate(lines):
        ImageDraw.Draw(picture).text((120, 150 + 70 * number), line, font=FONT, fill=0)
    return picture


@pytest.fixture(scope="module")
def manuals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manuals")
    pages = [page("Remove the gearbox cover", "Torque 24 Nm"), page("Bleed the hydraulic pump", "Open the valve")]
    pages[0].save(folder / "pump.tiff", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing more")
    return folder


@pytest.fixture(scope="module")
def library(manuals, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "library"
    run("ingest", manuals / "pump.tiff", library=folder)
    return folder


@pytest.fixture(scope="module")
def unread(manuals, tmp_path_factory):
    """A library for what needs no encoder: mini takes a while."""
    folder = tmp_path_factory.mktemp("cli") / "unread"
    with colvision.open_library(folder, encoder=ToyEncoder()) as library:
        library.ingest(manuals / "pump.tiff")
    return folder


def run(*words, library, code=0):
    answer = CliRunner().invoke(main, [*map(str, words), "--library", str(library)])
    assert answer.exit_code == code, answer.output
    return answer


def test_an_ingest_that_is_stopped_tells_what_became_of_the_files_until_then(tmp_path, monkeypatch):
    (tmp_path / "a.pdf").write_bytes(b"no PDF")
    (tmp_path / "b.pdf").write_bytes(b"stops")
    read = Path.open

    def stop(path, *given, **options):
        if path.name == "b.pdf":
            raise KeyboardInterrupt
        return read(path, *given, **options)

    monkeypatch.setattr(Path, "open", stop)
    answer = run("ingest", tmp_path / "a.pdf", tmp_path / "b.pdf", library=tmp_path / "library", code=130)
    assert "a.pdf: failed: " in answer.stdout and "1 failed" in answer.stdout


@pytest.mark.slow
def test_ingest_tells_what_became_of_every_file_and_fails_for_one_that_failed(manuals, tmp_path):
    answer = run("ingest", manuals, library=tmp_path / "library", code=1)
    assert "pump.tiff: new, 2 pages" in answer.stdout
    assert "broken.pdf: failed: " in answer.stdout
    again = run("ingest", manuals / "pump.tiff", library=tmp_path / "library")
    assert "the same bytes as before" in again.stdout


@pytest.mark.slow
def test_search_prints_the_agreed_json_and_nothing_else(library):
    answer = run("search", "hydraulic pump", "--json", "-k", 1, library=library)
    found = json.loads(answer.stdout)
    told = {"query", "hits", "notice", "other_words", "pages", "mode", "candidates", "retrievers", "timing_ms"}
    assert found.keys() == told | {"reranker"}
    (hit,) = found["hits"]
    assert (hit["rank"], hit["document"], hit["page"]) == (1, "pump.tiff", 2)
    (document,) = json.loads(run("list", "--json", library=library).stdout)
    assert hit["document_id"] == document["id"]
    assert (found["notice"], found["pages"], found["mode"], found["candidates"]) == ("", 2, "exact", 2)
    assert hit["score"] > 0
    assert {"encode", "score", "total"} <= found["timing_ms"].keys()


@pytest.mark.slow
def test_search_tells_other_words_and_exact_words_has_none(library, tmp_path):
    answer = run("search", "entfernen", library=library)
    assert "pump.tiff, page 1" in answer.stdout.splitlines()[0]
    assert "(entfernen as remove " in answer.stdout.splitlines()[0]
    assert "also looked for: remove (entfernen)" in answer.stderr
    explain = ("explain", "entfernen", "--document", "pump.tiff", "--page", 1, "--out", tmp_path / "o.png")
    assert "entfernen, as remove: " in run(*explain, library=library).stdout
    assert "entfernen: " in run(*explain, "--exact-words", library=library).stdout
    for words in (["entfernen", "--exact-words"], ['"entfernen"']):
        assert "looked for" not in run("search", *words, library=library).stderr
    assert "goes with words" in run("search", "--like", "a:1", "--exact-words", library=library, code=2).stderr


@pytest.mark.slow
def test_search_for_people_names_page_and_words(library):
    answer = run("search", "gearbox cover", "--document", "pump.tiff", library=library)
    assert "pump.tiff, page 1" in answer.stdout.splitlines()[0]
    assert "gearbox" in answer.stdout
    assert "searched 2 pages" in answer.stderr
    assert "searched" not in answer.stdout


@pytest.mark.slow
def test_words_need_no_quotes_and_the_library_may_come_before_the_command(library, monkeypatch):
    monkeypatch.setenv("COLVISION_LIBRARY", "no-such-folder")  # what is typed counts more
    words = ["--library", str(library), "search", "bleed", "the", "pump", "-k", "1"]
    answer = CliRunner().invoke(main, words)
    assert answer.exit_code == 0, answer.output
    assert "pump.tiff, page 2" in answer.stdout.splitlines()[0]


@pytest.mark.slow
def test_a_question_that_no_page_answers_is_told_so(library):
    answer = run("search", "zyzzyva", "quokka", library=library)
    assert "No page matches well" in answer.stderr and "No page" not in answer.stdout
    assert "No page matches well" in json.loads(run("search", "zyzzyva", "--json", library=library).stdout)["notice"]
    assert "No page matches well" not in run("search", "hydraulic", "pump", library=library).stderr


@pytest.mark.slow
def test_a_filter_in_words_limits_the_search(manuals, tmp_path):
    run("ingest", manuals / "pump.tiff", "--meta", "year=2011", library=tmp_path / "library")
    found = json.loads(
        run("search", "valve", "--where", "year>=2010 and page=1", "--json", library=tmp_path / "library").stdout
    )
    assert [hit["page"] for hit in found["hits"]] == [1]
    wrong = run("search", "valve", "--where", "year>>2010", library=tmp_path / "library", code=2)
    assert "expected a value for 'year'" in wrong.stderr


@pytest.mark.slow
def test_an_estimate_counts_pages_and_bytes_before_anything_is_ingested(manuals):
    answer = CliRunner().invoke(main, ["estimate", str(manuals), "--json"])
    assert answer.exit_code == 0, answer.output
    planned = json.loads(answer.stdout)
    assert (planned["files"], planned["pages"], planned["sampled"]) == (1, 2, 2)
    assert list(planned["failed"]) == [str(manuals / "broken.pdf")]
    assert planned["bytes"] > planned["int8"] > planned["first_stage"] > 0 and planned["seconds"] > 0
    table = CliRunner().invoke(main, ["estimate", str(manuals)])
    assert "2 in 1 file" in table.stdout and "broken.pdf" in table.stderr


@pytest.mark.slow
def test_a_pooled_ingest_keeps_fewer_vectors(manuals, library, tmp_path):
    run("ingest", manuals / "pump.tiff", "--pool", "2", "--max-memory", "64MB", library=tmp_path / "library")

    def vectors(folder):
        return json.loads(run("status", "--json", library=folder).stdout)["collections"][0]["vectors"]

    assert vectors(tmp_path / "library") < 0.6 * vectors(library)


@pytest.mark.parametrize(("text", "expected"), [("512MB", 512 << 20), ("1.5 GiB", 3 << 29), ("100000", 100_000)])
def test_sizes_are_read_as_people_write_them(text, expected):
    assert parse_bytes(text) == expected


@pytest.mark.slow
def test_explain_saves_a_picture_that_differs_from_the_page(library, tmp_path):
    out = tmp_path / "why.png"
    answer = run("explain", "hydraulic pump", "--document", "pump.tiff", "--page", 2, "--out", out, library=library)
    with Image.open(out) as picture:
        assert picture.format == "PNG"
        assert len(set(picture.convert("RGB").resize((100, 130)).get_flattened_data())) > 5
    assert answer.stdout.splitlines()[-1].startswith("score ")


@pytest.mark.slow
def test_list_status_and_delete_follow_the_library(library, tmp_path):
    folder = shutil.copytree(library, tmp_path / "library")
    (document,) = json.loads(run("list", "--json", library=folder).stdout)
    assert (document["name"], document["stored"]) == ("pump.tiff", 2)
    (collection,) = json.loads(run("status", "--json", library=folder).stdout)["collections"]
    assert (collection["encoder"], collection["pages"]) == ("mini", 2)
    assert "pump.tiff" in run("list", library=folder).stdout
    assert "deleted pump.tiff (2 pages)" in run("delete", "pump.tiff", library=folder).stdout
    assert json.loads(run("list", "--json", library=folder).stdout) == []
    assert json.loads(run("search", "pump", "--json", library=folder).stdout)["hits"] == []


@pytest.mark.slow
def test_verify_names_what_is_damaged_and_what_to_ingest_again(manuals, library, tmp_path):
    folder = shutil.copytree(library, tmp_path / "library")
    assert run("verify", library=folder).stdout.startswith("1 shard is whole")
    (shard,) = (folder / "shards").iterdir()
    data = bytearray(shard.read_bytes())
    data[-100] ^= 1
    shard.write_bytes(data)
    answer = run("verify", library=folder, code=1)
    assert f"shard {shard.name} is damaged" in answer.stdout and "ingest again: pump.tiff" in answer.stdout
    run("ingest", manuals / "pump.tiff", library=folder)
    assert run("verify", library=folder).stdout.startswith("1 shard is whole")


@pytest.mark.slow
def test_reencode_fills_a_library_of_another_encoder_again(manuals, tmp_path):
    folder = tmp_path / "library"
    with colvision.open_library(folder, encoder=ToyEncoder()) as library:
        library.ingest(manuals / "pump.tiff")
    refused = run("search", "pump", library=folder, code=1)
    assert "`colvision reencode --encoder mini`" in refused.stderr
    assert "pump.tiff: replaced, 2 pages" in run("reencode", library=folder).stdout
    assert "pump.tiff, page 2" in run("search", "hydraulic pump", library=folder).stdout.splitlines()[0]
    assert "no collection 'spares'" in run("reencode", "--collection", "spares", library=folder, code=1).stderr


def test_a_renderer_that_is_named_and_missing_is_said(manuals, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = run("ingest", manuals / "pump.tiff", "--renderer", "poppler", library=tmp_path / "library", code=1)
    assert "poppler (pdftoppm, pdfinfo) is not installed" in answer.stderr
    assert not (tmp_path / "library").exists()
    assert "'auto' is not one of" in run("verify", "--renderer", "auto", library=tmp_path, code=2).stderr
    assert "which --repair asks for" in run("verify", "--renderer", "poppler", library=tmp_path, code=2).stderr


def test_every_command_that_a_message_names_can_be_run():
    source = Path(colvision.__file__).parent
    texts = [
        path.read_text(encoding="utf-8") for path in [*source.rglob("*.py"), *source.with_name("app").rglob("*.py")]
    ]
    named = {name for text in texts for name in re.findall(r"`colvision ([a-z]\S*?)[ `]", text)}
    assert {"list", "reencode", "verify"} <= named
    assert named <= set(get_command(main).commands)


def test_a_command_imports_no_other_command():
    code = """if True:
        import sys
        from colvision.cli import main
        try:
            main(["search", "--help"])
        except SystemExit:
            others = ["ingest", "documents", "maintenance", "evaluate", "finetune"]
            heavy = {f"colvision.cli.{name}" for name in others} | {"colvision.app.server", "rich.progress", "torch"}
            print(sorted(heavy & set(sys.modules)))
    """
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "What to look for" in answer.stdout
    assert answer.stdout.splitlines()[-1] == "[]"


def test_every_module_of_commands_is_listed_with_all_of_them():
    for module, names in _MODULES.items():
        assert tuple(get_group(import_module(module).commands).commands) == names
    written = {path.stem for path in Path(cli.__file__).parent.glob("*.py") if "commands = typer" in path.read_text()}
    of_the_app = {"colvision.app.server", "colvision.app.mcp", "colvision.app.ask"}
    assert {f"colvision.cli.{each}" for each in written} | of_the_app == set(_MODULES)


def test_every_option_is_in_the_docs():
    root = Path(colvision.__file__).parents[1]
    texts = [path.read_text(encoding="utf-8") for path in [root / "README.md", *(root / "docs").glob("*.md")]]
    commands = get_command(main).commands
    assert commands
    for name, command in commands.items():
        options = {option for each in command.params for option in [*each.opts, *each.secondary_opts]}
        missing = [option for option in options if option.startswith("--") and option not in "".join(texts)]
        assert missing == [], f"colvision {name}"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["search", "pump", "-k", "0"], 2, "Invalid value for '-k'"),
        (["search"], 2, "ask with words, or with --image"),
        (["search", "pump", "--max-memory", "much"], 2, "'much' is no size"),
        (["ingest", "no-such-file.pdf"], 2, "there is no no-such-file.pdf"),
        (["explain", "pump", "--document", "pump.tiff", "--page", "1", "--out", "no/x.png"], 2, "there is no folder"),
        (["ingest", "x" * 300 + ".pdf"], 2, "name too long"),
        (["delete", "no.pdf"], 1, "no document 'no.pdf'"),
    ],
)
def test_misuse_exits_with_2_and_failure_with_1_in_one_sentence(unread, words, code, says):
    fails_in_one_sentence(unread, words, code, says)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["search", "?!"], 2, "no letter or digit"),
        (["explain", "pump", "--document", "pump.tiff", "--page", "9", "--out", "x.png"], 1, "has pages 1 to 2, not 9"),
    ],
)
def test_what_only_the_encoder_can_refuse_is_one_sentence_too(library, words, code, says):
    fails_in_one_sentence(library, words, code, says)


def fails_in_one_sentence(folder, words, code, says):
    answer = run(*words, library=folder, code=code)
    assert says in answer.stderr
    assert answer.stdout == ""
    assert "Traceback" not in answer.output


def test_a_library_that_cannot_be_made_is_told_in_a_sentence(manuals, tmp_path):
    (tmp_path / "file").write_text("a file where a folder is asked for")
    answer = run("ingest", manuals, library=tmp_path / "file" / "library", code=1)
    assert str(tmp_path) in answer.stderr and "Traceback" not in answer.output


def test_an_error_that_nobody_expected_is_a_sentence_and_a_traceback_where_it_is_asked_for(monkeypatch, capsys):
    def fail():
        raise ZeroDivisionError("by zero")

    with pytest.raises(typer.Exit) as ended, handle_errors():
        fail()
    told = capsys.readouterr().err
    assert ended.value.exit_code == 1 and "COLVISION_DEBUG=1" in told and "Traceback" not in told
    monkeypatch.setenv("COLVISION_DEBUG", "1")
    with pytest.raises(typer.Exit), handle_errors():
        fail()
    assert "ZeroDivisionError: by zero" in capsys.readouterr().err
    with pytest.raises(typer.BadParameter), handle_errors():
        raise typer.BadParameter("typer tells of misuse itself")


@pytest.mark.slow
def test_a_lost_page_is_a_failure_each_time_unless_it_is_accepted(tmp_path):
    """The second page is a line that nobody could read."""
    strip = tmp_path / "lost.pdf"
    strip.write_bytes(pages_file((LETTER, b""), ("/MediaBox [0 0 612 3]", b""), (LETTER, b"")))
    (tmp_path / "notes.docx").write_bytes(b"PK")
    folder = tmp_path / "library"
    for again in (False, True):
        answer = run("ingest", tmp_path, library=folder, code=1)
        assert "page 2 failed" in answer.stdout and "1 page could not be read" in answer.stdout
        assert (
            f"left out: 1 file that is no PDF or image (notes.docx){', 1 folder of a library' * again}" in answer.stdout
        )
    report = json.loads(run("ingest", strip, "--accept-failed-pages", "--json", library=folder).stdout)
    assert [page["number"] for page in report["files"][0]["failed_pages"]] == [2]
    assert "ready: 1 page failed" in run("list", library=folder).stdout
    assert "not read whole: lost.pdf (1 page failed)" in run("status", library=folder).stdout
    (listed,) = json.loads(run("list", "--json", library=folder).stdout)
    assert listed["health"]["failed"][0]["page"] == 2 and not listed["health"]["is_whole"]
    told = run("verify", "--repair", library=folder, code=1).stdout
    assert "lost.pdf: page 2 could not be read" in told and "all that was stored" in told
    run("verify", "--accept-failed-pages", library=folder)


@pytest.mark.slow
def test_a_document_without_a_page_says_once_why(tmp_path):
    strip = tmp_path / "strip.pdf"
    strip.write_bytes(pages_file(("/MediaBox [0 0 612 3]", b"")))
    folder = tmp_path / "library"
    why = "failed: its only page could not be read: it measures 612 x 3 points"
    assert why in run("ingest", strip, library=folder, code=1).stdout
    (row,) = run("list", library=folder).stdout.splitlines()[1:]
    assert why in row and "page failed" not in row


def test_a_library_that_is_not_there_is_not_made_by_a_search(tmp_path):
    answer = run("search", "pump", library=tmp_path / "nowhere", code=1)
    assert "there is no library at" in answer.stderr
    assert not (tmp_path / "nowhere").exists()


def test_the_library_can_come_from_the_environment(unread, monkeypatch):
    monkeypatch.setenv("COLVISION_LIBRARY", str(unread))
    assert "pump.tiff" in CliRunner().invoke(main, ["list"]).stdout


def test_the_app_is_a_command_once_it_is_installed():
    assert "--port" in CliRunner().invoke(main, ["app", "--help"]).stdout


@pytest.mark.slow
def test_a_documents_name_is_shown_as_it_is(manuals, tmp_path):
    odd = tmp_path / "[bold]x.png"
    page("Odd name").save(odd)
    run("ingest", odd, library=tmp_path / "library")
    assert Path(odd).name in run("list", library=tmp_path / "library").stdout
