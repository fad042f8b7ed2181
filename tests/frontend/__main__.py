"""The page's scripts are checked: their types by tsc, the rest by eslint. What both take comes by npm, into `.build`.

    python -m tests.frontend

Where there is no node, or npm can fetch nothing, nothing is checked, and a sentence says so.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.frontend.declarations import declare_api, declare_page

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
STATIC = ROOT / "app" / "static"
FETCHED = ROOT / ".build" / "frontend"
_MANIFEST = ("package.json", "package-lock.json")
_OLDEST = (20, 19)  # of node, for eslint
_FETCH_SECONDS = 300  # the first time only: 82 packages, 47 MB on the disk


class Unchecked(Exception):
    """Why nothing can be checked here, in a sentence."""


def fetch(folder):
    """The packages of the manifest in a folder, fetched where they are not there. Raises `Unchecked`."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise Unchecked("there is no node here, or no npm: install both (on Debian: apt-get install nodejs npm)")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < _OLDEST:
        raise Unchecked(f"node {version} is here, and at least v{_OLDEST[0]}.{_OLDEST[1]} is needed")
    wanted = (HERE / "package-lock.json").read_bytes()
    done = folder / "fetched"  # the manifest whose packages are complete
    if not done.exists() or done.read_bytes() != wanted:
        done.unlink(missing_ok=True)
        _fetch(npm, folder)
        done.write_bytes(wanted)
    return folder / "node_modules"


def _fetch(npm, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name in _MANIFEST:
        shutil.copy(HERE / name, folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    command += ["--fetch-retries=1", "--fetch-retry-mintimeout=1000"]  # without a network it is to end soon
    try:
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise Unchecked(f"npm has fetched its packages in no {_FETCH_SECONDS} seconds") from error
    if ended.returncode != 0:
        raise Unchecked(f"npm could not fetch typescript and eslint: {ended.stderr.strip()}")


def declare(folder):
    """Writes into `folder` what the scripts may know of the API and of the page."""
    from colvision.app.api import create_api  # takes a second, which is not spent where nothing is checked
    from colvision.app.services.library import LibraryService
    from colvision.app.settings import Settings

    from colvision.library import open_library
    from colvision.testing import ToyEncoder

    with TemporaryDirectory() as empty, open_library(Path(empty) / "library", encoder=ToyEncoder()) as library:
        schema = create_api(LibraryService(library, Settings(library.path))).openapi()
    (folder / "api.d.ts").write_text(declare_api(schema, "/api/v1"), encoding="utf-8")
    parts, code = (_texts(STATIC.parent, pattern) for pattern in ("static/*.html", "*.py"))
    (folder / "page.d.ts").write_text(declare_page(parts, "".join(code)), encoding="utf-8")


def _texts(folder, pattern):
    return [path.read_text(encoding="utf-8") for path in sorted(folder.glob(pattern))]


def commands(modules, scripts=STATIC, project=HERE / "tsconfig.json"):
    """The two checks, of what is in a folder."""
    return (
        ["node", str(modules / "typescript" / "bin" / "tsc"), "--project", str(project), "--pretty", "false"],
        [
            "node",
            str(modules / "eslint" / "bin" / "eslint.js"),
            "--config",
            str(HERE / "eslint.config.js"),
            str(scripts),
        ],
    )


def main():
    """The exit status: 0 where all is well, or nothing could be checked."""
    try:
        modules = fetch(FETCHED)
    except Unchecked as error:
        sys.stdout.write(f"the scripts of the page were not checked: {error}\n")
        return 0
    declare(FETCHED)
    running = [subprocess.Popen(command, cwd=ROOT) for command in commands(modules)]
    return max(process.wait() for process in running)


if __name__ == "__main__":
    sys.exit(main())
