"""Reference arrays by the original implementations, on tiny weights that both sides draw from the weights' names.

`make oracles` installs those implementations into folders of their own and runs `original.py` in each: `colpali`,
`colsmol` and `older` are what the published adapters were made for, `newer` has the families that came later,
`multivector` is sentence-transformers, which reads whole folders, and so is `colbert`, for encoders of text.
`test_oracles.py` and `test_text_oracles.py` compare.
"""
