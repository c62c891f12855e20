"""Traffic: one columnar table of requests, the readers that fill it, and load shapes to draw it from.

Nothing is imported here, so that rooms which must stay free of numpy can name this one.
"""
