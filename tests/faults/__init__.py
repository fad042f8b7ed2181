"""What a library must survive: power cuts, failing disks, kills, damage, readers beside a writer.

`python -m tests.faults` runs it all at length; the tests run a sample. See docs/safety.md.
"""
