"""`wolf compare`: many runs, side by side, with the statistics that it takes."""
