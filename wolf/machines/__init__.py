"""What there is to run on: the cores, memory and GPUs of this machine, or the nodes of a Ray cluster."""
