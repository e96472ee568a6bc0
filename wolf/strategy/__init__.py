"""What to ask next: the strategy `wolf`, its parts, and what it is compared with."""
