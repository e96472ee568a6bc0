"""What evolves and who survives: pure and deterministic, without clock, network or terminal."""
