"""What a person writes: the YAML, checked, and the target that it names."""
