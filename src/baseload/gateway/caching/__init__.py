"""The response cache: whole answers kept in memory and given again to the same request (docs/cache.md)."""
