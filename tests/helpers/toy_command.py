"""The `colvision` command with the toy encoder, in a process of its own: `-m tests.helpers.toy_command ARGUMENTS`."""

from colvision.cli import main
from colvision.encoders import spec
from tests.helpers.toy_worker import SlowEncoder

if __name__ == "__main__":
    spec.load = lambda *given, **options: SlowEncoder()
    main()
