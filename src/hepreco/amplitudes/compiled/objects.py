"""Machine code for this CPU."""

import ctypes
from collections.abc import Callable

import llvmlite
import llvmlite.binding as llvm


def target() -> llvm.TargetMachine:
    """LLVM's description of this machine; a library owns its own."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2, jit=True
    )


def describe() -> str:
    """What machine code depends on: the CPU, and the version of LLVM."""
    machine = target()
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    return " ".join((llvmlite.__version__, machine.triple, cpu, features))


def lanes() -> int:
    """How many float64 a vector of this machine holds."""
    features = llvm.get_host_cpu_features()
    return 8 if features.get("avx512f") else 4 if features.get("avx") else 2


def translate(text: str) -> bytes:
    """An object file from a module in LLVM's language."""
    module = llvm.parse_assembly(text)
    return target().emit_object(module)


class Library:
    """The functions of an object file."""

    def __init__(self, content: bytes) -> None:
        machine = target()
        empty = llvm.parse_assembly("")
        empty.triple = machine.triple
        self._engine = llvm.create_mcjit_compiler(empty, machine)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(content))
        self._engine.finalize_object()

    def function(self, name: str, *types: type) -> Callable[..., None]:
        """A function without result."""
        return ctypes.CFUNCTYPE(None, *types)(self._engine.get_function_address(name))
