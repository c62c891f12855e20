"""The control plane: what people and Prometheus look at. Never on the data port."""
