"""`colvision mcp`: a library for agents, over the Model Context Protocol."""

import os
import socket
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from colvision.cli.options import EncoderOption, LibraryOption
from colvision.environment import TOKEN_VARIABLE
from colvision.errors import MissingExtra

from .server import listen, reading, run_guarded, starting, warming
from .settings import Settings, encoder_from_environment

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

    from colvision.library import Library

commands = typer.Typer()
_PATH = "/mcp"
_BODY_BYTES = 256 * 2**10  # of a call: a query and a few names


@commands.command("mcp")
def command(
    library: LibraryOption,
    http: Annotated[
        bool, typer.Option("--http", help="Serve streamable HTTP at /mcp, in the place of standard input and output.")
    ] = False,
    port: Annotated[int, typer.Option(help="With --http; the next free port from here on is taken.")] = 7880,
    host: Annotated[
        str, typer.Option(help="With --http; an address beyond this machine needs COLVISION_TOKEN.")
    ] = "127.0.0.1",
    public_url: Annotated[
        str, typer.Option(help="With --http: the address that clients use, where a proxy stands before the server.")
    ] = "",
    write: Annotated[bool, typer.Option("--write", help="Let agents add and delete documents.")] = False,
    files: Annotated[
        Path | None,
        typer.Option(
            show_default="any, over standard input; needed with --http",
            help="With --write: the folder of files to add.",
        ),
    ] = None,
    encoder: EncoderOption = None,
) -> None:
    """Serve a library to agents (Model Context Protocol), for reading unless --write is given."""
    with starting(encoder):
        token = os.environ.pop(TOKEN_VARIABLE, "") if http else ""
        settings = Settings(library, host, port, token, public_url)
        _check_files(files, is_needed=write and http)
        serve(settings, http=http, write=write, files=files)


def _check_files(files: Path | None, *, is_needed: bool) -> None:
    if is_needed and files is None:
        raise ValueError("--write over HTTP takes files from one folder alone: name it with --files FOLDER")
    if files is not None and not files.is_dir():
        raise ValueError(f"--files {files} is no folder: make it, or name another one")


def serve(settings: Settings, *, http: bool, write: bool, files: Path | None) -> None:
    """Serves until its client goes, or it is stopped. Raises `ColvisionError` for a library that cannot be opened, and
    `MissingExtra`.
    """
    if find_spec("mcp") is None:
        raise MissingExtra("agents are served by the package mcp, not installed here: pip install 'colvision[mcp]'")
    from colvision.library import open_library

    encoder = encoder_from_environment()
    with open_library(settings.library, encoder=encoder, create=write, read_only=not write) as library:
        serve_library(library, settings, http=http, write=write, files=files)


def serve_library(library: "Library", settings: Settings, *, http: bool, write: bool, files: Path | None) -> None:
    """Serves an open library to agents; where they may write, a worker reads what they add."""
    from .mcp_tools import create_server
    from .services.agents import AgentService, WritingAgentService
    from .services.library import LibraryService, warm_up

    with ExitStack() as running:
        listening = running.enter_context(listen(settings.host, settings.port)) if http else None
        writing = None
        if write:
            service = LibraryService(library, settings)
            running.enter_context(reading(service))
            writing = WritingAgentService(service, files)
        running.enter_context(warming(lambda: warm_up(library)))
        server = create_server(AgentService(library, settings.quota), writing, settings.quota)
        if listening is None:
            server.run("stdio")
        else:
            _serve_http(server, settings, listening)


def _serve_http(server: "MCPServer[Any]", settings: Settings, listening: socket.socket) -> None:
    """A request, an answer: nothing is kept between them, so that a proxy may stand before it."""
    from mcp.server.transport_security import TransportSecuritySettings

    app = server.streamable_http_app(
        streamable_http_path=_PATH,
        json_response=True,
        stateless_http=True,
        max_request_body_size=_BODY_BYTES,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),  # the guard does that
    )
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = settings.public_url.rstrip("/") or f"http://{host}:{listening.getsockname()[1]}"
    sys.stdout.write(f"colvision: {address}{_PATH}  (library {settings.library}; Ctrl+C stops)\n")
    sys.stdout.flush()
    run_guarded(app, settings, listening)
