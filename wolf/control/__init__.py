"""When a run goes on, waits or ends: the person in the loop, the rules that stop it, the alarm."""
