"""Pages in HTML that need nothing else: what reports are made of."""
