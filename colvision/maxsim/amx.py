"""int8 MaxSim on the tiles of AMX (Intel, from Sapphire Rapids on): products and maxima in one pass, nothing kept.

It takes about as long as reading the codes does (docs/benchmarks.md). Tiles 0 to 3 are sums, (rows 0-15, rows 16-31) by
(tokens 0-15, tokens 16-31); 4 and 5 are rows, 6 and 7 tokens. See Intel's Architecture Instruction Set Extensions
Programming Reference, chapter 3.
"""

import ctypes
import logging
import platform
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colvision.maxsim.int8_lanes import INT8_LANES, Int32s
from colvision.maxsim.loops import Places
from colvision.maxsim.native import Address, Count, compile_loop, processor_features
from colvision.maxsim.quantisation import Codes
from colvision.parallel import once

ROWS, BYTES = 16, 64  # of a tile
TILE = ROWS * BYTES
BLOCK_ROWS = 2 * ROWS  # page vectors, and query tokens, of one block of sums
PRODUCTS = ((4, 6), (4, 7), (5, 6), (5, 7))  # rows and tokens whose products tile 0, 1, 2, 3 sums
# All processors with AMX have the other, which compares the sums.
FEATURES = ("amx-tile", "amx-int8", "avx512f")
_ARGUMENTS = (*[Address] * 2, Count, *[Address] * 2, Count, Address, Count, *[Address] * 2)

_log = logging.getLogger("colvision.maxsim")


def _instructions() -> str:
    """What the loop calls. A tile's number is part of an instruction, and so of a function's name."""
    zero = [f"define internal void @zero{t}() {{ call void @llvm.x86.tilezero(i8 {t}) ret void }}" for t in range(4)]
    load = [_instruction("load", "tileloadd64", t) for t in range(4, 8)]
    store = [_instruction("store", "tilestored64", t) for t in range(4)]
    multiply = [
        f"define internal void @multiply{t}() {{ call void @llvm.x86.tdpbssd(i8 {t}, i8 {a}, i8 {b}) ret void }}"
        for t, (a, b) in enumerate(PRODUCTS)
    ]
    return f"""
declare void @llvm.x86.ldtilecfg(ptr)
declare void @llvm.x86.tilerelease()
declare void @llvm.x86.tilezero(i8)
declare void @llvm.x86.tileloadd64(i8, ptr, i64)
declare void @llvm.x86.tilestored64(i8, ptr, i64)
declare void @llvm.x86.tdpbssd(i8, i8, i8)
define internal void @configure(ptr %config) {{ call void @llvm.x86.ldtilecfg(ptr %config) ret void }}
define internal void @release() {{ call void @llvm.x86.tilerelease() ret void }}
{_join([*zero, *load, *store, *multiply], "")}
"""


def _instruction(name: str, intrinsic: str, tile: int) -> str:
    return f"""define internal void @{name}{tile}(ptr %at, i64 %stride) {{
  call void @llvm.x86.{intrinsic}(i8 {tile}, ptr %at, i64 %stride)
  ret void
}}"""


def loop_text(instructions: str = "") -> str:
    """The loop over pages, groups of tokens, blocks of 32 rows, 64 dimensions, in LLVM's representation.

    `instructions` defines what it calls, those of AMX when empty: configure, release, zero0-3, load4-7, multiply0-3 and
    store0-3. The last block of a page begins early enough to be full: what is compared twice changes no maximum. A page
    of fewer rows than a block repeats its last in `short`. The first group of tokens fetches the next block's rows
    meanwhile: without that a page takes an eighth longer.
    """
    lines = [_fetch(offset) for offset in range(0, BLOCK_ROWS * BYTES, BYTES)]
    return f"""{instructions or _instructions()}
declare <16 x i32> @llvm.smax.v16i32(<16 x i32>, <16 x i32>)
declare i64 @llvm.smin.i64(i64, i64)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)

define void @loop(ptr %config, ptr %rows, i64 %dim, ptr %firsts, ptr %lasts, i64 %pages, ptr %tokens, i64 %groups,
    ptr %short, ptr %maxima) "prefer-vector-width"="512" {{
  %products = alloca [{BLOCK_ROWS * BLOCK_ROWS} x i32], align 64
  %half = mul i64 %dim, {ROWS}
  %whole = mul i64 %dim, {BLOCK_ROWS}
  call void @configure(ptr %config)
  br label %page_loop
page_loop:
  %page = phi i64 [0, %0], [%next_page, %page_end]
  %first_at = getelementptr i64, ptr %firsts, i64 %page
  %first = load i64, ptr %first_at
  %last_at = getelementptr i64, ptr %lasts, i64 %page
  %last = load i64, ptr %last_at
  %count = sub i64 %last, %first
  %end = sub i64 %count, 1
  %page_from = mul i64 %first, %dim
  %page_at = getelementptr i8, ptr %rows, i64 %page_from
  %is_short = icmp slt i64 %count, {BLOCK_ROWS}
  br i1 %is_short, label %copy_loop, label %page_ready
copy_loop:
  %copy = phi i64 [0, %page_loop], [%next_copy, %copy_loop]
  %copied = call i64 @llvm.smin.i64(i64 %copy, i64 %end)
  %copied_from = mul i64 %copied, %dim
  %copied_at = getelementptr i8, ptr %page_at, i64 %copied_from
  %copy_from = mul i64 %copy, %dim
  %copy_at = getelementptr i8, ptr %short, i64 %copy_from
  call void @llvm.memcpy.p0.p0.i64(ptr %copy_at, ptr %copied_at, i64 %dim, i1 false)
  %next_copy = add i64 %copy, 1
  %has_copies = icmp slt i64 %next_copy, {BLOCK_ROWS}
  br i1 %has_copies, label %copy_loop, label %page_ready
page_ready:
  %begin = phi ptr [%page_at, %page_loop], [%short, %copy_loop]
  %size = phi i64 [%count, %page_loop], [{BLOCK_ROWS}, %copy_loop]
  %last_block = sub i64 %size, {BLOCK_ROWS}
  br label %group_loop
group_loop:
  %group = phi i64 [0, %page_ready], [%next_group, %group_end]
  %group_from = mul i64 %group, %whole
  %group_at = getelementptr i8, ptr %tokens, i64 %group_from
  %is_first = icmp eq i64 %group, 0
  br label %row_loop
row_loop:
  %row = phi i64 [0, %group_loop], [%next_row, %row_end]
  %best0 = phi <16 x i32> [splat (i32 {-(2**31)}), %group_loop], [%better0, %row_end]
  %best1 = phi <16 x i32> [splat (i32 {-(2**31)}), %group_loop], [%better1, %row_end]
  %block = call i64 @llvm.smin.i64(i64 %row, i64 %last_block)
  %block_from = mul i64 %block, %dim
  %block_at = getelementptr i8, ptr %begin, i64 %block_from
  %second_at = getelementptr i8, ptr %block_at, i64 %half
  %after_at = getelementptr i8, ptr %block_at, i64 %whole
  {_join(f"call void @zero{tile}()" for tile in range(4))}
  br label %depth_loop
depth_loop:
  %depth = phi i64 [0, %row_loop], [%next_depth, %multiply]
  %packed_from = mul i64 %depth, {BLOCK_ROWS}
  br i1 %is_first, label %fetch, label %multiply
fetch:
  %fetched_at = getelementptr i8, ptr %after_at, i64 %packed_from
  {_join(lines)}
  br label %multiply
multiply:
  %tokens_at = getelementptr i8, ptr %group_at, i64 %packed_from
  %more_tokens_at = getelementptr i8, ptr %tokens_at, i64 {TILE}
  %rows_at = getelementptr i8, ptr %block_at, i64 %depth
  %more_rows_at = getelementptr i8, ptr %second_at, i64 %depth
  call void @load6(ptr %tokens_at, i64 {BYTES})
  call void @load4(ptr %rows_at, i64 %dim)
  call void @load7(ptr %more_tokens_at, i64 {BYTES})
  call void @load5(ptr %more_rows_at, i64 %dim)
  {_join(f"call void @multiply{tile}()" for tile in range(4))}
  %next_depth = add i64 %depth, {BYTES}
  %has_depth = icmp slt i64 %next_depth, %dim
  br i1 %has_depth, label %depth_loop, label %row_end
row_end:
  {_join(_store(tile) for tile in range(4))}
  {_join(_keep_better(half) for half in range(2))}
  %next_row = add i64 %row, {BLOCK_ROWS}
  %has_rows = icmp slt i64 %next_row, %size
  br i1 %has_rows, label %row_loop, label %group_end
group_end:
  %place = mul i64 %page, %groups
  %column = add i64 %place, %group
  %maxima_at = getelementptr [2 x <16 x i32>], ptr %maxima, i64 %column
  store <16 x i32> %better0, ptr %maxima_at, align 1
  %more_maxima_at = getelementptr <16 x i32>, ptr %maxima_at, i64 1
  store <16 x i32> %better1, ptr %more_maxima_at, align 1
  %next_group = add i64 %group, 1
  %has_groups = icmp slt i64 %next_group, %groups
  br i1 %has_groups, label %group_loop, label %page_end
page_end:
  %next_page = add i64 %page, 1
  %has_pages = icmp slt i64 %next_page, %pages
  br i1 %has_pages, label %page_loop, label %done
done:
  call void @release()
  ret void
}}
"""


def _join(lines: Iterable[str], indent: str = "  ") -> str:
    return f"\n{indent}".join(lines)


def _fetch(offset: int) -> str:
    """A line of 64 bytes towards the cache; beyond the end of the codes it does nothing."""
    return f"""%line{offset} = getelementptr i8, ptr %fetched_at, i64 {offset}
  call void @llvm.prefetch.p0(ptr %line{offset}, i32 0, i32 3, i32 1)"""


def _store(tile: int) -> str:
    """A quarter of the products, (32, 32) int32."""
    quarter = (tile // 2 * ROWS * BLOCK_ROWS) + (tile % 2 * ROWS)
    return f"""%quarter{tile} = getelementptr i32, ptr %products, i64 {quarter}
  call void @store{tile}(ptr %quarter{tile}, i64 {BLOCK_ROWS * 4})"""


def _keep_better(half: int) -> str:
    """The best of 16 tokens' products, tokens as lanes; rows by twos, so that few wait for each other."""
    pick = "call <16 x i32> @llvm.smax.v16i32"

    def best_of(first: int, count: int) -> tuple[str, list[str]]:
        name = f"%row{half}_{first}_{count}"
        if count == 1:
            at = f"{name}_at = getelementptr i32, ptr %products, i64 {first * BLOCK_ROWS + half * ROWS}"
            return name, [at, f"{name} = load <16 x i32>, ptr {name}_at, align 64"]
        (one, before), (other, after) = best_of(first, count // 2), best_of(first + count // 2, count // 2)
        return name, [*before, *after, f"{name} = {pick}(<16 x i32> {one}, <16 x i32> {other})"]

    name, lines = best_of(0, BLOCK_ROWS)
    return _join([*lines, f"%better{half} = {pick}(<16 x i32> %best{half}, <16 x i32> {name})"])


def tile_config() -> NDArray[np.uint8]:
    """What `ldtilecfg` reads: palette 1, eight tiles of 16 rows of 64 bytes."""
    config = np.zeros(64, np.uint8)
    config[0] = 1
    config[16:32].view(np.uint16)[:] = BYTES
    config[48:56] = ROWS
    return config


def _is_available() -> bool:
    """Whether the processor has the tiles and Linux lets this process use them, which a process has to request."""
    if sys.platform != "linux" or platform.machine() != "x86_64" or not processor_features().issuperset(FEATURES):
        return False
    arch_prctl, request_permission, tile_data = 158, 0x1023, 18  # Documentation/arch/x86/xstate.rst of the kernel
    return bool(ctypes.CDLL(None).syscall(arch_prctl, request_permission, tile_data) == 0)


@once
def tiles() -> "Tiles | None":
    """None where the processor has no AMX, or LLVM does not know its instructions by these names."""
    if not _is_available():
        return None
    try:
        compiled = Tiles.compiled()
    except RuntimeError as error:
        _log.warning("AMX cannot be used (%s): int8 search gives the same answers, half as fast", error)
        return None
    if not compiled.agrees():
        _log.warning(
            "AMX is not used: its products differ from numpy's; int8 search gives the same answers, half as fast"
        )
        return None
    return compiled


@dataclass(frozen=True, slots=True)
class Tiles:
    """The compiled loop: `maxima` of pages for tokens that `pack` has laid out."""

    loop: Callable[..., None]

    @classmethod
    def compiled(cls, instructions: str = "", features: Iterable[str] = FEATURES) -> "Tiles":
        """`instructions` as in `loop_text`. Raises `RuntimeError` when LLVM refuses."""
        return cls(compile_loop(loop_text(instructions), "loop", _ARGUMENTS, features=features))

    @staticmethod
    def pack(tokens: Codes) -> Codes:
        """(t, dim) -> (groups of 32, dim / 64, 2, 1024): tiles whose rows hold four dimensions of 16 tokens each.

        Missing tokens of the last group are zeros; their columns are cut off, so they win nothing.
        """
        count, dim = tokens.shape
        groups = -(-count // BLOCK_ROWS)
        padded = np.zeros((groups * BLOCK_ROWS, dim), np.int8)
        padded[:count] = tokens
        split = padded.reshape(groups, 2, ROWS, dim // BYTES, ROWS, 4)  # group, half, token, depth, row, dimension
        return np.ascontiguousarray(split.transpose(0, 3, 1, 4, 2, 5)).reshape(groups, dim // BYTES, 2, TILE)

    def maxima(self, tokens: Codes, codes: Codes, firsts: Places, lasts: Places) -> Int32s:
        """(t, dim), (n, dim), each page's first row and the row after its last -> (pages, t)."""
        packed, config = self.pack(tokens), tile_config()
        codes, firsts, lasts = np.ascontiguousarray(codes), np.ascontiguousarray(firsts), np.ascontiguousarray(lasts)
        short = np.empty((BLOCK_ROWS, codes.shape[1]), np.int8)
        maxima = np.empty((len(firsts), BLOCK_ROWS * len(packed)), np.int32)
        if maxima.size:
            self.loop(
                config.ctypes.data,
                codes.ctypes.data,
                codes.shape[1],
                firsts.ctypes.data,
                lasts.ctypes.data,
                len(firsts),
                packed.ctypes.data,
                len(packed),
                short.ctypes.data,
                maxima.ctypes.data,
            )
        return maxima[:, : len(tokens)]

    def products(self, tokens: Codes, codes: Codes) -> Int32s:
        """(t, dim), (n, dim) -> (n, t): by the widest registers, which AMX's processors all have."""
        return INT8_LANES[0].products(tokens, codes)

    def agrees(self) -> bool:
        """Whether it computes what numpy does, for pages shorter and longer than a block: checked once."""
        ends = np.array([0, 1, 1 + BLOCK_ROWS, 40 + BLOCK_ROWS, 200])
        codes = (np.arange(200 * 128) * 31 % 255 - 127).astype(np.int8).reshape(200, 128)
        tokens = (np.arange(37 * 128) * 7 % 255 - 127).astype(np.int8).reshape(37, 128)
        expected = np.maximum.reduceat(codes.astype(np.int32) @ tokens.T.astype(np.int32), ends[:-1], axis=0)
        return np.array_equal(self.maxima(tokens, codes, ends[:-1], ends[1:]), expected)
