"""The command that makes a cluster; others take its folder in the place of a library's."""

from pathlib import Path
from typing import Annotated

import typer

from colvision.cli.console import echo
from colvision.encoders.spec import EncoderSpec

commands = typer.Typer()


@commands.command("create-cluster")
def create_cluster(
    folder: Annotated[Path, typer.Argument(help="An empty or a new folder, for cluster.json.", show_default=False)],
    partitions: Annotated[int, typer.Option(min=1, help="Into how many parts documents are divided, for good.")],
    replicas: Annotated[int, typer.Option(min=1, help="How many processes serve each partition.")] = 2,
    mirror: Annotated[
        str | None,
        typer.Option(metavar="URL", help="An object store that holds the partitions.", show_default="the folder does"),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="That of Ray.", show_default="RAY_ADDRESS, or a Ray on this machine"),
    ] = None,
) -> None:
    """Make a cluster: a library in partitions, in the processes of Ray; other commands take its folder."""
    from colvision.cluster import open_cluster

    spec = EncoderSpec()
    with open_cluster(
        folder, address=address, partitions=partitions, replicas=replicas, mirror=mirror, encoder=spec
    ) as made:
        echo(f"{made!r} is ready: colvision --library {folder} ingest ...")
