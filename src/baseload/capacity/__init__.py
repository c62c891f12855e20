"""What one replica can do: step time, a prediction per request, throughput within an SLO, batching."""
