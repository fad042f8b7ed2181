"""MaxSim's loop over pages, in LLVM's representation: products are compared where they arise and never stored.

Lanes of a register are query tokens. A unit of a page vector (four codes, or a word of sign bits) is loaded once for
all lanes and added to their sums, so nothing is transposed and no lanes are added up; a page's best sums stay in
registers until its end. What one such addition is, each instruction set says in its own words (`Lanes.add`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from colvision.maxsim.native import Address, Count, compile_loop, processor_features
from colvision.parallel import once

Places = NDArray[np.int64]
Kept = Literal["best", "all"]  # each page's best sums, or those of each row


@dataclass(frozen=True, slots=True)
class Lanes:
    """How the instructions of one kind of processor add a unit to the sums of all tokens.

    The processor must have all `features`, under LLVM's names. A register holds `count` lanes of `bits`, which is also
    the size of a unit; `rows` of a page meet up to `registers` of tokens at once, as many as leave no sum without a
    register. `add` defines @add(sums, row, tokens) in LLVM's representation; `best` is the sum that wins, of 32 bits.
    """

    name: str
    features: tuple[str, ...]
    count: int
    bits: Literal[32, 64]
    rows: int
    registers: int
    add: str = field(repr=False)
    best: Literal["smax", "umin"] = "smax"

    @property
    def is_available(self) -> bool:
        return processor_features().issuperset(self.features)

    def sums(
        self, kept: Kept, tokens: NDArray[np.generic], rows: NDArray[np.generic], firsts: Places, lasts: Places
    ) -> NDArray[np.signedinteger]:
        """Of `tokens` (t, units) and contiguous `rows` (n, units) in any type of the size of a lane.

        "best": of each page, from its first row to the one after its last, (pages, t); "all": (n, t), where one page
        holds all rows.
        """
        count, units = tokens.shape
        registers, groups = self._split(count)
        packed = np.zeros((groups * registers * self.count, units), tokens.dtype)  # what no token fills is cut off
        packed[:count] = tokens
        packed = np.ascontiguousarray(packed.reshape(groups, -1, units).transpose(0, 2, 1))
        found = np.empty((len(firsts) if kept == "best" else len(rows), groups * packed.shape[2]), f"i{self.bits // 8}")
        firsts, lasts = np.ascontiguousarray(firsts), np.ascontiguousarray(lasts)
        if len(found):
            _compiled(self, kept, registers)(
                rows.ctypes.data,
                units,
                firsts.ctypes.data,
                lasts.ctypes.data,
                len(firsts),
                packed.ctypes.data,
                groups,
                found.ctypes.data,
            )
        return found[:, :count]

    def _split(self, tokens: int) -> tuple[int, int]:
        """Registers of tokens that are compared at once, and how often, so that few lanes are empty."""
        registers = -(-tokens // self.count)
        groups = -(-registers // self.registers)
        return -(-registers // groups), groups


@once
def _compiled(lanes: Lanes, kept: Kept, registers: int) -> Callable[..., None]:
    arguments = (Address, Count, Address, Address, Count, Address, Count, Address)
    return compile_loop(loop_text(lanes, kept, registers), "loop", arguments, features=lanes.features)


def loop_text(lanes: Lanes, kept: Kept, registers: int) -> str:
    """The loop over pages, groups of tokens, blocks of rows, units.

    A block that passes the end of its page repeats the last row, which changes no best sum.
    """
    every, blocks = range(registers), [(r, v) for r in range(lanes.rows) for v in range(registers)]
    width, last, unit, sums = (
        registers * lanes.count,
        lanes.rows - 1,
        f"i{lanes.bits}",
        f"<{lanes.count} x i{lanes.bits}>",
    )
    worst = -(2**31) if lanes.best == "smax" else -1
    best = [f"%best{v} = phi {sums} [splat ({unit} {worst}), %group_loop], [%best{v}_{last}, %row_end]" for v in every]
    zeros = [f"%old{r}_{v} = phi {sums} [zeroinitializer, %row_loop], [%sum{r}_{v}, %unit_loop]" for r, v in blocks]
    add = [f"%sum{r}_{v} = call {sums} @add({sums} %old{r}_{v}, {sums} %row{r}, {sums} %token{v})" for r, v in blocks]
    if kept == "best":
        at_row, at_page = [], [_store(sums, unit, f"%best{v}_{last}", "%page", v) for v in every]
    else:
        at_row, at_page = [_store(sums, unit, f"%sum{r}_{v}", f"%place{r}", v) for r, v in blocks], []
    return f"""{lanes.add}
{_pick(lanes, sums)}
declare i64 @llvm.smin.i64(i64, i64)

define void @loop(ptr noalias readonly %rows, i64 %units, ptr noalias readonly %firsts, ptr noalias readonly %lasts,
    i64 %pages, ptr noalias readonly %tokens, i64 %groups, ptr noalias writeonly %found) {{
  %group_units = mul i64 %units, {width}
  %width = mul i64 %groups, {width}
  br label %page_loop
page_loop:
  %page = phi i64 [0, %0], [%next_page, %page_end]
  %first_at = getelementptr i64, ptr %firsts, i64 %page
  %first = load i64, ptr %first_at
  %last_at = getelementptr i64, ptr %lasts, i64 %page
  %last = load i64, ptr %last_at
  %end = sub i64 %last, 1
  br label %group_loop
group_loop:
  %group = phi i64 [0, %page_loop], [%next_group, %group_end]
  %group_from = mul i64 %group, %group_units
  %group_at = getelementptr {unit}, ptr %tokens, i64 %group_from
  %column = mul i64 %group, {width}
  %found_at = getelementptr {unit}, ptr %found, i64 %column
  br label %row_loop
row_loop:
  %row = phi i64 [%first, %group_loop], [%next_row, %row_end]
  {_join(best)}
  {_join(_find_row(r, unit) for r in range(lanes.rows))}
  br label %unit_loop
unit_loop:
  %u = phi i64 [0, %row_loop], [%next_u, %unit_loop]
  {_join(zeros)}
  %tokens_from = mul i64 %u, {width}
  %tokens_at = getelementptr {unit}, ptr %group_at, i64 %tokens_from
  {_join(_load_tokens(v, v * lanes.count, unit, sums) for v in every)}
  {_join(_load_row(r, lanes.count, unit, sums) for r in range(lanes.rows))}
  {_join(add)}
  %next_u = add i64 %u, 1
  %has_units = icmp slt i64 %next_u, %units
  br i1 %has_units, label %unit_loop, label %row_end
row_end:
  {_join(_keep_better(r, v, sums) for r, v in blocks)}
  {_join(at_row)}
  %next_row = add i64 %row, {lanes.rows}
  %has_rows = icmp slt i64 %next_row, %last
  br i1 %has_rows, label %row_loop, label %group_end
group_end:
  {_join(at_page)}
  %next_group = add i64 %group, 1
  %has_groups = icmp slt i64 %next_group, %groups
  br i1 %has_groups, label %group_loop, label %page_end
page_end:
  %next_page = add i64 %page, 1
  %has_pages = icmp slt i64 %next_page, %pages
  br i1 %has_pages, label %page_loop, label %done
done:
  ret void
}}
"""


def _join(lines: Iterable[str]) -> str:
    return "\n  ".join(lines)


def _find_row(r: int, unit: str) -> str:
    return f"""%beyond{r} = add i64 %row, {r}
  %place{r} = call i64 @llvm.smin.i64(i64 %beyond{r}, i64 %end)
  %row_from{r} = mul i64 %place{r}, %units
  %row_at{r} = getelementptr {unit}, ptr %rows, i64 %row_from{r}"""


def _load_tokens(v: int, offset: int, unit: str, sums: str) -> str:
    return f"""%token_at{v} = getelementptr {unit}, ptr %tokens_at, i64 {offset}
  %token{v} = load {sums}, ptr %token_at{v}, align 1"""


def _load_row(r: int, count: int, unit: str, sums: str) -> str:
    """One unit of a row, in every lane."""
    return f"""%unit_at{r} = getelementptr {unit}, ptr %row_at{r}, i64 %u
  %unit{r} = load {unit}, ptr %unit_at{r}, align 1
  %lane{r} = insertelement {sums} poison, {unit} %unit{r}, i32 0
  %row{r} = shufflevector {sums} %lane{r}, {sums} poison, <{count} x i32> zeroinitializer"""


def _pick(lanes: Lanes, sums: str) -> str:
    """@pick(one, other) gives the better sums, compared as halves where they are of 64 bits: AVX2 has no other way."""
    count = lanes.count * lanes.bits // 32
    return f"""declare <{count} x i32> @llvm.{lanes.best}.v{count}i32(<{count} x i32>, <{count} x i32>)
define internal {sums} @pick({sums} %one, {sums} %other) alwaysinline {{
  %first = bitcast {sums} %one to <{count} x i32>
  %second = bitcast {sums} %other to <{count} x i32>
  %better = call <{count} x i32> @llvm.{lanes.best}.v{count}i32(<{count} x i32> %first, <{count} x i32> %second)
  %best = bitcast <{count} x i32> %better to {sums}
  ret {sums} %best
}}"""


def _keep_better(r: int, v: int, sums: str) -> str:
    before = f"%best{v}" if r == 0 else f"%best{v}_{r - 1}"
    return f"%best{v}_{r} = call {sums} @pick({sums} {before}, {sums} %sum{r}_{v})"


def _store(sums: str, unit: str, value: str, place: str, v: int) -> str:
    name = value[1:]
    return f"""%from_{name} = mul i64 {place}, %width
  %row_{name} = getelementptr {unit}, ptr %found_at, i64 %from_{name}
  %at_{name} = getelementptr {sums}, ptr %row_{name}, i64 {v}
  store {sums} {value}, ptr %at_{name}, align 1"""
