"""A compiled path of matrix elements, for CPUs: the code of :mod:`hepreco.amplitudes`, run on symbols, as machine code.

*Recording.* The functions that compute wave functions, vertices and propagators are run on tensors of symbols, which
records the scalar operations that they do. Physics is thus written once, and is differentiated, run on a GPU and
compiled from the same lines.

*Kernels.* Each current, dual and amplitude becomes one kernel, for one choice of the states of its legs and one filling
of its slots. A table says where the kernel finds its inputs for every choice and filling; events are the lanes of
vectors, and what is computed for one does not depend on the others.

*Programs.* The kernels of a process are translated by LLVM for the instruction set of the machine and kept in files.
Masses, widths and couplings are inputs.
"""

from hepreco.amplitudes.compiled.currents import Polarised
from hepreco.amplitudes.compiled.runs import Runs, is_covered, prepare_runs

__all__ = ["Polarised", "Runs", "is_covered", "prepare_runs"]
