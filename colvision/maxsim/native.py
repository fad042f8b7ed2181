"""Loops that numpy cannot write, as LLVM's intermediate representation: compiled for this processor in milliseconds.

They are called through ctypes, which lets go of the interpreter lock. Addresses are `array.ctypes.data`.
"""

import ctypes
import os
from collections.abc import Callable, Iterable
from functools import cache

from llvmlite import binding

from colvision.environment import INSTRUCTIONS_VARIABLE

Address, Count = ctypes.c_void_p, ctypes.c_int64


# What `COLVISION_INSTRUCTIONS` allows of what a processor has; each level with what the one before it allows.
_LEVELS = {
    "none": (),
    "neon": ("neon", "dotprod"),
    "avx2": ("avx2",),
    "avx-vnni": ("avxvnni",),
    "avx512": ("avx512",),
    "amx": ("amx",),
}


@cache
def processor_features() -> frozenset[str]:
    """What this processor has and the system lets a process use, under LLVM's names ("avx2", "avx512vnni").

    `COLVISION_INSTRUCTIONS` may allow less of it. Raises `ValueError` for a level that it does not know.
    """
    names = [name for name, is_there in binding.get_host_cpu_features().items() if is_there]
    level = os.environ.get(INSTRUCTIONS_VARIABLE)
    if not level:
        return frozenset(names)
    if level not in _LEVELS:
        raise ValueError(f"{INSTRUCTIONS_VARIABLE} is {level!r}; expected one of {', '.join(_LEVELS)}")
    known = list(_LEVELS)
    allowed = tuple(start for each in known[: known.index(level) + 1] for start in _LEVELS[each])
    return frozenset(name for name in names if name.startswith(allowed))


def processor_name() -> str:
    """LLVM's name of this processor's kind, such as "znver3"."""
    return str(binding.get_host_cpu_name())


def compile_loop(
    text: str, name: str, arguments: tuple[type, ...], *, features: Iterable[str] = ()
) -> Callable[..., None]:
    """The function `name` of a module in LLVM's representation, for a processor that has these features.

    Nothing is tuned for one kind: where LLVM knows that a processor (icelake-server) is slower with 512 bits, it can
    spend for ever on a loop that needs them. Raises `RuntimeError` for a text that LLVM refuses.
    """
    machine, module = _optimised(text, features)
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    function: Callable[..., None] = ctypes.CFUNCTYPE(None, *arguments)(engine.get_function_address(name))
    _engines.append(engine)  # the code is its own
    return function


def assembly_of(text: str, *, features: Iterable[str], triple: str) -> str:
    """What `compile_loop` would make for a processor of another kind: to be looked at."""
    machine, module = _optimised(text, features, triple)
    return str(machine.emit_assembly(module))


def _optimised(text: str, features: Iterable[str], triple: str = "") -> tuple[binding.TargetMachine, binding.ModuleRef]:
    if triple:
        binding.initialize_all_targets()
        binding.initialize_all_asmprinters()
    else:
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
    target = binding.Target.from_triple(triple or binding.get_process_triple())
    machine = target.create_target_machine(features=",".join(f"+{name}" for name in features), opt=3)
    module = binding.parse_assembly(text)
    module.verify()
    builder = binding.create_pass_builder(machine, binding.PipelineTuningOptions(speed_level=2))
    builder.getModulePassManager().run(module, builder)
    return machine, module


_engines: list[binding.ExecutionEngine] = []
