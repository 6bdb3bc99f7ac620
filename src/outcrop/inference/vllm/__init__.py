"""vLLM behind the face of this wing: tokens go to it and tokens come back; prompts, text and units stay on this side.

Knows nothing of who wants an engine.
"""
