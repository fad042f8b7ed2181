"""Answers by an endpoint of the user's own: what it is sent, what is made of what it says, and what goes wrong."""

import base64
import io
import json
import time

import pytest
from colvision.app.api import create_api
from colvision.app.security import Guard
from colvision.app.services.chat import ChatEndpoint, ChatFailed
from colvision.app.services.library import LibraryService
from colvision.app.settings import Busy, Quota, Settings
from PIL import Image
from starlette.testclient import TestClient
from typer.testing import CliRunner

from colvision.cli import main
from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document
from tests.helpers.chat_server import chat_server
from tests.helpers.pdf_files import text_file, written

HOME = "http://127.0.0.1:7860"
PUMP = [["bleed", "valve"], ["spare", "parts"], ["oil", "filter"]]
QUOTA = Quota(answer_silence_seconds=1, answers=2, answer_characters=200)


@pytest.fixture
def chat():
    with chat_server() as server:
        yield server


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers")
    with open_library(folder / "library", encoder=ToyEncoder()) as library:
        library.ingest(save_document(folder / "pump.tiff", PUMP))
        library.ingest(
            written(folder, text_file("Open the bleed valve slowly, by hand", "Clean the oil filter every week"))
        )
        yield library


@pytest.fixture
def service(library, chat):
    asked = {"answers": chat.url, "answers_model": "looker", "answers_key": "a key of mine", "quota": QUOTA}
    return LibraryService(library, Settings(library.path, **asked))


@pytest.fixture
def client(service):
    return TestClient(Guard(create_api(service)), base_url=HOME)


def ask(client, question="How is it bled?", pages=("pump.tiff:1", "pump.tiff:3")):
    answer = client.post("/api/v1/answers", params={"q": question, "page": pages})
    lines = answer.text.splitlines() if answer.status_code == 200 else []
    return answer, [json.loads(line) for line in lines]


def test_the_pages_that_are_named_are_sent_as_pictures_and_nothing_else_is(client, chat, service):
    _, events = ask(client)
    [(path, headers, asked)] = chat.asked
    assert (path, headers["authorization"], asked["model"]) == (
        "/v1/chat/completions",
        "Bearer a key of mine",
        "looker",
    )
    system, user = asked["messages"]
    texts = [part["text"] for part in user["content"] if part["type"] == "text"]
    assert texts == ["Question: How is it bled?", "[1]", "[2]"]
    pictures = [part["image_url"]["url"] for part in user["content"] if part["type"] == "image_url"]
    for url in pictures:
        data = base64.b64decode(url.removeprefix("data:image/jpeg;base64,"))
        assert max(Image.open(io.BytesIO(data)).size) <= 1568
    sent = events[0]["sent"]
    assert (events[0]["kind"], sent["instructions"], sent["host"]) == ("sent", system["content"], chat.url[7:-3])
    assert [(each["document"], each["page"]) for each in sent["pages"]] == [("pump.tiff", 1), ("pump.tiff", 3)]
    assert [each["bytes"] for each in sent["pages"]] == [len(base64.b64decode(url[23:])) for url in pictures]
    assert "a key of mine" not in json.dumps(events) and "pump.tiff" not in json.dumps(asked)


def test_what_it_writes_is_text_and_its_citations_are_checked_against_the_pages_that_were_sent(client, service):
    _, events = ask(client, pages=("manual.pdf:1", "manual.pdf:2"))
    text = "".join(event["text"] for event in events)
    assert text == "Open the valve  first ; <b>then</b> the filter ."
    assert events[-1]["kind"] == "end"
    valve, none, filter_ = (event["citation"] for event in events if event["kind"] == "citation")
    document = service.library.document("manual.pdf").id
    assert (valve["document_id"], valve["page"], valve["quoted"], valve["is_found"]) == (
        document, 1, "bleed valve", True,
    )  # fmt: skip
    assert valve["link"] == f"?page_of={document}&page_number=1&probe=bleed+valve"
    left, top, right, bottom = valve["region"]
    assert 0 <= left < right <= 1 and 0 <= top < bottom <= 1
    assert (none["number"], none["document_id"], none["link"]) == (9, "", "")
    assert (filter_["page"], filter_["is_found"]) == (2, False)


def test_of_a_page_without_text_nobody_knows_whether_the_words_stand_there_but_a_calibrated_encoder(client):
    _, events = ask(client)
    valve, _, filter_ = (event["citation"] for event in events if event["kind"] == "citation")
    assert (valve["is_found"], filter_["is_found"]) == (None, None)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_citation_is_one_however_it_is_cut_into_pieces(client, chat, size):
    text = 'a [1: "valve"][2] and [not one] [1'
    chat.pieces = [text[at : at + size] for at in range(0, len(text), size)]
    _, events = ask(client)
    assert [event["citation"]["number"] for event in events if event["citation"]] == [1, 2]
    assert "".join(event["text"] for event in events) == "a  and [not one] [1"


def test_an_endpoint_that_does_not_stream_will_do(client, chat):
    chat.is_streaming = False
    _, events = ask(client)
    assert [event["citation"]["number"] for event in events if event["citation"]] == [1, 9, 2]


def test_without_an_endpoint_nothing_is_sent_and_it_is_said_how_to_name_one(service):
    library = service.library
    off = LibraryService(library, Settings(library.path))
    client = TestClient(Guard(create_api(off)), base_url=HOME)
    answer, _ = ask(client)
    assert (answer.status_code, "start it with --answers URL" in answer.json()["error"]) == (422, True)
    assert client.get("/api/v1/library").json()["answers"] is None


def test_the_page_is_told_who_would_be_asked_and_not_the_key(client, chat):
    told = client.get("/api/v1/library")
    assert told.json()["answers"] == {"model": "looker", "host": chat.url[7:-3], "pages": 4}
    assert "a key of mine" not in told.text


@pytest.mark.parametrize(
    ("given", "status", "sentence"),
    [
        ({"q": "", "page": "pump.tiff:1"}, 422, "q:"),
        ({"q": "bled", "page": ["pump.tiff:1"] * 5}, 422, "page:"),
        ({"q": "bled"}, 422, "page:"),
        ({"q": "bled", "page": "pump.tiff"}, 422, "is no DOCUMENT:PAGE"),
        ({"q": "bled", "page": "pump.tiff:9"}, 404, "has pages 1 to 3, not 9"),
        ({"q": "bled", "page": "none:1"}, 404, "no document"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_sent(client, chat, given, status, sentence):
    answer = client.post("/api/v1/answers", params=given)
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text
    assert chat.asked == []


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (401, b'{"error": {"message": "no such key\\u001b[31m"}}', "refused the question (401): no such key [31m"),
        (404, b'{"error": "model not found"}', "refused the question (404): model not found"),
        (500, b"<html>", "refused the question (500)"),
        (307, b"", "answers from another address (307)"),
    ],
)
def test_a_refusal_of_the_endpoint_is_a_sentence(client, chat, status, body, sentence):
    chat.status, chat.body = status, body
    chat.headers = {"Location": f"{chat.url}/elsewhere"}
    answer, _ = ask(client)
    assert (answer.status_code, sentence in answer.json()["error"]) == (502, True), answer.text
    assert len(chat.asked) == 1, "no redirect is followed"


@pytest.mark.parametrize("body", [b"hello", b"[]", b'{"choices": 3}', b"data: {\n\n", b'data: {"a": 1}\n\n'])
def test_what_is_no_chat_completion_is_said(client, chat, body):
    chat.is_streaming, chat.body = body.startswith(b"data"), body
    _, events = ask(client)
    assert (events[-1]["kind"], "another form than OpenAI's" in events[-1]["text"]) == ("error", True)


def test_an_answer_without_end_is_cut(client, chat):
    chat.pieces = ["endless "] * 1000
    _, events = ask(client)
    assert len("".join(event["text"] for event in events[:-1])) == 200
    assert (events[-1]["kind"], "longer than the limit of 200 characters" in events[-1]["text"]) == ("error", True)


def test_an_endpoint_that_says_nothing_is_not_waited_for(client, chat):
    chat.silence = 1.5
    answer, _ = ask(client)
    assert (answer.status_code, "said nothing for 1 s" in answer.json()["error"]) == (502, True)


def test_an_endpoint_that_is_not_there_is_a_sentence():
    with chat_server() as server:
        url = server.url
    server.server_close()
    with pytest.raises(ChatFailed, match="looker at 127.0.0.1:.* does not answer: start it"):
        ChatEndpoint(url, "looker").ask([], silence=1, seconds=1)


def test_so_many_are_written_at_once_and_a_closed_one_makes_room(service, chat):
    writing = service.answers
    prompt = writing.prompt("bled", [("pump.tiff", 1)])
    chat.pieces = ["word "] * 200_000
    written = [writing.ask(prompt) for _ in range(2)]
    with pytest.raises(Busy, match="2 answers are being written"):
        writing.ask(prompt)
    for each in written:
        each.close()
    assert chat.closed.wait(10), "the endpoint hears that nobody reads on"
    writing.ask(prompt).close()


@pytest.mark.parametrize("url", ["", "looker", "ftp://a", "http://", "http://me:secret@a/v1", "http://a/v1?key=1"])
def test_an_address_that_is_no_endpoint_is_refused(url):
    with pytest.raises(ValueError, match="is no endpoint"):
        ChatEndpoint(url, "looker")


def test_the_endpoint_and_its_model_go_together(tmp_path):
    with pytest.raises(ValueError, match="go together"):
        Settings(tmp_path, answers="http://127.0.0.1:1/v1")


def run_ask(service, chat, *options):
    given = ["ask", "bleed", "valve", "--answers", chat.url, "--model", "looker", "-k", "2"]
    return CliRunner().invoke(main, [*given, "--library", str(service.library.path), *options])


@pytest.fixture
def by_command(service, chat, monkeypatch):
    monkeypatch.setattr("colvision.app.ask.open_library", lambda *_, **__: open_library(
        service.library.path, encoder=ToyEncoder(), read_only=True,
    ))  # fmt: skip
    return lambda *options: run_ask(service, chat, *options)


def test_the_command_prints_the_answer_and_what_it_cites_after_what_was_sent(by_command, chat):
    chat.pieces = ["\x1b[31mOpen it", ' [1: "bleed valve"]', " [7]."]
    done = by_command()
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("\\x1b[31mOpen it [1] [7].\n\n")
    assert '[1] pump.tiff, page 1: "bleed valve"\n' in done.stdout and "[7] is no page that was sent" in done.stdout
    assert "looker at 127.0.0.1" in done.stderr and "[1] pump.tiff, page 1 (" in done.stderr


def test_a_dry_run_of_the_command_sends_nothing(by_command, chat):
    done = by_command("--dry-run")
    assert (done.exit_code, chat.asked, "would be sent" in done.stderr) == (0, [], True)


def test_the_command_ends_with_one_where_the_endpoint_fails(by_command, chat):
    chat.status, chat.body = 503, b'{"error": {"message": "overloaded"}}'
    done = by_command()
    assert (done.exit_code, "refused the question (503): overloaded" in done.output) == (1, True)


def test_a_reader_who_goes_away_ends_the_answer(service, chat):
    writing = service.answers
    chat.pieces = ["word "] * 200_000
    written = writing.ask(writing.prompt("bled", [("pump.tiff", 1)]))
    events = written.events()
    assert [next(events).kind, next(events).kind] == ["sent", "text"]
    begun = time.monotonic()
    written.close()
    list(events)  # what had come already, then the end
    assert time.monotonic() - begun < 10
