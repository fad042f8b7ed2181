"""Vision-language encoders through transformers: any family's checkpoint becomes a `VlmEncoder`."""
