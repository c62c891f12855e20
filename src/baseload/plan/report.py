"""placeholder until the figures exist"""
