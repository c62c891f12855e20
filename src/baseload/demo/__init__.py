"""`baseload demo`: the whole loop on real input, told in five steps. Start with `story.py`."""
