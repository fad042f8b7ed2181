"""Sizes that the page tower, its training and its use share."""

DPI = 98  # what the tower was trained to read: US Letter is 832 x 1072 pixels
PATCH_HEIGHT, PATCH_WIDTH = 16, 32  # pixels
LETTER_WIDTH = 8  # pixels: a letter cell is as high as a patch and a quarter as wide
BLOCK = 4  # pixels: the tower takes blocks of 4 x 4 as channels
DIM = 128
LETTERS = 95  # printable ASCII, 0 = none
