"""The check of the page's scripts finds what is wrong with one, and says so where it cannot look."""

import json
import shutil
import subprocess
import sys

import pytest

from tests.frontend import __main__ as frontend
from tests.frontend.declarations import declare_api, declare_page

MANIFEST = json.loads((frontend.HERE / "package.json").read_text(encoding="utf-8"))["devDependencies"]
LOCKED = json.loads((frontend.HERE / "package-lock.json").read_text(encoding="utf-8"))["packages"]
SCHEMA = {
    "components": {
        "schemas": {
            "HitView": {
                "type": "object",
                "properties": {
                    "pages": {"type": "object", "additionalProperties": {"type": "integer"}},
                    "box": {"anyOf": [{"type": "array", "prefixItems": [{"type": "number"}] * 2}, {"type": "null"}]},
                    "verdict": {"type": "string", "enum": ["relevant", ""]},
                },
            }
        }
    },
    "paths": {
        "/api/v1/search": {
            "get": {
                "responses": {
                    "422": {},
                    "200": {
                        "content": {
                            "application/json": {
                                "schema": {"type": "array", "items": {"$ref": "#/components/schemas/HitView"}}
                            }
                        }
                    },
                }
            },
            "delete": {"responses": {"204": {"description": "done"}}},
        },
        "/api/v1/page": {"get": {"responses": {"200": {"content": {"image/jpeg": {}}}}}},
    },
}
DECLARED = """declare namespace Api {
  interface HitView { pages: Record<string, number>; box: [number, number] | null; verdict: "relevant" | ""; }
  interface Answers {
    "GET /search": (HitView)[];
    "DELETE /search": null;
    "GET /page": Blob;
  }
}
"""
FAULTS = """import { byId } from "./dom.js";
export function show(/** @type {Api.HitView} */ hit) {
  var unused = byId("cv-qurey");
  return [hit.pagge, byId("cv-query").valeu, byId("cv-query").value];
}
"""


def test_a_schema_is_declared_as_it_says():
    assert declare_api(SCHEMA, "/api/v1") == DECLARED


def test_elements_are_declared_by_their_ids():
    declared = declare_page(['<p id="cv-a">x<input id="cv-b"></p>', "<b></b>"], 'gr.Row(elem_id="cv-c")')
    expected = {"cv-a": "p", "cv-b": "input", "cv-c": "div"}
    lines = [f'  "{name}": HTMLElementTagNameMap["{tag}"];' for name, tag in expected.items()]
    assert declared == "\n".join(["interface PageElements {", *lines, "}", ""])


def test_every_version_is_pinned_and_what_is_fetched_is_told_by_its_checksum():
    assert LOCKED[""]["devDependencies"] == MANIFEST
    for name, version in MANIFEST.items():
        assert LOCKED[f"node_modules/{name}"]["version"] == version
    assert all(each["integrity"].startswith("sha512-") for path, each in LOCKED.items() if path)


def test_where_there_is_no_node_a_sentence_says_that_nothing_was_checked(tmp_path):
    command = [sys.executable, "-m", "tests.frontend"]
    ended = subprocess.run(
        command, cwd=frontend.ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("the scripts of the page were not checked: there is no node here")
    assert ended.stdout.count("\n") == 1


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")
def test_where_nothing_can_be_fetched_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    with pytest.raises(frontend.Unchecked, match=r"^npm could not fetch typescript and eslint: .*ECONNREFUSED"):
        frontend.fetch(tmp_path / "fetched")


def test_a_name_that_neither_the_api_nor_the_page_has_is_told_and_so_is_what_eslint_finds(tmp_path):
    if not (frontend.FETCHED / "fetched").exists():
        pytest.skip("tsc and eslint are not fetched: python -m tests.frontend does, where node is")
    frontend.declare(tmp_path)
    (tmp_path / "dom.js").write_text((frontend.STATIC / "dom.js").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "faulty.js").write_text(FAULTS, encoding="utf-8")
    project = {"extends": str(frontend.HERE / "tsconfig.json"), "include": ["*.js", "*.d.ts"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(project), encoding="utf-8")
    types, rules = (
        subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        for command in frontend.commands(frontend.FETCHED / "node_modules", tmp_path, tmp_path / "tsconfig.json")
    )
    assert types.returncode and rules.returncode
    for name in ("cv-qurey", "pagge", "valeu"):
        assert name in types.stdout
    assert types.stdout.count("error") == 3
    assert "no-var" in rules.stdout and "no-unused-vars" in rules.stdout
