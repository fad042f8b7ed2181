"""The families of vision-language models: how each makes tokens of a page, and where its patches lie."""
