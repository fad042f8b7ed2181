"""What is optional is asked for in a sentence."""

import os
import sys

import pytest

from colvision.cluster import open_cluster
from colvision.cluster.mirror import Mirror
from colvision.errors import MissingExtra


def test_without_ray_there_is_no_cluster(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"a cluster needs Ray: pip install 'colvision\[ray\]'"):
        open_cluster(tmp_path / "c", partitions=2)
    assert not (tmp_path / "c").exists()
    assert {os.environ[name] for name in ("RAY_USAGE_STATS_ENABLED", "RAY_worker_niceness")} == {"0"}


def test_without_fsspec_there_is_no_mirror(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtra, match=r"colvision\[ray\]"):
        Mirror("memory://manuals")
