"""The rules that gateway, simulator and replay share: pure decisions; time and randomness are passed in."""
