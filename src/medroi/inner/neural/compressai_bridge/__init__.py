"""Inner codec 37: any image model of CompressAI."""
