"""The short form of `make load`: the limits hold. How long anything took is not asked."""

import io
import json

import pytest
from PIL import Image

from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document
from tests.helpers import browser as drive
from tests.helpers.pdf_files import text_file
from tests.load.crowd import ask_and_send, begin_to_read, send_images

pytestmark = pytest.mark.slow


def written_image(number):
    data = io.BytesIO()
    Image.new("L", (2000, 2000), number).save(data, "PNG")
    return data.getvalue()


@pytest.mark.long
def test_the_limits_hold_while_many_ask_many_send_and_one_file_is_read(quick_path, tmp_path):
    with open_library(quick_path / "library", encoder=ToyEncoder()) as library:
        library.ingest(save_document(tmp_path / "manual.tiff", [["oil"], ["valve"], ["filter"]]))
    quota = {"queue": 6, "connections": 60, "readers": 2}
    environment = {"TOY_SECONDS": "0.5", "TOY_QUOTA": json.dumps(quota)}
    with drive.serving(*drive.TOY, str(quick_path / "library"), "0", environment=environment) as address:
        images = [written_image(number) for number in range(10)]
        sent = send_images(address, quick_path / "library" / "uploads", images)
        begin_to_read(address, text_file(*["long"] * 60), "bleed")
        outcome = ask_and_send(
            address, ["oil", "valve"], text_file("small"), askers=20, files=10, seconds=1.0, pause=0.1
        )
    assert (sent.statuses["an image"], sent.most_readers <= 2) == ({201: 10}, True)
    assert (outcome.statuses["a search"].keys(), outcome.most_waiting) == ({200}, 6)
    assert outcome.statuses["a file"] == {202: 5, 429: 5}
