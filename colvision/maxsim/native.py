"""Loops that numpy cannot write, as LLVM's intermediate representation: compiled for this processor in milliseconds.

They are called through ctypes, which lets go of the interpreter lock. Addresses are `array.ctypes.data`.
"""

import ctypes
import os
from collections.abc import Callable
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
    text: str, name: str, arguments: tuple[type, ...], *, processor: str = "", features: str = ""
) -> Callable[..., None]:
    """The function `name` of a module in LLVM's intermediate representation.

    `features` are added to those of `processor`, a generic one where it is "": "+avx2". Raises `RuntimeError` for a
    text that LLVM refuses.
    """
    machine = _machine(processor, features)
    module = binding.parse_assembly(text)
    module.verify()
    builder = binding.create_pass_builder(machine, binding.PipelineTuningOptions(speed_level=2))
    builder.getModulePassManager().run(module, builder)
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    function: Callable[..., None] = ctypes.CFUNCTYPE(None, *arguments)(engine.get_function_address(name))
    _engines.append(engine)  # the code is its own
    return function


def assembly_of(text: str, *, processor: str, features: str = "", triple: str = "") -> str:
    """What a processor, perhaps of another kind, would be given: for looking at, and for tests."""
    machine = _machine(processor, features, triple)
    module = binding.parse_assembly(text)
    module.verify()
    builder = binding.create_pass_builder(machine, binding.PipelineTuningOptions(speed_level=2))
    builder.getModulePassManager().run(module, builder)
    return str(machine.emit_assembly(module))


def _machine(processor: str, features: str, triple: str = "") -> binding.TargetMachine:
    if triple:
        binding.initialize_all_targets()
        binding.initialize_all_asmprinters()
    else:
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
    target = binding.Target.from_triple(triple or binding.get_process_triple())
    return target.create_target_machine(cpu=processor, features=features, opt=3)


_engines: list[binding.ExecutionEngine] = []
