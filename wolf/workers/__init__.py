"""Where evaluations run: slots of this machine, or a Ray cluster."""
