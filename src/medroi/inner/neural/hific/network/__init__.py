"""PyTorch modules of HiFiC, and what runs them."""
