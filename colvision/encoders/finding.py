"""One thing that was looked at in an encoder, and what was found."""

from typing import NamedTuple


class Finding(NamedTuple):
    """`passed` is None for what is only told, or could not be looked at."""

    name: str
    passed: bool | None
    said: str

    def __str__(self) -> str:
        mark = {True: "ok  ", False: "FAIL", None: "    "}[self.passed]
        return f"{mark}  {self.name}: {self.said}"
