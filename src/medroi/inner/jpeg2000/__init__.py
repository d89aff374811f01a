"""JPEG 2000, in the kernel or through glymur."""
