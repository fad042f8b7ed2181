"""What the application serves: a library, or a cluster in its place, whose methods are called the same."""

from typing import TYPE_CHECKING, TypeAlias, Union

from colvision.library import Library

if TYPE_CHECKING:
    from colvision.cluster import Cluster

OpenLibrary: TypeAlias = Union[Library, "Cluster"]
