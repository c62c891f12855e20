"""Facts with source and date: token prices, GPU offers, GPUs, open models; every figure can be overridden."""
