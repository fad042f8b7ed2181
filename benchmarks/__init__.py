"""Speed, measured on the machine at hand: `make bench`. Each file pairs its ways in one run and prints medians."""
