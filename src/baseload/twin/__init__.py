"""Simulated engines and providers: the real wire format, the capacity model's timing, scripted faults."""
