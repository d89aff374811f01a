"""Inner codecs by neural networks: one package per architecture, shared coding beside them."""
