"""What the schema says of the REST API holds, whatever is sent. At length: `python -m tests.app.fuzz`."""

import pytest

from tests.app import fuzz


@pytest.mark.slow
@pytest.mark.skipif(not fuzz.IS_INSTALLED, reason="needs schemathesis: pip install schemathesis")
def test_nothing_that_is_sent_is_answered_by_a_server_error_or_in_a_way_that_is_not_stated(quick_path):
    ended = fuzz.fuzz(quick_path, "--phases", "fuzzing", "--max-examples", "4")
    assert ended.returncode == 0, ended.stdout
