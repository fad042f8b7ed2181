"""`colvision app`: serve a library on this machine."""

import errno
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from colvision.cli.options import (
    DeviceMemoryOption,
    EncoderOption,
    LibraryOption,
    SearchDeviceOption,
    open_searchable,
)
from colvision.encoders.spec import EncoderSpec
from colvision.environment import ANSWERS_KEY_VARIABLE, ENCODER_VARIABLE, TOKEN_VARIABLE
from colvision.errors import ColvisionError, MissingExtra
from colvision.signals import exit_when_terminated

from .settings import Settings, encoder_from_environment, ocr_from_environment, sample_files

if TYPE_CHECKING:
    from .security import App
    from .services.library import LibraryService

commands = typer.Typer()
_TRIES = 20  # ports
_PATIENCE_SECONDS = 10.0
_PACKAGES = ("fastapi", "gradio", "uvicorn")  # of the extra


@commands.command("app")
def command(
    library: LibraryOption,
    port: Annotated[int, typer.Option(help="The next free port from here on is taken.")] = 7860,
    host: Annotated[str, typer.Option(help="An address beyond this machine needs COLVISION_TOKEN.")] = "127.0.0.1",
    encoder: EncoderOption = None,
    public_url: Annotated[
        str, typer.Option(help="The address that browsers open, where a proxy stands before the app.")
    ] = "",
    root_path: Annotated[
        str,
        typer.Option(
            metavar="PATH", show_default=False, help="The path that a proxy serves the app below, such as /colvision."
        ),
    ] = "",
    forwarded_allow_ips: Annotated[
        str,
        typer.Option(
            metavar="ADDRESSES",
            show_default="none",
            help="The proxies whose X-Forwarded headers are believed, such as 127.0.0.1; needs COLVISION_TOKEN.",
        ),
    ] = "",
    rerank: Annotated[
        str,
        typer.Option(
            metavar="NAME", show_default="none", help="A reranker that searches may use: a folder or a hub id."
        ),
    ] = "",
    search_device: SearchDeviceOption = None,
    device_memory: DeviceMemoryOption = None,
    answers: Annotated[
        str,
        typer.Option(
            metavar="URL",
            show_default="none: nothing is sent anywhere",
            help="An OpenAI-compatible endpoint that writes answers from pictures of pages, such as "
            "http://127.0.0.1:11434/v1; its key is in COLVISION_ANSWERS_KEY.",
        ),
    ] = "",
    model: Annotated[str, typer.Option(metavar="NAME", show_default=False, help="With --answers: which model.")] = "",
    sample: Annotated[bool, typer.Option("--sample", help="Load the sample manual on the first start.")] = False,
) -> None:
    """Search a library in the browser."""
    with starting(encoder):
        token = os.environ.pop(TOKEN_VARIABLE, "")  # no process that reads files needs to know it
        key = os.environ.pop(ANSWERS_KEY_VARIABLE, "")
        settings = Settings(
            library,
            host,
            port,
            token,
            public_url,
            rerank,
            search_device,
            device_memory,
            root_path=root_path,
            forwarded_allow_ips=forwarded_allow_ips,
            answers=answers,
            answers_model=model,
            answers_key=key,
        )
        serve(settings, sample=sample)


@contextmanager
def starting(encoder: str | None) -> Iterator[None]:
    """What keeps a server from starting is told in a sentence; a signal ends the process once the library is closed.

    `encoder` is the one for its worker, too.
    """
    if encoder:
        os.environ[ENCODER_VARIABLE] = encoder
    try:
        with exit_when_terminated():
            yield
    except (ColvisionError, ValueError) as error:
        sys.stderr.write(f"colvision: {error}\n")
        raise typer.Exit(2) from error


def serve(settings: Settings, *, sample: bool = False) -> None:
    """Serves until it is stopped. Raises `ColvisionError` for a library that cannot be opened, `MissingExtra`, and
    `EncoderError` for a reranker that cannot be loaded.
    """
    _check_packages()
    from colvision.encoders import load_reranker

    from .services.library import LibraryService

    reranker = load_reranker(settings.reranker) if settings.reranker else None
    with (
        open_searchable(
            settings.library,
            encoder=EncoderSpec(encoder_from_environment()),
            create=True,
            search_device=settings.search_device,
            device_memory=settings.device_memory,
            ocr=ocr_from_environment(),
        ) as library,
        listen(settings.host, settings.port) as listening,
    ):
        serve_library(LibraryService(library, settings, reranker), listening, sample=sample)


def _check_packages() -> None:
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise MissingExtra(f"the app needs {', '.join(missing)}, not installed here: pip install 'colvision[app]'")


def serve_library(service: "LibraryService", listening: socket.socket, *, sample: bool = False) -> None:
    """Serves an open library on an open socket: its page, its API, and a worker for its queue."""
    from .api import create_api
    from .page import mount_page

    settings = service.settings
    if sample:
        _queue_sample(service)
    page = mount_page(create_api(service), service)
    with warming(service.warm), reading(service):
        _announce(settings, listening.getsockname()[1])
        run_guarded(page, settings, listening, on_stop=page.state.changes.stop)


def run_guarded(
    app: "App", settings: Settings, listening: socket.socket, *, on_stop: Callable[[], None] = lambda: None
) -> None:
    """Serves an ASGI application on an open socket to those who may talk to it, until it is stopped.

    `on_stop` is called before requests that are not answered yet are waited for.
    """
    import uvicorn

    from .connections import ImpatientApp, connection_class
    from .security import Guard

    guard = Guard(
        ImpatientApp(app),
        token=settings.token,
        public_url=settings.public_url,
        root_path=settings.root_path,
        forwarded_allow_ips=settings.forwarded_allow_ips,
    )
    config = uvicorn.Config(
        guard,
        proxy_headers=False,  # the guard knows whom to believe
        http=connection_class(settings.quota.connections),
        ws="none",
        log_level="warning",
        lifespan="on",
        timeout_graceful_shutdown=2,
    )

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            on_stop()
            await super().shutdown(sockets)

    Server(config).run(sockets=[listening])


@contextmanager
def warming(warm: Callable[[], object]) -> Iterator[None]:
    """Warms up beside the block. A process that ends while a thread computes may be aborted by that."""
    thread = threading.Thread(target=warm, name="colvision-warm", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(_PATIENCE_SECONDS)


def reading(service: "LibraryService") -> AbstractContextManager[object]:
    """A worker, kept running; none where the library cannot be written, and so nothing can be read.

    The files of a cluster are read by its replicas, so a thread of this process will do.
    """
    from colvision.cluster.layout import is_cluster

    from .supervisor import Supervisor
    from .worker import ReadingThread

    if service.library.read_only:
        return nullcontext()
    if is_cluster(service.library.path):
        return ReadingThread(service.library)
    command = [*service.settings.worker, str(service.library.path), str(os.getpid())]
    return Supervisor(service.library.jobs, command, on_trouble=partial(setattr, service, "worker_trouble"))


def _queue_sample(service: "LibraryService") -> None:
    if not sample_files():
        sys.stderr.write("colvision: the sample manual is not installed here; the library starts as it is\n")
    try:
        service.uploads.load_sample_once()
    except (ColvisionError, OSError) as error:
        sys.stderr.write(f"colvision: the sample manual was not loaded: {error}\n")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket at the first free port from `port` on. Raises `ValueError` when there is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    candidates = range(port, min(port + _TRIES, 65536))
    for candidate in candidates:
        # Of a socket that does not name its protocol asyncio does not know that it is TCP, and leaves Nagle's delay on:
        # the body of an answer then waits 40 ms for the browser to acknowledge its head.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, candidate))
            listening.listen(128)
        except OSError as error:
            listening.close()
            if error.errno != errno.EADDRINUSE:
                raise ValueError(f"cannot serve at {host}:{candidate}: {error.strerror}") from error
        else:
            return listening
    raise ValueError(f"ports {port} to {candidates[-1]} are all taken: choose another one with --port")


def _announce(settings: Settings, port: int) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    token = "/?token=<your token>" if settings.token else "/" if settings.public_url else ""
    address = settings.public_url.rstrip("/") or f"http://{host}:{port}{settings.root_path.rstrip('/')}"
    behind = f"; behind it port {port}" if settings.public_url else ""
    sys.stdout.write(f"colvision: {address}{token}  (library {settings.library}{behind}; Ctrl+C stops)\n")
    sys.stdout.flush()
