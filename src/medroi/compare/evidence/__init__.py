"""Evidence about a lossy codec that PSNR does not give: noise, fidelity, tissue, texture."""
