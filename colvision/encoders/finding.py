"""The result of one check of an encoder."""

from typing import NamedTuple


class Finding(NamedTuple):
    """`passed` is None for what is only reported, or could not be checked."""

    name: str
    passed: bool | None
    message: str

    def __str__(self) -> str:
        mark = {True: "ok  ", False: "FAIL", None: "    "}[self.passed]
        return f"{mark}  {self.name}: {self.message}"
