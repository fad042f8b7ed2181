"""All of it at length: `-m tests.faults [--kills 1000] [--seconds 300] [--damages 5000] [--every 1] [--only NAME]`."""

import argparse
import sys
import time

from tests.faults import shim
from tests.faults.run import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="of a writer at random moments, beside two readers")
    parser.add_argument("--seconds", type=int, default=300, help="for four readers beside a writer")
    parser.add_argument("--damages", type=int, default=5000, help="files damaged, one at a time")
    parser.add_argument("--every", type=int, default=1, help="so-manieth file operation is cut, or fails")
    parser.add_argument("--only", choices=["kills", "power_cuts", "failures", "damage", "crowd"])
    options = parser.parse_args()
    plans = {
        "kills": ((options.kills, 2), False),
        "power_cuts": ((options.every,), True),
        "failures": ((options.every,), True),
        "damage": ((options.damages,), False),
        "crowd": ((options.seconds, 4), False),
    }
    faults = 0
    for name, (arguments, preload) in plans.items():
        if options.only not in (None, name):
            continue
        if preload and shim.missing():
            sys.stdout.write(f"{name}: left out, {shim.missing()}\n")
            continue
        started = time.monotonic()
        try:
            output = run(name, *arguments, preload=preload)
        except RuntimeError as error:
            output = f"1 faults: {error}"
        faults += " 0 faults" not in output
        sys.stdout.write(f"{name} ({time.monotonic() - started:.0f} s): {output.rstrip()}\n")
        sys.stdout.flush()
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
